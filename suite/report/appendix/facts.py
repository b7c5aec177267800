"""What an appendix is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from suite.report.finding import Finding
from suite.settings.params import Recipe
from suite.settings.tuned_recipes import TunedRecipe


@dataclass(frozen=True)
class DatasetFacts:
    """What an appendix says of a data set.

    Attributes:
        about: what its classes and images are; empty if that is not known.
        classes: number of classes; None where its file is not there.
        images: number of images, likewise.
        keys: references of its sources.
    """

    about: str
    classes: int | None
    images: int | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """All that an appendix on one loss is written from.

    Attributes:
        loss: its name.
        formula: lines of LaTeX, if the loss comes with the suite.
        plain: its formula as the code declares it.
        board: rows of the leaderboard in the regimes and tracks that the loss is in.
        verdicts: those of the loss, in the same.
        findings: what was found in these regimes, where the loss is PFML; else none.
        datasets: by name.
        loss_keys: references of each loss on the board, by name.
        recipes: how each regime trains, where settings say it.
        epochs: for how many epochs each of these trains on each track, in words.
        backbone: name of the network.
        tuned: tuned recipes of the loss, by regime, track and data set.
        figures: stems of the figures that there are.
        digests: what each digest is of, and the digest.
    """

    loss: str
    formula: tuple[str, ...]
    plain: str
    board: pd.DataFrame
    verdicts: pd.DataFrame
    findings: Sequence[Finding]
    datasets: Mapping[str, DatasetFacts]
    loss_keys: Mapping[str, tuple[str, ...]]
    recipes: Mapping[str, Recipe]
    epochs: Mapping[tuple[str, str], str]
    backbone: str
    tuned: Mapping[tuple[str, str, str], TunedRecipe]
    figures: Sequence[str]
    digests: Sequence[tuple[str, str]]
    versions: Mapping[str, str] = field(default_factory=dict)
