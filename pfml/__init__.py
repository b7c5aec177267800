"""Potential field based deep metric learning (Bhatnagar & Ahuja, CVPR 2025). Depends on torch alone."""

from pfml.energy import total_energy
from pfml.loss import ActiveShares, PotentialFieldLoss
from pfml.potential import attraction, repulsion

__all__ = ["ActiveShares", "PotentialFieldLoss", "attraction", "repulsion", "total_energy"]
