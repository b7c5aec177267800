"""Records of studies, as they stand in git, that stand on the leaderboard beside those of the grid."""

from collections.abc import Sequence
from dataclasses import dataclass

from suite.evaluation.records import TABLE, Record, read_records
from suite.judging.comparable import comparable
from suite.judging.extended import beside, unpaired
from suite.settings.paths import EXTENDED, PAPER_VALUES
from suite.settings.plans import Regime, studies_of


@dataclass(frozen=True, slots=True)
class Studied:
    """What stands on the leaderboard.

    Attributes:
        records: those of the grid, and of the studies ``paper_values`` and ``extended`` what can be compared with them.
        other_kinds: records of ``extended`` under kinds of label noise that the grid does not have, of any loss.
        notes: a line on the records of each study and data set that cannot be compared with the grid's, and why.
    """

    records: list[Record]
    other_kinds: list[Record]
    notes: list[str]


def with_studies(grid: Sequence[Record]) -> Studied:
    """Records of the grid with those of studies.

    Records are left out where backbone, data, views or test classes are others now, failed runs with them: a failure on
    other data says nothing here.

    Args:
        grid: of one regime; at least one.

    Raises:
        SuiteError: a record of a study is malformed.
    """
    at_paper_values, notes = comparable(grid, _study(PAPER_VALUES, grid[0].regime))
    alike, others = comparable(grid, _study(EXTENDED, grid[0].regime))
    extended = beside(grid, alike)
    kinds = {record.noise_kind for record in grid}
    return Studied(
        [*grid, *_at_paper_values(grid, at_paper_values), *_of_other_losses(grid, extended)],
        [record for record in extended if record.noise_kind not in kinds],
        [*notes, *others, *unpaired(grid, alike)],
    )


def _at_paper_values(grid: Sequence[Record], records: Sequence[Record]) -> list[Record]:
    """Those of the losses and the kinds and levels of noise that the grid has."""
    conditions = {(record.dataset, record.loss, record.noise_kind, record.noise_level) for record in grid}
    return [
        record
        for record in records
        if (record.dataset, record.loss, record.noise_kind, record.noise_level) in conditions
    ]


def _of_other_losses(grid: Sequence[Record], records: Sequence[Record]) -> list[Record]:
    """Those of losses that the grid does not run, at the kinds and levels of noise that it has."""
    losses = {record.loss for record in grid}
    tables = {tuple(getattr(record, name) for name in TABLE) for record in grid}
    return [
        record
        for record in records
        if record.loss not in losses and tuple(getattr(record, name) for name in TABLE) in tables
    ]


def _study(name: str, regime: Regime) -> list[Record]:
    paths = sorted((studies_of(regime) / name).glob("*.jsonl"))
    return read_records(paths) if paths else []
