"""The first page: what was found, what each loss adds to the frozen backbone, and the same against label noise as charts.

And the page of the leaderboard, which has every number. Filters of both stand in the address, so that a link keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from suite.evaluation.records import TABLE
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.evaluation.tables import HANDED_IN, handed_in_losses
from suite.files import write_text
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import sentence
from suite.report.figures.style import looks
from suite.report.finding import findings
from suite.report.results import joined
from suite.report.site.board import BoardTable, Filter, board_table
from suite.report.site.charts import Spec, noise_chart
from suite.report.site.claims import verdict_badges_on
from suite.report.site.gains import LOSS_SETS, GainTable, gain_tables, loss_set
from suite.report.site.inputs import Inputs
from suite.report.site.pages import Pages, script_value, slug

BOARD_SCRIPT = "assets/board.js"
"""Rows of the leaderboard, loaded when somebody asks for a file of what is shown."""
_PLACE = (*TABLE, "loss", "loss_set", HANDED_IN, "runs", "failures")
_STANDING = ("rank_low", "rank_high", "ties_best")
LOSS_SET = "losses"
"""Name of the filter of default and extended losses."""


@dataclass(frozen=True)
class NoiseChart:
    """A chart of one data set: its name on the page, what filters hide it by, and its caption."""

    name: str
    regime: str
    tracks: str
    dataset: str
    caption: str


def write_front(pages: Pages, inputs: Inputs, retrieval: dict[str, str]) -> None:
    """Write ``index.html``, ``leaderboard.html`` and the rows that both can save; ``retrieval`` has pages of data sets."""
    board, sets = inputs.board, {loss: loss_set(loss, inputs.declared) for loss in inputs.losses}
    tables = gain_tables(board, inputs.losses, inputs.declared)
    charts: dict[str, Spec] = {}
    pages.write(
        "index.html",
        "index",
        "Results",
        findings=findings(board, inputs.verdicts, joined(inputs.claims)),
        judged=bool(inputs.claims),
        verdicts=verdict_badges_on(joined(inputs.claims), inputs.datasets),
        user=_user(inputs),
        gains=tables,
        missing=_missing(tables),
        filters=_front_filters(tables),
        saved={"": [*_PLACE, MAIN_METRIC, *_ends(MAIN_METRIC), "gain_over_frozen", *_STANDING]},
        noise_charts=_noise_charts(inputs, charts, (MAIN_METRIC,)),
        charts=charts,
        legend=_legend(inputs, sets),
        more=_more(inputs, retrieval),
    )
    if not board.empty:
        _write_board(pages, inputs, board_table(board, inputs.losses), sets)


def _write_board(pages: Pages, inputs: Inputs, table: BoardTable, sets: Mapping[str, str]) -> None:
    charts: dict[str, Spec] = {}
    saved = {
        metric: [*_PLACE, metric, *_ends(metric), *(_more_columns(inputs.board) if metric == MAIN_METRIC else ())]
        for metric in table.metric_columns
    }
    pages.write(
        "leaderboard.html",
        "leaderboard",
        "Leaderboard",
        table=table,
        tables=True,
        saved=saved,
        noise_charts=_noise_charts(inputs, charts, tuple(METRICS)),
        charts=charts,
        legend=_legend(inputs, sets),
    )
    write_text(pages.folder / BOARD_SCRIPT, f"window.boardRows = {_rows(inputs.board, sets)};\n")


def _ends(metric: str) -> tuple[str, str]:
    return f"{metric}_low", f"{metric}_high"


def _more_columns(board: pd.DataFrame) -> list[str]:
    """What the leaderboard says by its main metric."""
    metrics = {name for metric in METRICS for name in (metric, *_ends(metric))}
    return [str(column) for column in board if column not in metrics and column not in _PLACE]


def _rows(board: pd.DataFrame, sets: Mapping[str, str]) -> str:
    """All rows as a script's value: the columns once, then a list a row."""
    board = board.assign(loss_set=board["loss"].map(lambda loss: sets.get(loss, "")))
    rows = board.astype(object).where(board.notna(), None).to_numpy().tolist()
    return script_value({"columns": [str(column) for column in board], "rows": rows})


def _front_filters(tables: list[GainTable]) -> list[Filter]:
    """Regime, tuning track and which losses; all regimes and losses, and the first track, are shown at first."""
    if not tables:
        return []
    regimes, tracks = (list(dict.fromkeys(getattr(table, name) for table in tables)) for name in ("regime", "track"))
    present = {row.loss_set for table in tables for row in table.rows}
    sets = [(name, name) for name in LOSS_SETS if name in present]
    return [
        Filter("regime", "regime", [("", "all"), *((name, name) for name in regimes)], ""),
        Filter("track", "tuning track", [(name, name) for name in tracks], tracks[0]),
        Filter(LOSS_SET, "losses", [("", "all"), *sets], ""),
    ]


def _missing(tables: list[GainTable]) -> list[tuple[str, str, str]]:
    """Regime and track that have no table, and a sentence that says which the regime has."""
    regimes: dict[str, list[str]] = {}
    for table in tables:
        regimes.setdefault(table.regime, []).append(table.track)
    tracks = dict.fromkeys(table.track for table in tables)
    return [
        (regime, track, f"Regime {regime} has no results on tuning track {track}; it has: {', '.join(had)}.")
        for regime, had in regimes.items()
        for track in tracks
        if track not in had
    ]


def _noise_charts(inputs: Inputs, charts: dict[str, Spec], metrics: tuple[str, ...]) -> list[NoiseChart]:
    """Charts of each regime, data set and kind of noise, added to ``charts``."""
    listed = []
    board = inputs.board
    for (regime, dataset, kind), rows in (
        () if board.empty else board.groupby(["regime", "dataset", "noise_kind"], sort=False)
    ):
        name = "-".join(["noise", *map(slug, (str(regime), str(dataset), str(kind)))])
        charts[name] = noise_chart(rows, f"{dataset}, {kind} noise, {regime}", inputs.losses, metrics)
        what = f"{METRICS[metrics[0]].label} on test classes, " if len(metrics) == 1 else ""
        caption = f"{dataset}, regime {regime}: {what}means over seeds; bars are 95 % intervals of the mean."
        tracks = "|".join(dict.fromkeys(rows["track"].map(str)))
        listed.append(NoiseChart(name, str(regime), tracks, str(dataset), caption))
    return listed


def _legend(inputs: Inputs, sets: Mapping[str, str]) -> list[tuple[str, tuple[str, str] | None, str, str]]:
    """Losses on the leaderboard with their looks, sets and whether they were handed in, and the frozen backbone."""
    others = handed_in_losses(inputs.board)
    trained = set() if inputs.board.empty else set(inputs.board["loss"])
    look = {loss: each for loss, each in looks(inputs.losses).items() if loss in trained}
    told = dict.fromkeys(others, "handed in")
    return [*((loss, each, sets[loss], told.get(loss, "")) for loss, each in look.items()), (FROZEN, None, "", "")]


def _user(inputs: Inputs) -> list[tuple[str, str]]:
    """The page of each loss of the user, and a sentence of its verdicts on the tuned track of each regime."""
    if inputs.verdicts is None:
        return []
    tuned = inputs.verdicts[inputs.verdicts["track"] == "tuned"]
    user = [name for name, entry in inputs.declared.items() if entry.target is not None]
    return [
        (f"loss-{slug(name)}.html", f"regime {regime}: {sentence(rows)}")
        for name in user
        for regime, rows in tuned[tuned["loss"] == name].groupby("regime", sort=False)
    ]


def _more(inputs: Inputs, retrieval: dict[str, str]) -> list[tuple[str, str, str]]:
    """Links, their texts and what is behind them."""
    return [
        ("claims.html", "Claims", "what held of the paper, with intervals"),
        *((f"loss-{slug(loss)}.html", loss, "formula, values, influence, training") for loss in inputs.losses),
        *((f"dataset-{slug(name)}.html", name, "samples, licences, data sheet") for name in inputs.datasets),
        *(
            (href, f"Retrieval on {name}", "nearest neighbours under every loss, maps")
            for name, href in retrieval.items()
        ),
        ("tuning.html", "Tuning", "what more trials would give, where scatter comes from"),
        ("figures.html", "Figures", "as in papers"),
        ("provenance.html", "Provenance", "commit, digests, versions"),
    ]
