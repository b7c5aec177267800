"""``handed_in/``: the bundles that were merged, one a loss, each with a file beside it of what spot checks have shown.

The leaderboard takes the records of these bundles as they are. Each time it reads them it checks them as they were checked
when they were merged: what lies in the folder proves nothing, and a board's settings may have changed. Marks follow from
what the reruns gave, which stands beside the bundle, and not from what is said of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import ValidationError

from suite.errors import SuiteError
from suite.evaluation.records import TABLE, Record
from suite.evaluation.tables import HANDED_IN
from suite.files import read_json, write_json
from suite.judging.handed_in.bundle import read_bundle
from suite.judging.handed_in.standing import HandedIn, Merged, SpotCheck
from suite.settings.params import Settings
from suite.settings.paths import HANDED_IN_FOLDER, PAPER_VALUES
from suite.settings.plans import Regime
from suite.settings.reading import explain_first

if TYPE_CHECKING:
    from suite.judging.handed_in.truth import Truth

MARK, VERSION, CHECK = HANDED_IN, "suite_version", "spot_check"
"""Columns of the leaderboard, where a loss was handed in: the mark, the version of the suite if it is another, what the
spot check showed from which the mark follows; empty for own rows."""


def bundle_path(loss: str, folder: Path = HANDED_IN_FOLDER) -> Path:
    """The bundle of a loss on the board."""
    return folder / f"{loss}.zip"


def load_handed_in(settings: Settings | None = None, folder: Path = HANDED_IN_FOLDER) -> dict[str, HandedIn]:
    """All bundles on the board by loss, in the order of their names.

    Args:
        settings: of the board against which each is checked as when it was merged; None where its rows are there already.
        folder: where they lie.

    Raises:
        SuiteError: one is damaged, was not merged, was altered since, or does not fit the board.
    """
    found: dict[str, HandedIn] = {}
    truths: dict[str, Truth] = {}
    for path in sorted(folder.glob("*.zip")):
        bundle, beside = read_bundle(path), path.with_suffix(".json")
        if not beside.is_file():
            raise SuiteError(
                f"{path} lies there without {beside.name}; move it elsewhere, then run: suite merge BUNDLE"
            )
        each = HandedIn(bundle, load_merged(beside))
        if each.merged.sha256 != bundle.sha256:
            raise SuiteError(f"{path} was altered since it was merged; restore it with: git checkout {path}")
        if path.stem != bundle.loss:
            raise SuiteError(f"{path} holds {bundle.loss}; allowed: the name {bundle.loss}.zip")
        if settings is not None:
            from suite.judging.handed_in.check import (
                check_bundle,
                check_name,
            )  # they need torch, a board without bundles none

            try:
                check_name(bundle, settings)
                check_bundle(bundle, settings, truths)
            except SuiteError as error:
                cure = f"it does not fit this board; take it off with: git rm {path} {beside}"
                raise SuiteError(f"{error}; {cure}") from error
        try:
            for check in each.merged.spot_checks:
                each.pairs(check)
        except SuiteError as error:
            raise SuiteError(f"{beside}: {error}; restore it with: git checkout {beside}") from error
        found[bundle.loss] = each
    return found


def load_merged(path: Path) -> Merged:
    """Read what stands beside a bundle.

    Raises:
        SuiteError: it is damaged.
    """
    cure = f"restore it with: git checkout {path}"
    try:
        return Merged.model_validate(read_json(path, cure))
    except ValidationError as error:
        raise SuiteError(f"{explain_first(error, Merged, path)}; {cure}") from error


def save_merged(path: Path, merged: Merged) -> None:
    """Write what stands beside a bundle."""
    write_json(path, merged.model_dump(mode="json"))


def add_check(path: Path, check: SpotCheck) -> Merged:
    """Put a spot check beside a bundle; gives all that stands there then.

    Raises:
        SuiteError: what stands there is damaged.
    """
    beside = path.with_suffix(".json")
    merged = load_merged(beside)
    merged = merged.model_copy(update={"spot_checks": (*merged.spot_checks, check)})
    save_merged(beside, merged)
    return merged


def records_for(handed_in: Mapping[str, HandedIn], own: Sequence[Record], regime: Regime) -> list[Record]:
    """Records of a regime that were handed in and stand in a table in which the board has runs of its own."""
    tables = {tuple(getattr(record, name) for name in TABLE) for record in own}
    kinds = (regime, PAPER_VALUES) if regime == "frozen" else (regime,)
    return [
        record
        for each in handed_in.values()
        for kind in kinds
        for records in each.bundle.records_of(kind).values()
        for record in records
        if tuple(getattr(record, name) for name in TABLE) in tables
    ]


def trials_of(handed_in: Mapping[str, HandedIn], regime: Regime) -> dict[tuple[str, str, str], int]:
    """Trials by track, data set and loss behind the values that were handed in: the fewest of several searches, or none."""
    found: dict[tuple[str, str, str], int] = {}
    for loss, each in handed_in.items():
        for dataset in each.bundle.records_of(regime):
            found |= {("tuned", dataset, loss): 0, (PAPER_VALUES, dataset, loss): 0}
        for recipe in each.bundle.searches.values():
            if recipe.regime == regime:
                place = (recipe.track, recipe.dataset, loss)
                found[place] = min(found.get(place) or len(recipe.trials), len(recipe.trials))
    return found


def with_marks(
    table: pd.DataFrame, handed_in: Mapping[str, HandedIn], columns: Sequence[str], losses: Sequence[str] = ("loss",)
) -> pd.DataFrame:
    """A table with these of ``MARK``, ``VERSION`` and ``CHECK``; they are left out where no loss of it was handed in.

    Args:
        table: with columns ``regime`` and ``track``.
        handed_in: losses that were handed in.
        columns: which columns are added.
        losses: columns of the table that name losses; the first of a row that was handed in counts.
    """
    places = []
    for row in table[["regime", "track", *losses]].itertuples(index=False):
        regime, track, *names = map(str, row)
        places.append((next((name for name in names if name in handed_in), ""), regime, track))
    none = dict.fromkeys((MARK, VERSION, CHECK), "")
    known = dict.fromkeys(places, none)
    for loss, regime, track in (place for place in known if place[0]):
        each = handed_in[loss]
        standing = each.standing(regime, track)
        known[loss, regime, track] = {MARK: standing.mark, VERSION: each.version(), CHECK: standing.told}
    if not any(loss for loss, _, _ in known):
        return table
    return table.assign(**{name: [known[place][name] for place in places] for name in columns})
