"""Writes ``results/ablations.csv`` and ``ablations.md``: what the records of ablations say, value by value.

A claim judges one statement about a curve. These are the curves. Nothing here is a verdict.
"""

from collections.abc import Iterable, Sequence
from itertools import count, takewhile
from pathlib import Path

import pandas as pd

from suite.evaluation.cells import cell_files
from suite.evaluation.records import Record, read_records
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.evaluation.tables import read_csv, to_table
from suite.files import write_text
from suite.judging.comparable import comparable, left_out
from suite.judging.leaderboard.contrast import number
from suite.judging.leaderboard.table import over_units
from suite.judging.statistics.estimates import PERCENT, t_interval
from suite.report.text import NOTHING, escaped, left_out_section, markdown_table, value_text, with_half_width
from suite.settings.paths import ABLATIONS, RECORDS_FILE
from suite.settings.plans import Regime, studies_of
from suite.settings.tuned_recipes import load_tuned, tuned_path

SHOWN = (MAIN_METRIC, "map_at_r")
_PLACE = ["dataset", "axis", "value"]
_COLUMNS = [
    *_PLACE,
    "metric",
    "mean",
    "low",
    "high",
    "tuned",
    "difference",
    "difference_low",
    "difference_high",
    "runs",
    "failed",
    "units",
]
_EXPLAINED = """# Ablations of pfml

One value of pfml is varied, all others stay as a search found them; test classes, no label noise, regime {regime}. R@1 and
MAP@R in percent: the mean of the runs that finished, ± the half-width of its 95 % t-interval over searches. *- tuned*: the
mean difference from the runs with the value that the search found, by seed, in points, with its own 95 % t-interval. No
interval is adjusted for the number of rows. To choose a value by these tables would be a choice on test classes; what is
claimed of the curves is judged in [claims.md](claims.md). Written by `suite ablation-tables{option}`.
"""
_NONE = """
There is none in git of the images and seeds of the grid. To make one:
`suite ablation DATASET AXIS{option}`, then `suite promote`.
"""


def write_ablations(regime: Regime) -> pd.DataFrame:
    """Write the tables of a regime, from its records in git.

    Returns:
        As ``ablation_table``.

    Raises:
        SuiteError: records or recipes in git are damaged, or there are none of the grid; nothing is written then.
    """
    option = "" if regime == "frozen" else f" --regime {regime}"
    studies = studies_of(regime)
    paths, results = sorted((studies / ABLATIONS).glob("*.jsonl")), studies.parent
    grid = read_csv(results / RECORDS_FILE.name)
    records, notes = comparable(
        read_records(cell_files(["*"], regime)), read_records(paths) if paths else [], ["views_sha256"]
    )
    table = ablation_table(records, grid)
    page = _EXPLAINED.format(regime=regime, option=option)
    if table.empty:
        page += _NONE.format(option=option)
    for (dataset, axis), rows in table.groupby(["dataset", "axis"], sort=False):
        page += (
            f"\n## {escaped(str(dataset))}, {axis}\n\n{_found(str(dataset), str(axis), regime)}\n\n{_markdown(rows)}"
        )
    page = "\n".join([page, *left_out_section([*notes, *_unpaired(records, table)])])
    write_text(results / "ablations.csv", table.to_csv(index=False, float_format="%.6g"))
    write_text(results / "ablations.md", page)
    return table


def ablation_table(records: Sequence[Record], grid: pd.DataFrame) -> pd.DataFrame:
    """What was measured at each value.

    Args:
        records: of ablations. Left out are those of crossed ones, whose other values were searched anew, and values of which
            no run has one of the grid on the same images and with the same seed.
        grid: runs of the regime, as ``read_csv`` gives them.

    Returns:
        One row for each data set, axis, value and metric of ``SHOWN``, in this order: ``mean`` of the runs that finished and
        ``tuned``, that of the grid's runs with the same seeds, in percent; ``difference``, paired by seed, in points;
        t-intervals, NaN where there is none; numbers of ``runs``, of those that ``failed``, and of ``units`` of inference,
        which are searches.
    """
    varied = [record for record in records if record.ablation is not None and not record.ablation.crossed]
    if not varied:
        return pd.DataFrame(columns=_COLUMNS)
    table = to_table(varied)
    table["axis"] = [record.ablation.axis for record in varied if record.ablation is not None]
    table["value"] = [record.ablation.value for record in varied if record.ablation is not None]
    tuned = grid[(grid["track"] == "tuned") & (grid["noise_level"] == 0)]
    rows = []
    for place, runs in table.sort_values(_PLACE, kind="stable").groupby(_PLACE):
        where = dict(zip(_PLACE, place, strict=True))
        base = tuned[(tuned["dataset"] == where["dataset"]) & tuned["loss"].isin(runs["loss"])]
        pairs = runs.merge(base, on=["seed", "data_sha256"], suffixes=("", "_tuned"))
        if pairs.empty:
            continue
        numbers = {"runs": len(runs), "failed": int((runs["status"] != "ok").sum())}
        rows += [where | {"metric": metric} | _row(runs, pairs, metric) | numbers for metric in SHOWN]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _unpaired(records: Sequence[Record], table: pd.DataFrame) -> list[str]:
    """A line on the records of each data set that are not in the table; crossed ablations have no place there."""
    shown = set(table[_PLACE].itertuples(index=False, name=None))
    return left_out(
        (record, f"along {point.axis} have no run of the grid of the same images and seed")
        for record in records
        if (point := record.ablation) and not point.crossed and (record.dataset, point.axis, point.value) not in shown
    )


def _row(runs: pd.DataFrame, pairs: pd.DataFrame, metric: str) -> dict[str, float]:
    mean = t_interval(over_units(runs, PERCENT * runs[metric], "search"))
    tuned = t_interval(over_units(pairs, PERCENT * pairs[f"{metric}_tuned"], "search_tuned"))
    apart = PERCENT * (pairs[metric] - pairs[f"{metric}_tuned"])
    difference = t_interval(over_units(pairs, apart, "search", "search_tuned"))
    return {
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "tuned": tuned.mean,
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "units": mean.n,
    }


def _found(dataset: str, axis: str, regime: Regime) -> str:
    """What the searches in git found on an axis, in a sentence."""
    files = takewhile(Path.is_file, (tuned_path(dataset, "pfml", "tuned", each, regime) for each in count()))
    best = [load_tuned(path).best for path in files]
    found = [value_text(values[axis]) for values in best if axis in values]
    if not best:
        return "There is no search in git."
    return f"Searches found {', '.join(found)}." if found else "No search varies it."


def _markdown(rows: pd.DataFrame) -> str:
    labels = [METRICS[metric].label for metric in SHOWN]
    heads = ["value", *(head for label in labels for head in (f"{label}, %", "- tuned [95 %]")), "runs"]
    by_metric = [rows[rows["metric"] == metric] for metric in SHOWN]
    first = [cell for each in by_metric for cell in (number(each["tuned"].max()), NOTHING)]
    cells = [["as tuned", *first, ""]]
    for each in zip(*(part.to_dict("records") for part in by_metric), strict=True):
        done = each[0]["runs"] - each[0]["failed"]
        runs = f"{done}" if not each[0]["failed"] else f"{done} of {each[0]['runs']}, the others failed"
        cells.append([f"{each[0]['value']:g}", *_cells(each), runs])
    return markdown_table(heads, cells, ["---:", *["---:"] * 2 * len(SHOWN), "---:"])


def _cells(rows: Iterable[dict[str, float]]) -> list[str]:
    cells = []
    for row in rows:
        low, high = row["difference_low"], row["difference_high"]
        apart = NOTHING if pd.isna(row["difference"]) else f"{row['difference']:+.2f}"
        cells += [
            with_half_width(row, "mean", "low", "high"),
            apart + ("" if pd.isna(low) else f" [{low:+.2f}, {high:+.2f}]"),
        ]
    return cells
