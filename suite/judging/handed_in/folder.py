"""``handed_in/``: the bundles that were merged, one a loss, each with a file beside it of what spot checks have shown.

The leaderboard takes the records of these bundles as they are. Each time it reads them, it compares the digest of a bundle
with that of the file that was checked, its protocol with this suite's, and its records with the board's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from suite.errors import SuiteError
from suite.evaluation.records import TABLE, Record
from suite.evaluation.tables import HANDED_IN
from suite.files import read_json, write_json
from suite.judging.handed_in.bundle import Bundle, read_bundle
from suite.judging.handed_in.protocol import difference, suite_version
from suite.judging.verify import RerunOutcome
from suite.settings.paths import HANDED_IN_FOLDER, PAPER_VALUES
from suite.settings.plans import Regime
from suite.settings.reading import Strict, explain_first

NOT_RERUN, SPOT_CHECKED, UNDECIDED, NOT_REPRODUCED = "not rerun", "spot-checked", "undecided", "not reproduced"
"""Marks of a handed-in row: no spot check, a last one that reproduced its runs or could not tell, or any that did not."""
MARK, VERSION, CHECK = HANDED_IN, "suite_version", "spot_check"
"""Columns of the leaderboard, where a loss was handed in: the mark, the version of the suite if it is another, what the
last spot check showed; empty for own rows."""


class SpotCheck(Strict):
    """Some runs of a bundle computed anew, and what that showed."""

    draw: int
    """Seed of the sample."""
    runs: tuple[str, ...]
    """Names of the runs."""
    margin: float
    """Points of R@1 up to which the mean difference counts as none."""
    outcome: RerunOutcome
    told: str
    """The differences, with the p of TOST."""
    suite_version: str


class Merged(Strict):
    """What stands beside a bundle."""

    sha256: str
    """Of the bundle."""
    spot_checks: tuple[SpotCheck, ...] = ()

    @property
    def mark(self) -> str:
        """The mark of its rows; one check that did not reproduce its runs outweighs all others."""
        outcomes = [check.outcome for check in self.spot_checks]
        if not outcomes:
            return NOT_RERUN
        if RerunOutcome.NOT_REPRODUCED in outcomes:
            return NOT_REPRODUCED
        return SPOT_CHECKED if outcomes[-1] == RerunOutcome.REPRODUCED else UNDECIDED


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A bundle on the board, and what is known of it."""

    bundle: Bundle
    merged: Merged

    def columns(self) -> dict[str, str]:
        """The values of its rows in ``MARK``, ``VERSION`` and ``CHECK``."""
        theirs = self.bundle.manifest.suite_version
        checks = self.merged.spot_checks
        return {
            MARK: self.merged.mark,
            VERSION: "" if theirs == suite_version() else theirs,
            CHECK: f"{checks[-1].outcome}: {checks[-1].told}" if checks else "",
        }


def bundle_path(loss: str, folder: Path = HANDED_IN_FOLDER) -> Path:
    """The bundle of a loss on the board."""
    return folder / f"{loss}.zip"


def load_handed_in(own: Sequence[str] = (), folder: Path = HANDED_IN_FOLDER) -> dict[str, HandedIn]:
    """All bundles on the board by loss, in the order of their names.

    Args:
        own: the board's own losses.
        folder: where they lie.

    Raises:
        SuiteError: one is damaged, was not merged, was altered since, is of another protocol, or of one of ``own``.
    """
    found = {}
    for path in sorted(folder.glob("*.zip")):
        bundle, beside = read_bundle(path), path.with_suffix(".json")
        if not beside.is_file():
            raise SuiteError(
                f"{path} lies there without {beside.name}; move it elsewhere, then run: suite merge BUNDLE"
            )
        merged = load_merged(beside)
        if merged.sha256 != bundle.sha256:
            raise SuiteError(f"{path} was altered since it was merged; restore it with: git checkout {path}")
        if why := difference(bundle.manifest.protocol, bundle.regimes):
            raise SuiteError(f"{path}: manifest.json: {why}; take it off the board with: git rm {path} {beside}")
        if bundle.loss in own:
            raise SuiteError(
                f"{path}: {bundle.loss} is in params.yaml as well; allowed: one of the two; take it off with: "
                f"git rm {path} {beside}"
            )
        if path.stem != bundle.loss:
            raise SuiteError(f"{path} holds {bundle.loss}; allowed: the name {bundle.loss}.zip")
        found[bundle.loss] = HandedIn(bundle, merged)
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


def add_check(path: Path, check: SpotCheck) -> str:
    """Put a spot check beside a bundle; gives the mark that its rows have now.

    Raises:
        SuiteError: what stands there is damaged.
    """
    beside = path.with_suffix(".json")
    merged = load_merged(beside)
    merged = merged.model_copy(update={"spot_checks": (*merged.spot_checks, check)})
    save_merged(beside, merged)
    return merged.mark


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


def with_marks(table: pd.DataFrame, handed_in: Mapping[str, HandedIn], columns: Sequence[str]) -> pd.DataFrame:
    """A table with a column ``loss``, and these of the columns of ``HandedIn.columns`` where a loss of it was handed in."""
    known = {loss: each.columns() for loss, each in handed_in.items() if loss in set(table["loss"])}
    if not known:
        return table
    none = dict.fromkeys((MARK, VERSION, CHECK), "")
    return table.assign(**{name: [known.get(loss, none)[name] for loss in table["loss"]] for name in columns})
