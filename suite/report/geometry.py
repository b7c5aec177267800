"""Writes ``results/geometry.csv`` and ``geometry.md``: where proxies lie and how wide classes are in the study of geometry.

A claim judges whether proxies lie closer than those of another loss, where the premise of a theorem is met. These are the
measurements.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from suite.evaluation.records import Record, read_records
from suite.files import write_text
from suite.report.text import NOTHING, escaped, markdown_table
from suite.settings.paths import GEOMETRY
from suite.settings.plans import Regime, studies_of

_MEASURES = ("delta", "spread", "w2", "nearest", "apart")
_SHARES = ("relative", "wider_first", "wider_last", "condition", "flows")
_PLACE = ["dataset", "proxies_per_class", "loss", "held"]
_COLUMNS = [
    *(*_PLACE, "runs", "failed"),
    *(f"{name}{end}" for name in (*_MEASURES, *_SHARES) for end in ("", "_least", "_most")),
]
_EXPLAINED = """# Where proxies lie

Models of the study of geometry, trained without label noise, measured on their training classes; regime {regime}.
Lengths are chords, shares in percent. Of each run the mean over its classes is taken, and a cell has the mean of these
over runs, with the least and the most in parentheses. {dash} stands where a loss has no delta, and where the records of
a row do not have the number. *delta*: of pfml, held, or as each run's search found it. *Spread*: the standard deviation
of a class. *Wider*: classes whose spread is above delta, after the first epoch of training and after the last. The
claims ask it of some: with one proxy an image, all (\\*) and at rest, proxies are then nearer than a control at the
mean. *(\\*)*: embeddings that meet the condition of Proposition 1. *Within delta*: flows that start beside an
embedding, outside the ball of radius delta around it, and end in the ball; most start 5 % of delta outside it, so where
(\\*) does not hold that says little. *W2*: from the proxies of a class to its embeddings; *nearest*: from a proxy to
the nearest of these; *apart*: between two proxies of a class. Nothing here is a verdict; [claims.md](claims.md) has
these. Written by `suite ablation-tables{option}`.
"""
_NONE = """
There is none in git. To make one: `suite geometry DATASET LOSS{option}`, then `suite promote`.
"""
_HEADS = (
    *("loss", "delta", "runs", "spread", "spread / delta", "wider, %: first", "last", "(\\*), %", "within delta, %"),
    *("W2", "nearest", "apart"),
)


def write_geometry(regime: Regime) -> pd.DataFrame:
    """Write the tables of a regime, from its records in git.

    Returns:
        As ``geometry_table``.

    Raises:
        SuiteError: records in git are damaged; nothing is written then.
    """
    option = "" if regime == "frozen" else f" --regime {regime}"
    studies = studies_of(regime)
    paths = sorted((studies / GEOMETRY).glob("*.jsonl"))
    table = geometry_table(read_records(paths) if paths else [])
    page = _EXPLAINED.format(regime=regime, option=option, dash=NOTHING)
    if table.empty:
        page += _NONE.format(option=option)
    for (dataset, count), rows in table.groupby(["dataset", "proxies_per_class"], sort=False):
        page += f"\n## {escaped(str(dataset))}, {count} proxies a class\n\n{_markdown(rows)}"
    write_text(studies.parent / "geometry.csv", table.to_csv(index=False, float_format="%.6g"))
    write_text(studies.parent / "geometry.md", page)
    return table


def geometry_table(records: Sequence[Record]) -> pd.DataFrame:
    """What was measured of each loss, without a held delta and at each that was held.

    Args:
        records: of the study.

    Returns:
        One row for each data set, number of proxies, loss and held delta (NaN: none is held): ``runs``, how many of them
        ``failed``, which count in nothing else. Of each run's mean over classes the mean, ``_least`` and ``_most``: delta,
        spread, W2, nearest and apart, chords; and shares: ``relative``, spread over delta; ``wider_first`` and
        ``wider_last``, classes wider than delta after the first epoch and after the last; ``condition``, embeddings that
        meet (*); ``flows``, those that end within delta. NaN where a record of the row does not have it.
    """
    rows = []
    for record in records:
        places = record.proxies
        if places is None:
            continue
        done = record.status == "ok"
        row = {
            "dataset": record.dataset,
            "loss": record.loss,
            "held": np.nan if record.ablation is None else record.ablation.value,
            "proxies_per_class": places.proxies_per_class,
            "failed": not done,
        }
        rows.append(row | (_measured(record) if done else {}))
    if not rows:
        return pd.DataFrame(columns=_COLUMNS)
    table = pd.DataFrame(rows, columns=[*_PLACE, "failed", *_MEASURES, *_SHARES])
    groups = table.groupby(_PLACE, dropna=False, sort=False)
    measured = table[~table["failed"]].groupby(_PLACE, dropna=False, sort=False)[[*_MEASURES, *_SHARES]]
    means = pd.DataFrame({"runs": groups.size(), "failed": groups["failed"].sum()}).join(measured.mean(skipna=False))
    for end, found in (("least", measured.min(skipna=False)), ("most", measured.max(skipna=False))):
        means = means.join(found.add_suffix(f"_{end}"))
    return means.reset_index().sort_values(_PLACE, na_position="first", kind="stable")[_COLUMNS]


def _measured(record: Record) -> dict[str, float]:
    """The means of a run that finished."""
    places = record.proxies
    assert places is not None
    found = {name: _mean(getattr(places, name)) for name in ("spread", "w2", "nearest", "apart")}
    delta = places.delta
    if delta is None:
        return found
    wide = np.array(places.spread) > delta
    flows = np.array([*(places.minima_met or []), *(places.minima_unmet or [])]).reshape(-1, 2).sum(axis=0)
    sizes = np.array(places.size, dtype=np.float64)
    return found | {
        "delta": delta,
        "relative": found["spread"] / delta,
        "wider_first": places.wider_by_epoch[0] if places.wider_by_epoch else np.nan,
        "wider_last": float(wide.mean()),
        "condition": np.nan if places.condition is None else float(np.average(places.condition, weights=sizes)),
        "flows": float(flows[1] / flows[0]) if flows[0] else np.nan,
    }


def _mean(values: Sequence[float] | None) -> float:
    return float(np.mean(values)) if values else np.nan


def _markdown(rows: pd.DataFrame) -> str:
    cells = []
    for row in rows.to_dict("records"):
        done = row["runs"] - row["failed"]
        found = NOTHING if pd.isna(row["delta"]) else f"found: {_range(row, 'delta')}"
        cells.append(
            [
                escaped(row["loss"]),
                found if pd.isna(row["held"]) else f"{row['held']:g}",
                f"{done}" if not row["failed"] else f"{done} of {row['runs']}, the others failed",
                _range(row, "spread"),
                _range(row, "relative"),
                *(_range(row, name, percent=True) for name in _SHARES[1:]),
                *(_range(row, name) for name in ("w2", "nearest", "apart")),
            ]
        )
    return markdown_table(_HEADS, cells, ["---", *["---:"] * (len(_HEADS) - 1)])


def _range(row: dict[str, float], name: str, *, percent: bool = False) -> str:
    values = [row[name], row[f"{name}_least"], row[f"{name}_most"]]
    if pd.isna(values).any():
        return NOTHING
    mean, least, most = (f"{100 * value:.1f}" if percent else f"{value:.2f}" for value in values)
    return f"{mean} ({least} to {most})"
