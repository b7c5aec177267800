"""The claim that influence decays with distance, read off the measured curves of ``suite figures``."""

import pandas as pd

from suite.judging.claims.evidence import constant
from suite.judging.claims.lines import Line
from suite.judging.claims.measured import INFLUENCE, Measured
from suite.judging.claims.schema import Decay
from suite.judging.claims.vocabulary import Verdict


def weigh_decay(claim: Decay, measured: Measured) -> list[Line]:
    """Greatest influence of a far point over the greatest of any, subject less reference."""
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
    subject, reference = (_far_share(curve, claim.beyond) for curve in curves)
    effect = subject - reference
    smallest = claim.smallest_effect.value
    verdict = Verdict.EQUIVALENT
    if abs(effect) >= smallest:
        verdict = Verdict.SUPPORTED if effect < 0 else Verdict.CONTRADICTED
    evidence = constant(effect, verdict)
    return [Line(claim, "", evidence=evidence)]


def _curve(curves: pd.DataFrame, loss: str, claim: Decay) -> pd.DataFrame:
    return curves[(curves["loss"] == loss) & (curves["pair"] == claim.pair)].sort_values("distance")


def _far_share(curve: pd.DataFrame, beyond: float) -> float:
    """Greatest influence at the measured distances from ``beyond`` on, over the greatest of all."""
    return float(curve[curve["distance"] >= beyond]["normalised"].max())
