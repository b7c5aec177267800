"""Two losses side by side: the paired difference in every table that has both."""

from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd

from suite.errors import SuiteError, allowed
from suite.evaluation.records import TABLE
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.leaderboard.table import paired_values, tables_of
from suite.judging.statistics.comparisons import all_pairs, holm
from suite.judging.statistics.estimates import LEVEL, PERCENT

_FAILED, _ONE_SEED, _UNMEASURED = "not judged for failed runs", "not judged on one seed", "not measured"
_EQUAL = "not judged without scatter"
PAIR_VERDICTS = ("ahead", "behind", "not told apart", _FAILED, _ONE_SEED, _EQUAL, _UNMEASURED)
"""What may be said of two losses in a table."""
JUDGED = PAIR_VERDICTS[:3]
"""Those that a test gave."""
_HEADS = {
    "regime": "regime",
    "track": "track",
    "dataset": "data set",
    "noise_kind": "noise kind",
    "noise_level": "noise",
}


class Where(TypedDict, total=False):
    """Which records are meant: those of one regime, data set, noise level or track; of all where it is None."""

    regime: str | None
    dataset: str | None
    noise_level: float | None
    track: str | None


def within(records: pd.DataFrame, metric: str = MAIN_METRIC, **where: Unpack[Where]) -> pd.DataFrame:
    """The records that are meant.

    Raises:
        SuiteError: a name is not in the records, or the metric is unknown.
    """
    if metric not in METRICS:
        raise SuiteError(f"metric {metric!r} is unknown; allowed: {allowed(METRICS)}")
    for column, value in where.items():
        if value is not None:
            check_known(records, column, value)
            records = records[records[column] == value]
    return records


def check_known(records: pd.DataFrame, column: str, value: object) -> None:
    """Check that a column of the records holds a value.

    Raises:
        SuiteError: it does not.
    """
    known = sorted(set(records[column]))
    if value not in known:
        shown = f"{value:g}" if isinstance(value, float) else repr(value)
        raise SuiteError(f"{column} {shown} is not in the records; allowed: {allowed(known)}")


def select(
    records: pd.DataFrame, losses: tuple[str, str], metric: str = MAIN_METRIC, **where: Unpack[Where]
) -> pd.DataFrame:
    """Records of two losses, of those that are meant.

    Raises:
        SuiteError: a name is not in the records or the metric is unknown, or the losses have no table in common.
    """
    if losses[0] == losses[1]:
        others = sorted(set(records["loss"]) - {losses[0]})
        raise SuiteError(f"{losses[0]} cannot be compared with itself; allowed: {allowed(others)}")
    for loss in losses:
        check_known(records, "loss", loss)
    mine = within(records, metric, **where)
    mine = mine[mine["loss"].isin(losses)]
    found = mine[mine.groupby(list(TABLE))["loss"].transform("nunique") == 2]
    if not len(found):
        raise SuiteError(f"{losses[0]} and {losses[1]} have no table in common among those asked for")
    return found


def contrast(records: pd.DataFrame, losses: tuple[str, str], metric: str = MAIN_METRIC) -> pd.DataFrame:
    """Paired differences of two losses, first less second, in points.

    Args:
        records: runs of these two losses, as ``select`` gives them.
        losses: their names.
        metric: column of the records.

    Returns:
        One row a table: means ``first`` and ``second``, ``difference``, ``low`` and ``high`` of its own 95 % t-interval,
        ``p`` of the paired two-sided t-test, ``p_adjusted`` by Holm for the number of rows, ``pairs`` of seeds that both
        finished, ``failures`` of both, and ``verdict``. Where a run failed there is no interval and no test: they would
        leave out exactly the seeds that were hard for a loss.
    """
    rows = [where | paired_difference(runs, losses, metric) for where, runs in tables_of(records)]
    return judged(pd.DataFrame(rows))


def paired_difference(runs: pd.DataFrame, losses: tuple[str, str], metric: str = MAIN_METRIC) -> dict[str, Any]:
    """The paired difference of two losses in one table: a row of ``contrast`` before it is judged.

    Args:
        runs: records of one table; those of other losses are left out.
        losses: their names.
        metric: column of the records.
    """
    runs = runs[runs["loss"].isin(losses)]
    values = PERCENT * paired_values(runs, losses, metric)
    done = runs["status"] == "ok"
    first, second = values.mean(axis=0) if len(values) else (np.nan, np.nan)
    row = {"first": first, "second": second, "difference": first - second}
    row |= dict.fromkeys(("low", "high", "p"), np.nan) | {"pairs": len(values), "failures": int((~done).sum())}
    row["measured"] = bool(runs.loc[done, metric].notna().all())
    if done.all() and row["measured"]:
        pair = all_pairs(values)
        row |= {name: float(getattr(pair, name)[0, 1]) for name in ("low", "high", "p")}
    return row


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Differences with ``p_adjusted``, by Holm over all that were measured, and the ``verdict`` that follows from it.

    A row without a p, of a loss that failed, counts with p = 1: it was to be tested. Were it not counted, a verdict on one
    loss would be easier to reach for the failure of another.
    """
    counts, adjusted = table["measured"].astype(bool), pd.Series(np.nan, table.index)
    adjusted[counts] = holm(table.loc[counts, "p"].fillna(1.0))
    table = table.assign(p_adjusted=adjusted.where(table["p"].notna()))
    return table.assign(verdict=[_verdict(row) for _, row in table.iterrows()]).drop(columns="measured")


def _verdict(row: pd.Series) -> str:
    if row["failures"]:
        return _FAILED
    if not row["measured"]:
        return _UNMEASURED
    if np.isnan(row["p_adjusted"]):
        return _ONE_SEED if row["pairs"] < 2 else _EQUAL
    if row["p_adjusted"] >= LEVEL:
        return "not told apart"
    return "ahead" if row["difference"] > 0 else "behind"


def sentence(table: pd.DataFrame, losses: tuple[str, str], metric: str = MAIN_METRIC) -> str:
    """What the differences say, in one sentence."""
    first, second = losses
    if len(table) == 1:
        return _about_one(table.iloc[0], first, second, METRICS[metric].label)
    return (
        f"In {len(table)} comparisons by {METRICS[metric].label}, {first} against {second} is {counted(table)} "
        f"(paired t-tests, at most {100 * LEVEL:g} % error for all together by Holm)."
    )


def _about_one(row: pd.Series, first: str, second: str, label: str) -> str:
    where = f"on {row['dataset']} at noise {row['noise_level']:g} ({row['regime']}, {row['track']})"
    if row["verdict"] in {_FAILED, _ONE_SEED, _EQUAL, _UNMEASURED}:
        why = {
            _FAILED: f"{row['failures']} of their runs failed",
            _ONE_SEED: "one seed has no interval",
            _EQUAL: f"their difference is {row['difference']:+.2f} on all {row['pairs']} seeds, so its scatter is unknown",
            _UNMEASURED: f"{label} was not measured",
        }[row["verdict"]]
        return f"{first} and {second} are not judged {where}: {why}."
    interval = f"95 % interval {row['low']:+.2f} to {row['high']:+.2f}, p = {row['p']:.2g}"
    verdict = {
        "ahead": f"{first} is ahead of {second}",
        "behind": f"{first} is behind {second}",
        "not told apart": f"{first} and {second} cannot be told apart",
    }[row["verdict"]]
    return f"{verdict} {where}: {row['difference']:+.2f} points of {label}, {interval}, {row['pairs']} seeds."


def counted(table: pd.DataFrame) -> str:
    """How often each verdict was given."""
    counts = table["verdict"].value_counts()
    return ", ".join(f"{verdict} in {counts[verdict]}" for verdict in PAIR_VERDICTS if verdict in counts)


def as_text(table: pd.DataFrame, losses: tuple[str, str]) -> str:
    """Rows of ``contrast`` for the terminal; p is adjusted where there are several."""
    p = "p (Holm)" if len(table) > 1 else "p"
    columns = place_columns(table, always=("regime", "track", "dataset", "noise_level"))
    columns |= {losses[0]: table["first"].map(number), losses[1]: table["second"].map(number)}
    columns |= {name: table[name].map(number) for name in ("difference", "low", "high")}
    columns |= {p: table["p_adjusted"].map(p_text), "pairs": table["pairs"].map(str), "verdict": table["verdict"]}
    return str(pd.DataFrame(columns).to_string(index=False))


def place_columns(table: pd.DataFrame, always: tuple[str, ...]) -> dict[str, pd.Series]:
    """Where the rows of a table belong, by heading: of ``TABLE`` what is ``always`` shown, and what differs between rows."""
    shown = [name for name in TABLE if name in always or len(set(table[name])) > 1]
    return {_HEADS[name]: table[name].map("{:g}".format if name == "noise_level" else str) for name in shown}


def number(value: float) -> str:
    """Two decimals; a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:.2f}"


def p_text(p: float) -> str:
    """A p-value to read."""
    return "–" if np.isnan(p) else f"{p:.2g}"
