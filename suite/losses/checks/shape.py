"""The influence curve of a loss in a line: how hard it pulls a positive and pushes a negative, by distance."""

import numpy as np

from suite.losses.checks.subject import INFLUENCE_DISTANCES, Broken, Subject
from suite.losses.checks.symmetry import check_comparable, check_placed
from suite.losses.influence.scene import PAIRS

_BARS = "▁▂▃▄▅▆▇█"
_WRONG = 0.05
"""Share of the largest influence above which a wrong sign counts."""
_RANGE = f"(distance {INFLUENCE_DISTANCES[0]:g} to {INFLUENCE_DISTANCES[-1]:g})"


def pulls_positives(subject: Subject) -> str:
    """A positive is pulled nearer at some distance, and pushed away more strongly at none."""
    shares = _shares(subject, "positive")
    text = f"pull of a positive {_bars(shares)}, {_highest(shares)} {_RANGE}"
    if -shares.min() > shares.max() or shares.max() <= 0:
        _check_told(subject)
    if shares.max() <= 0:
        raise Broken(f"positives are not pulled at any distance {_RANGE}")
    if -shares.min() > shares.max():
        raise Broken(f"positives are pushed away more than pulled: {text}")
    return text


def describe_influence(subject: Subject) -> str:
    """Both curves as bars over `INFLUENCE_DISTANCES`, and where each is highest.

    Raises:
        Broken: the curves cannot be measured, or a positive is pushed or a negative pulled.
    """
    texts, wrong = [], []
    for pair, verb, opposite in zip(PAIRS, ("pull of a", "push of a"), ("pushed away", "pulled near"), strict=True):
        shares = _shares(subject, pair)
        texts.append(f"{verb} {pair} {_bars(shares)}, {_highest(shares)}")
        if (shares < -_WRONG).any():
            wrong.append(f"{pair}s are {opposite} at distance {INFLUENCE_DISTANCES[int(shares.argmin())]:g}")
    text = f"{'; '.join(texts)} {_RANGE}"
    if wrong:
        _check_told(subject)
        raise Broken(f"{'; '.join(wrong)}: {text}")
    return text


def _check_told(subject: Subject) -> None:
    """Check that a curve tells how a loss moves points.

    Raises:
        Incomparable: its proxies cannot be placed, or the curve is of one draw of its random numbers.
    """
    check_placed(subject)
    check_comparable(subject)


def _shares(subject: Subject, pair: str) -> np.ndarray:
    curves = subject.influence
    shares: np.ndarray = curves.loc[curves["pair"] == pair, "normalised"].to_numpy()
    return shares


def _bars(shares: np.ndarray) -> str:
    places = np.clip(np.round(np.clip(shares, 0, 1) * (len(_BARS) - 1)), 0, len(_BARS) - 1).astype(int)
    return "".join(_BARS[place] for place in places)


def _highest(shares: np.ndarray) -> str:
    return f"highest at {INFLUENCE_DISTANCES[int(shares.argmax())]:g}" if shares.max() > 0 else "none"
