"""Are fresh records those that were committed? Equivalence by condition, and one verdict over all.

A rerun on another machine differs in last bits, which training spreads to the digits of a metric. A condition is
reproduced where TOST shows the difference of the means over seeds to be within a margin. Runs of one seed share the
first network, noise and batches on both machines, so differences are taken seed by seed. That is valid whether or not
the runs are still correlated; it only costs degrees of freedom. Where the seeds are others, the means are compared by
Welch's test.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from suite.errors import SuiteError, allowed
from suite.evaluation.records import CONDITION, TABLE
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.evaluation.tables import HANDED_IN, condition_name, read_csv
from suite.judging.leaderboard.table import standing_of, tables_of
from suite.judging.leaderboard.verdicts import verdicts
from suite.judging.recomputed import Condition
from suite.judging.statistics.comparisons import holm
from suite.judging.statistics.estimates import LEVEL, PERCENT, Estimate, mean_of, minus
from suite.settings.paths import EXTENDED, PAPER_VALUES, RUNS_FOLDER

MARGIN = 1.0
"""Points of R@1."""
CURE = "allowed: a records.csv as suite leaderboard writes it"
"""What to do where a file is none."""
_UNIT = f"points of {METRICS[MAIN_METRIC].label}"


class RerunOutcome(StrEnum):
    """What a comparison shows."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    CANNOT_TELL = "cannot tell"
    NOT_RECOMPUTED = "not recomputed"


@dataclass(frozen=True, slots=True)
class ConditionComparison:
    """One condition on two machines.

    Attributes:
        name: the condition, e.g. ``frozen tuned emoji pfml symmetric 0.2``.
        estimate: fresh less committed, points of R@1; None where too few runs finished in both.
        n: seeds compared.
        p_within: p of the null hypothesis that the true difference is the margin or more.
        p_beyond: Holm-adjusted p of the null hypothesis that it is within the margin.
        outcome: the verdict on this condition.
        remark: what the numbers do not say.
    """

    name: str
    estimate: Estimate | None
    n: int
    p_within: float
    p_beyond: float
    outcome: RerunOutcome
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All conditions, and the verdict over all.

    Attributes:
        conditions: one comparison a condition.
        margin: points up to which two means count as the same.
        identical: whether both files have the same bytes.
        runs: number of committed runs.
        changes: ties, ranks and verdicts that the fresh records change, a line each.
    """

    conditions: list[ConditionComparison]
    margin: float
    identical: bool
    runs: int
    changes: tuple[str, ...] = ()

    @property
    def recomputed(self) -> list[ConditionComparison]:
        """The conditions that count: those that are not committed records themselves."""
        return [each for each in self.conditions if each.outcome != RerunOutcome.NOT_RECOMPUTED]

    @property
    def outcome(self) -> RerunOutcome:
        """Reproduced if all conditions are (intersection-union: no adjustment), not reproduced if one is not (by Holm)."""
        outcomes = {each.outcome for each in self.recomputed}
        if RerunOutcome.NOT_REPRODUCED in outcomes:
            return RerunOutcome.NOT_REPRODUCED
        return RerunOutcome.REPRODUCED if outcomes == {RerunOutcome.REPRODUCED} else RerunOutcome.CANNOT_TELL


def _in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """Records with R@1 in percent, NaN for a failed run."""
    finished = table["status"] == "ok"
    return table.assign(**{MAIN_METRIC: PERCENT * table[MAIN_METRIC].where(finished)})


def compare(
    committed: bytes,
    fresh: bytes,
    margin: float = MARGIN,
    names: Sequence[str] = ("committed", "fresh"),
    kept: Collection[tuple[str, str, str]] = (),
    users: Collection[str] = (),
    here: Collection[Condition] | None = None,
) -> Comparison:
    """Compare two files of records.

    Args:
        committed: bytes of the reference.
        fresh: bytes of the rerun.
        margin: points of R@1 up to which two means count as the same.
        names: what to call the files in messages.
        kept: studies, data sets and losses whose records are read from git as they are: nothing of them was computed
            anew, so they reproduce nothing. So it is with what was handed in.
        users: losses that are no baselines.
        here: the conditions that were computed anew, where not all that the rerun's file has are known to be.

    Raises:
        SuiteError: a file is malformed, or the two did not run on the same data and noise.
    """
    given = [read_csv(content, name, CURE) for content, name in zip((committed, fresh), names, strict=True)]
    tables = [_in_percent(table) for table in given]
    _check_same_experiment(tables[0], tables[1], names)
    groups = [dict(list(table.groupby(list(CONDITION), sort=False))) for table in tables]
    found = [
        _not_recomputed(group, "its records are those in git")
        if _is_kept(group.iloc[0], kept)
        else _not_recomputed(group, f"{RUNS_FOLDER}/ does not hold these runs; run: dvc repro")
        if here is not None and key in groups[1] and key not in here
        else _compare_condition(group, groups[1].get(key), margin)
        for key, group in groups[0].items()
    ]
    able = [i for i, each in enumerate(found) if each.estimate is not None]
    adjusted = holm([found[i].p_beyond for i in able])
    for i, p in zip(able, adjusted, strict=True):
        found[i] = _with_outcome(found[i], float(p))
    return Comparison(found, margin, committed == fresh, len(tables[0]), tuple(changes(given[0], given[1], users)))


def _is_kept(run: pd.Series, kept: Collection[tuple[str, str, str]]) -> bool:
    study = PAPER_VALUES if run["track"] == PAPER_VALUES else EXTENDED
    return bool(run[HANDED_IN]) or (study, run["dataset"], run["loss"]) in kept


def _not_recomputed(committed: pd.DataFrame, why: str) -> ConditionComparison:
    name = condition_name(committed.iloc[0])
    return ConditionComparison(name, None, 0, math.nan, math.nan, RerunOutcome.NOT_RECOMPUTED, why)


def changes(committed: pd.DataFrame, fresh: pd.DataFrame, users: Collection[str] = ()) -> list[str]:
    """Ties, ranks and verdicts that are others in fresh records, a line each, of the tables that both have.

    Args:
        committed: records, one row a run.
        fresh: those of the rerun.
        users: losses that are no baselines.
    """
    told = []
    places = [{tuple(where.values()): runs for where, runs in tables_of(table)} for table in (committed, fresh)]
    for place, runs in places[0].items():
        if place not in places[1]:
            continue
        before, after = standing_of(runs), standing_of(places[1][place])
        for loss in before.index.intersection(after.index):
            told += _changed(f"{' '.join(map(str, place))} {loss}", before.loc[loss], after.loc[loss])
    key = [*TABLE, "loss", "against"]
    both = verdicts(committed, users).merge(verdicts(fresh, users), on=key, suffixes=("", "_fresh"))
    for _, row in both[both["verdict"] != both["verdict_fresh"]].iterrows():
        where = " ".join(str(row[name]) for name in (*TABLE, "loss"))
        told.append(f"{where} against {row['against']}: {row['verdict']}, now {row['verdict_fresh']}")
    return told


def _changed(where: str, before: pd.Series, after: pd.Series) -> list[str]:
    told = []
    if bool(before["ties_best"]) != bool(after["ties_best"]):
        told.append(f"{where}: {'leaves' if before['ties_best'] else 'joins'} the tie group of the best")
    ranks = [f"{row['rank_low']} to {row['rank_high']}" for row in (before, after)]
    if ranks[0] != ranks[1]:
        told.append(f"{where}: ranks {ranks[0]}, now {ranks[1]}")
    return told


def _compare_condition(committed: pd.DataFrame, fresh: pd.DataFrame | None, margin: float) -> ConditionComparison:
    name = condition_name(committed.iloc[0])
    if fresh is None:
        return ConditionComparison(name, None, 0, math.nan, math.nan, RerunOutcome.CANNOT_TELL, "not run")
    first, second = (table.set_index("seed")[MAIN_METRIC].sort_index() for table in (committed, fresh))
    failures = [int(values.isna().sum()) for values in (first, second)]
    paired = list(first.index) == list(second.index)
    if failures[0] != failures[1]:
        remark = f"failed runs: {failures[0]} committed, {failures[1]} fresh"
        return ConditionComparison(name, None, 0, math.nan, math.nan, RerunOutcome.NOT_REPRODUCED, remark)
    if paired:
        return _compare_pairs(name, (second - first).dropna(), margin)
    samples = [values.dropna() for values in (second, first)]
    if min(map(len, samples)) < 2:
        return ConditionComparison(name, None, 1, math.nan, math.nan, RerunOutcome.CANNOT_TELL, "one seed")
    return _tested(name, minus(*map(mean_of, samples)), min(map(len, samples)), margin, "other seeds: unpaired")


def _compare_pairs(name: str, differences: pd.Series, margin: float) -> ConditionComparison:
    if differences.empty:
        return ConditionComparison(
            name, None, 0, math.nan, math.nan, RerunOutcome.REPRODUCED, "all runs failed in both"
        )
    if len(differences) < 2:
        return ConditionComparison(name, None, 1, math.nan, math.nan, RerunOutcome.CANNOT_TELL, "one seed")
    estimate, n = mean_of(differences), len(differences)
    if not differences.any():
        return ConditionComparison(name, estimate, n, 0.0, 1.0, RerunOutcome.REPRODUCED, "the same values")
    remark = "" if float(estimate.error) else "equal differences: their scatter is unknown"
    return _tested(name, estimate, n, margin, remark)


def _tested(name: str, estimate: Estimate, n: int, margin: float, remark: str) -> ConditionComparison:
    within, beyond = float(estimate.p_within(margin)), float(estimate.p_beyond(margin))
    return ConditionComparison(name, estimate, n, within, beyond, RerunOutcome.CANNOT_TELL, remark)


def _with_outcome(comparison: ConditionComparison, p_beyond: float) -> ConditionComparison:
    outcome = RerunOutcome.CANNOT_TELL
    if comparison.p_within <= LEVEL:
        outcome = RerunOutcome.REPRODUCED
    elif p_beyond <= LEVEL:
        outcome = RerunOutcome.NOT_REPRODUCED
    return replace(comparison, p_beyond=p_beyond, outcome=outcome)


def _check_same_experiment(committed: pd.DataFrame, fresh: pd.DataFrame, names: Sequence[str]) -> None:
    for keys, field in (
        (["dataset"], "data_sha256"),
        (["dataset", "noise_kind", "noise_level", "seed"], "noise_sha256"),
    ):
        both = [table.drop_duplicates([*keys, field])[[*keys, field]] for table in (committed, fresh)]
        merged = both[0].merge(both[1], on=keys, suffixes=("", "_fresh"))
        other = merged[merged[field] != merged[f"{field}_fresh"]]
        if len(other):
            place = _told(other.iloc[0], keys)
            raise SuiteError(
                f"{names[1]}: {field} of {place} is not that in {names[0]}: runs on other data or noise cannot be compared"
            )


def _told(row: pd.Series, keys: Sequence[str]) -> str:
    return allowed(f"{key} {row[key]}" for key in keys)


def conclusion(found: Comparison) -> str:
    """The overall verdict with its numbers, in a line or two."""
    counts = [sum(each.outcome == outcome for each in found.conditions) for outcome in RerunOutcome]
    told = ", ".join(f"{count} {outcome}" for count, outcome in zip(counts, RerunOutcome, strict=True) if count)
    text = (
        f"{found.outcome}: of {len(found.conditions)} conditions {told}; margin {found.margin:g} {_UNIT}, TOST at 5 %"
    )
    compared = [(each, each.estimate) for each in found.conditions if each.estimate is not None]
    if compared:
        worst, estimate = max(compared, key=lambda pair: abs(float(pair[1].mean)))
        p = max(each.p_within for each, _ in compared)
        text += f"; largest difference {float(estimate.mean):+.2f} ({worst.name}), largest p {p:.4f}"
    if found.changes:
        text += f"\n{len(found.changes)} ties, ranks or verdicts are others:\n  " + "\n  ".join(found.changes)
    elif compared:
        text += "\nno tie, rank or verdict is another"
    if found.identical:
        text += f"\nidentical: both files are the same bytes, {found.runs} runs"
    return text


def as_rows(found: Comparison) -> list[tuple[str, ...]]:
    """A row a condition: name, difference with its 90 % interval (the one that TOST looks at), n, p, verdict, remark."""
    rows: list[tuple[str, ...]] = []
    for each in found.conditions:
        difference = "–"
        if each.estimate is not None:
            low, high = (float(np.asarray(bound)) for bound in each.estimate.interval(0.9))
            difference = f"{float(each.estimate.mean):+.2f} [{low:+.2f}, {high:+.2f}]"
        p = "–" if math.isnan(each.p_within) else f"{each.p_within:.4f}"
        rows.append((each.name, difference, str(each.n), p, each.outcome, each.remark))
    return rows
