"""What the network's learning adds: each loss against its own result on frozen features, without label noise.

Runs of one seed begin with the same embedding layer and see the same batches in both regimes, so they are paired. Units of
inference are as everywhere: searches where there are several, else seeds.
"""

from collections.abc import Mapping

import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.leaderboard.contrast import number
from suite.judging.leaderboard.table import over_units
from suite.judging.statistics.estimates import PERCENT, t_interval
from suite.report.text import NOTHING, escaped, markdown_table

SHOWN = (MAIN_METRIC, "map_at_r")
GAINS, NO_GAIN, NOT_SHOWN, NOT_COMPARED = "gains", "no gain", "not shown", "not compared"
"""What is said of a loss: its interval lies above 0; its mean does not; its mean alone does; a run is missing or failed."""
_EXPLAINED = """R@1 and MAP@R on test classes in percent, tuned track, without label noise: the embedding layer alone, on
frozen features (*frozen*); late blocks and embedding layer (*learns*); and the mean difference with its own 95 % t-interval,
paired by seed, over {units}, not adjusted for the number of rows. *gains*: the interval lies above 0. **no gain**: the mean
does not. *not shown*: the interval holds 0, or there is none. *not compared*: a run failed, or frozen runs of the same
images and seeds are missing.
"""


def gains_over_frozen(learns: pd.DataFrame, frozen: pd.DataFrame | None) -> pd.DataFrame:
    """Each loss of the regime in which the network learns against the same loss on frozen features.

    Args:
        learns: runs of that regime, as ``to_table`` gives them.
        frozen: runs on frozen features, as ``read_csv`` gives them; None where there are none.

    Returns:
        One row for each data set, loss and metric of ``SHOWN``, of the tuned track without noise: ``frozen`` and ``learns``,
        means in percent over the runs that finished; ``difference``, ``low`` and ``high`` in points; ``pairs`` of runs;
        ``units`` of inference; and ``verdict``.
    """
    frozen = learns.iloc[:0] if frozen is None else frozen
    mine, theirs = (table[(table["track"] == "tuned") & (table["noise_level"] == 0)] for table in (learns, frozen))
    theirs = theirs[theirs["regime"] == "frozen"]
    rows = []
    for (dataset, loss), runs in mine.groupby(["dataset", "loss"], sort=False):
        others = theirs[(theirs["dataset"] == dataset) & (theirs["loss"] == loss)]
        pairs = others.merge(runs, on=["seed", "data_sha256"], suffixes=("_frozen", "_learns"))
        whole = len(pairs) == len(runs) and not (pairs[["status_frozen", "status_learns"]] != "ok").any(axis=None)
        for metric in SHOWN:
            differences = PERCENT * (pairs[f"{metric}_learns"] - pairs[f"{metric}_frozen"])
            units = over_units(pairs, differences, "search_frozen", "search_learns") if whole else []
            found = t_interval(units)
            rows.append(
                {
                    "dataset": dataset,
                    "loss": loss,
                    "metric": metric,
                    "frozen": PERCENT * others[metric].mean(),
                    "learns": PERCENT * runs[metric].mean(),
                    "difference": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "pairs": len(pairs),
                    "units": found.n,
                    "verdict": _verdict(found.mean, found.low),
                }
            )
    columns = [
        "dataset",
        "loss",
        "metric",
        "frozen",
        "learns",
        "difference",
        "low",
        "high",
        "pairs",
        "units",
        "verdict",
    ]
    return pd.DataFrame(rows, columns=columns)


def _verdict(mean: float, low: float) -> str:
    if pd.isna(mean):
        return NOT_COMPARED
    if mean <= 0:
        return NO_GAIN
    return GAINS if low > 0 else NOT_SHOWN


def gains_section(gains: pd.DataFrame) -> str:
    """The rows as a section of Markdown, a row for each data set and loss; empty without rows."""
    if gains.empty:
        return ""
    heads = ["data set", "loss"]
    for metric in SHOWN:
        label = METRICS[metric].label
        heads += [f"{label}, frozen", "learns", "difference [95 %]", "verdict"]
    cells = []
    for (dataset, loss), rows in gains.groupby(["dataset", "loss"], sort=False):
        by_metric = {row["metric"]: row for row in rows.to_dict("records")}
        parts = [part for metric in SHOWN for part in _cells(by_metric[metric])]
        cells.append([escaped(str(dataset)), escaped(str(loss)), *parts])
    counts = gains[gains["metric"] == MAIN_METRIC]["verdict"].value_counts()
    told = ", ".join(f"{verdict} {counts.get(verdict, 0)}" for verdict in (GAINS, NO_GAIN, NOT_SHOWN, NOT_COMPARED))
    numbers = sorted(set(gains["units"]) - {0})
    units = f"{'–'.join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))} units" if numbers else "no unit"
    table = markdown_table(heads, cells, ["---", "---", *["---:", "---:", "---:", "---"] * len(SHOWN)])
    return f"## Gain over frozen features\n\n{_EXPLAINED.format(units=units)}\nBy R@1: {told}.\n\n{table}"


def _cells(row: Mapping[str, float | str]) -> list[str]:
    frozen, learns, difference, low, high = (
        float(row[name]) for name in ("frozen", "learns", "difference", "low", "high")
    )
    told = NOTHING if pd.isna(difference) else f"{difference:+.2f}"
    interval = "" if pd.isna(low) else f" [{low:+.2f}, {high:+.2f}]"
    verdict = str(row["verdict"])
    return [number(frozen), number(learns), told + interval, f"**{verdict}**" if verdict == NO_GAIN else verdict]
