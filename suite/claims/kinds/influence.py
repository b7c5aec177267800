"""The claim that influence decays with distance, read off the measured curves of ``suite figures``."""

import numpy as np
import pandas as pd

from suite.claims.evidence import constant
from suite.claims.lines import Line
from suite.claims.measured import INFLUENCE, Measured
from suite.claims.schema import Decay
from suite.claims.vocabulary import Verdict


def weigh_decay(claim: Decay, measured: Measured) -> list[Line]:
    """Shares of the largest influence that are left at the distance, subject less reference."""
    missing = ""
    if measured.influence is None:
        missing = f"no {INFLUENCE}"
    else:
        curves = [
            _curve(measured.influence, loss, claim) for loss in (claim.contrast.subject, claim.contrast.reference)
        ]
        if any(curve.empty for curve in curves):
            missing = f"{INFLUENCE} lacks one of {claim.contrast.subject}, {claim.contrast.reference}"
    if missing:
        return [Line(claim, "", state=Verdict.NOT_RUN, reason=missing)]
    subject, reference = (_at(curve, claim.distance) for curve in curves)
    effect = subject - reference
    smallest = claim.smallest_effect.value
    evidence = constant(effect, supported=effect <= -smallest, contradicted=effect >= smallest)
    return [Line(claim, "", evidence=evidence)]


def _curve(curves: pd.DataFrame, loss: str, claim: Decay) -> pd.DataFrame:
    return curves[(curves["loss"] == loss) & (curves["pair"] == claim.pair)].sort_values("distance")


def _at(curve: pd.DataFrame, distance: float) -> float:
    """Influence at a distance over its largest size, linear between the measured distances."""
    return float(np.interp(distance, curve["distance"], curve["normalised"]))
