"""From a claim and the rows to lines with evidence: one module for each source of rows."""

from suite.judging.claims.kinds.ablations import weigh_insensitivity, weigh_saturation, weigh_trend
from suite.judging.claims.kinds.closeness import weigh_closeness
from suite.judging.claims.kinds.influence import weigh_decay
from suite.judging.claims.kinds.minima import weigh_minima
from suite.judging.claims.kinds.runs import weigh_reproduction, weigh_robustness, weigh_superiority
from suite.judging.claims.lines import Line
from suite.judging.claims.measured import Measured
from suite.judging.claims.schema import (
    Claim,
    Closeness,
    Decay,
    Insensitivity,
    Minima,
    Reproduction,
    Robustness,
    Saturation,
    Superiority,
    Trend,
)


def weigh(claim: Claim, measured: Measured) -> list[Line]:  # noqa: PLR0911 - one line a kind
    """Lines of a claim, one or more for each of its data sets.

    Raises:
        SuiteError: rows contradict each other, e.g. unpaired runs.
    """
    match claim:
        case Superiority():
            return weigh_superiority(claim, measured)
        case Robustness():
            return weigh_robustness(claim, measured)
        case Reproduction():
            return weigh_reproduction(claim, measured)
        case Insensitivity():
            return weigh_insensitivity(claim, measured)
        case Trend():
            return weigh_trend(claim, measured)
        case Saturation():
            return weigh_saturation(claim, measured)
        case Closeness():
            return weigh_closeness(claim, measured)
        case Minima():
            return weigh_minima(claim, measured)
        case Decay():
            return weigh_decay(claim, measured)
    raise TypeError(f"no way to weigh a claim of kind {type(claim).__name__}")
