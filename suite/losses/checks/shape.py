"""The influence curve of a loss in a line: how hard it pulls a positive and pushes a negative, by distance."""

import numpy as np

from suite.errors import SuiteError
from suite.losses.checks.batches import EMBEDDING_DIM
from suite.losses.checks.subject import Broken, Subject
from suite.losses.influence.curve import influence_curves
from suite.losses.influence.scene import PAIRS

DISTANCES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7)
_BARS = "▁▂▃▄▅▆▇█"
_WRONG = 0.05
"""Share of the largest influence above which a wrong sign counts."""


def describe_influence(subject: Subject) -> str:
    """Both curves as bars over `DISTANCES`, and where each is highest.

    Raises:
        Broken: the curves cannot be measured, or a positive is pushed or a negative pulled.
    """
    try:
        curves = influence_curves(subject.entry, subject.values, EMBEDDING_DIM, DISTANCES)
    except SuiteError as error:
        raise Broken(str(error).partition("its influence cannot be measured: ")[2] or str(error)) from error
    texts, wrong = [], []
    for pair, verb, opposite in zip(PAIRS, ("pull of a", "push of a"), ("pushed away", "pulled near"), strict=True):
        shares = curves.loc[curves["pair"] == pair, "normalised"].to_numpy()
        texts.append(f"{verb} {pair} {_bars(shares)}, {_highest(shares)}")
        if (shares < -_WRONG).any():
            wrong.append(f"{pair}s are {opposite} at distance {DISTANCES[int(shares.argmin())]:g}")
    text = "; ".join(texts) + f" (distance {DISTANCES[0]:g} to {DISTANCES[-1]:g})"
    if wrong:
        raise Broken(f"{'; '.join(wrong)}: {text}")
    return text


def _bars(shares: np.ndarray) -> str:
    places = np.clip(np.round(np.clip(shares, 0, 1) * (len(_BARS) - 1)), 0, len(_BARS) - 1).astype(int)
    return "".join(_BARS[place] for place in places)


def _highest(shares: np.ndarray) -> str:
    return f"highest at {DISTANCES[int(shares.argmax())]:g}" if shares.max() > 0 else "none"
