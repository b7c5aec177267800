"""Are fresh records those that were committed? Equivalence by cell, and one verdict over all.

A rerun on another machine differs in last bits, which training spreads to the digits of a metric. A cell is reproduced
where TOST shows the difference of the means over seeds to be within a margin. Runs of one seed share head, noise and
batches on both machines, so differences are taken seed by seed; that is right whatever is left of their correlation, and
costs degrees of freedom only. Where the seeds are others, the means are compared by Welch's test.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from suite.errors import SuiteError, allowed
from suite.judging.claims.verdict import LEVEL
from suite.judging.statistics.estimate import Estimate, mean_of, minus
from suite.judging.statistics.holm import holm

CELL = ["track", "dataset", "loss", "noise_kind", "noise_level"]
METRIC = "recall_at_1"
COLUMNS = [*CELL, "seed", "status", METRIC, "data_sha256", "noise_sha256"]
MARGIN = 1.0
"""Points of R@1."""


class Outcome(StrEnum):
    """What a comparison shows."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class CellComparison:
    """One cell of the grid on two machines.

    Attributes:
        name: the cell, e.g. ``tuned emoji pfml 0.2``.
        estimate: fresh less committed, points of R@1; None where too few runs finished in both.
        n: seeds compared.
        p_within: p of the null hypothesis that the true difference is the margin or more.
        p_beyond: Holm-adjusted p of the null hypothesis that it is within the margin.
        outcome: the verdict on this cell.
        remark: what the numbers do not say.
    """

    name: str
    estimate: Estimate | None
    n: int
    p_within: float
    p_beyond: float
    outcome: Outcome
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All cells, and the verdict over all: reproduced where every cell is, not reproduced where one is not."""

    cells: list[CellComparison]
    margin: float
    identical: bool
    runs: int

    @property
    def outcome(self) -> Outcome:
        """Every cell must be shown to be within the margin (intersection-union: no adjustment); a difference is Holm's."""
        outcomes = {cell.outcome for cell in self.cells}
        if Outcome.NOT_REPRODUCED in outcomes:
            return Outcome.NOT_REPRODUCED
        return Outcome.REPRODUCED if outcomes == {Outcome.REPRODUCED} else Outcome.CANNOT_TELL


def read_runs(content: bytes, name: str) -> pd.DataFrame:
    """Parse records as ``results/records.csv`` holds them; R@1 in percent.

    Args:
        content: bytes of the file.
        name: what to call it in messages.

    Raises:
        SuiteError: it is no CSV, empty, lacks a column, or holds a run twice or a value that is no share.
    """
    try:
        table = pd.read_csv(io.BytesIO(content), dtype={"data_sha256": str, "noise_sha256": str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SuiteError(f"{name} is no table of records: {error}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise SuiteError(f"{name}: column {allowed(missing)} is missing; run: dvc repro")
    if table.empty:
        raise SuiteError(f"{name} holds no run; run: dvc repro")
    twice = table[table.duplicated([*CELL, "seed"])]
    if len(twice):
        raise SuiteError(f"{name}, line {twice.index[0] + 2}: seed: a run stands twice: {_name(twice.iloc[0])}")
    values = pd.to_numeric(table[METRIC], errors="coerce")
    wrong = table[(table["status"] == "ok") & ~values.between(0, 1)]
    if len(wrong):
        line = wrong.index[0]
        raise SuiteError(f"{name}, line {line + 2}: {METRIC} = {wrong.loc[line, METRIC]}; allowed: shares from 0 to 1")
    return table.assign(**{METRIC: 100 * values.where(table["status"] == "ok")})


def compare(
    committed: bytes, fresh: bytes, margin: float = MARGIN, names: Sequence[str] = ("committed", "fresh")
) -> Comparison:
    """Compare two files of records.

    Args:
        committed: bytes of the reference.
        fresh: bytes of the rerun.
        margin: points of R@1 up to which two means count as the same.
        names: what to call the files in messages.

    Raises:
        SuiteError: a file is malformed, or the two did not run on the same data and noise.
    """
    tables = [read_runs(content, name) for content, name in zip((committed, fresh), names, strict=True)]
    _check_same_experiment(tables[0], tables[1], names)
    groups = [dict(list(table.groupby(CELL, sort=False))) for table in tables]
    cells = [_compare_cell(group, groups[1].get(key), margin) for key, group in groups[0].items()]
    able = [i for i, cell in enumerate(cells) if cell.estimate is not None]
    adjusted = holm([cells[i].p_beyond for i in able])
    for i, p in zip(able, adjusted, strict=True):
        cells[i] = _with_outcome(cells[i], float(p))
    return Comparison(cells, margin, committed == fresh, len(tables[0]))


def _compare_cell(committed: pd.DataFrame, fresh: pd.DataFrame | None, margin: float) -> CellComparison:
    name = _name(committed.iloc[0])
    if fresh is None:
        return CellComparison(name, None, 0, math.nan, math.nan, Outcome.CANNOT_TELL, "not run")
    first, second = (table.set_index("seed")[METRIC].sort_index() for table in (committed, fresh))
    failures = [int(values.isna().sum()) for values in (first, second)]
    paired = list(first.index) == list(second.index)
    if failures[0] != failures[1]:
        remark = f"failed runs: {failures[0]} committed, {failures[1]} fresh"
        return CellComparison(name, None, 0, math.nan, math.nan, Outcome.NOT_REPRODUCED, remark)
    if paired:
        differences = (second - first).dropna()
        if differences.empty:
            return CellComparison(name, None, 0, math.nan, math.nan, Outcome.REPRODUCED, "all runs failed in both")
        if len(differences) < 2:
            return CellComparison(name, None, 1, math.nan, math.nan, Outcome.CANNOT_TELL, "one seed")
        estimate, n, remark = mean_of(differences), len(differences), ""
    else:
        samples = [values.dropna() for values in (second, first)]
        if min(map(len, samples)) < 2:
            return CellComparison(name, None, 1, math.nan, math.nan, Outcome.CANNOT_TELL, "one seed")
        estimate, n, remark = minus(*map(mean_of, samples)), min(map(len, samples)), "other seeds: unpaired"
    within, beyond = float(estimate.p_within(margin)), float(estimate.p_beyond(margin))
    return CellComparison(name, estimate, n, within, beyond, Outcome.CANNOT_TELL, remark)


def _with_outcome(cell: CellComparison, p_beyond: float) -> CellComparison:
    outcome = Outcome.CANNOT_TELL
    if cell.p_within <= LEVEL:
        outcome = Outcome.REPRODUCED
    elif p_beyond <= LEVEL:
        outcome = Outcome.NOT_REPRODUCED
    return CellComparison(cell.name, cell.estimate, cell.n, cell.p_within, p_beyond, outcome, cell.remark)


def _check_same_experiment(committed: pd.DataFrame, fresh: pd.DataFrame, names: Sequence[str]) -> None:
    for keys, field in (
        (["dataset"], "data_sha256"),
        (["dataset", "noise_kind", "noise_level", "seed"], "noise_sha256"),
    ):
        both = [table.drop_duplicates([*keys, field])[[*keys, field]] for table in (committed, fresh)]
        for table, name in zip(both, names, strict=True):
            mixed = table[table.duplicated(keys)]
            if len(mixed):
                raise SuiteError(
                    f"{name}: {field} differs between runs of {mixed.iloc[0][keys].to_dict()}: mixed records"
                )
        merged = both[0].merge(both[1], on=keys, suffixes=("", "_fresh"))
        other = merged[merged[field] != merged[f"{field}_fresh"]]
        if len(other):
            raise SuiteError(
                f"{names[1]}: {field} of {other.iloc[0][keys].to_dict()} is not that in {names[0]}: not the same experiment"
            )


def _name(row: pd.Series) -> str:
    return f"{row['track']} {row['dataset']} {row['loss']} {row['noise_level']:g}"


def conclusion(found: Comparison) -> str:
    """The overall verdict with its numbers, in a line or two."""
    counts = [sum(cell.outcome == outcome for cell in found.cells) for outcome in Outcome]
    told = ", ".join(f"{count} {outcome}" for count, outcome in zip(counts, Outcome, strict=True) if count)
    text = f"{found.outcome}: of {len(found.cells)} cells {told}; margin {found.margin:g} points of R@1, TOST at 5 %"
    measured = [cell for cell in found.cells if cell.estimate is not None]
    if measured:
        worst = max(measured, key=lambda cell: abs(float(cell.estimate.mean)) if cell.estimate else 0.0)
        p = max(cell.p_within for cell in measured)
        assert worst.estimate is not None
        text += f"; largest difference {float(worst.estimate.mean):+.2f} ({worst.name}), largest p {p:.4f}"
    if found.identical:
        text += f"\nidentical: both files are the same bytes, {found.runs} runs"
    return text


def lines(found: Comparison) -> list[tuple[str, ...]]:
    """A row a cell: name, difference with its 90 % interval (the one that TOST looks at), n, p, verdict."""
    rows: list[tuple[str, ...]] = []
    for cell in found.cells:
        difference = "–"
        if cell.estimate is not None:
            low, high = (float(np.asarray(bound)) for bound in cell.estimate.interval(0.9))
            difference = f"{float(cell.estimate.mean):+.2f} [{low:+.2f}, {high:+.2f}]"
        p = "–" if math.isnan(cell.p_within) else f"{cell.p_within:.4f}"
        rows.append((cell.name, difference, str(cell.n), p, cell.outcome, cell.remark))
    return rows
