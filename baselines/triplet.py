"""Triplet loss on semi-hard triplets, through pytorch-metric-learning.

Source: Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015, Eq.
3-4. Over the triplets of the batch whose negative is farther than the positive by less than the margin,

    L = mean max(0, |a - p|^2 - |a - n|^2 + margin)

Deviations: the mean in place of the sum, so that the value does not grow with the number of triplets; every
semi-hard triplet of the batch counts. ``squared=False`` takes plain distances, as the triplet baseline in the
code of Kim et al., CVPR 2020 does (margin .1).
"""

from typing import Any, ClassVar

from baselines.frame import MinedPairsLoss
from pfml.checks import checked_flag, checked_number


class TripletLoss(MinedPairsLoss):
    """Semi-hard triplet loss.

    Args:
        margin: difference of (squared) distances to reach, > 0.
        squared: squared distances, as in the paper, or plain ones.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = "mean over semi-hard triplets of max(0, |a - p|^2 - |a - n|^2 + margin)"
    source: ClassVar[str] = "Schroff et al., FaceNet, CVPR 2015, Eq. 3 and 4"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "margin": {"low": 0.05, "high": 1.0, "log": False},
        "squared": {"values": [True, False]},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"margin": 0.1, "squared": False, "learning_rate": 1e-4}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "a recipe for retrieval: FaceNet trains on faces; these are the values in the code of Kim et al., CVPR 2020",
    )

    def __init__(self, margin: float = 0.2, *, squared: bool = True) -> None:
        super().__init__()
        self.margin = checked_number("margin", margin, above=0)
        self.squared = checked_flag("squared", squared)
        from pytorch_metric_learning.distances import LpDistance
        from pytorch_metric_learning.losses import TripletMarginLoss
        from pytorch_metric_learning.miners import TripletMarginMiner

        power = 2 if self.squared else 1
        self.miner = TripletMarginMiner(self.margin, type_of_triplets="semihard", distance=LpDistance(power=power))
        self.loss = TripletMarginLoss(self.margin, distance=LpDistance(power=power))
