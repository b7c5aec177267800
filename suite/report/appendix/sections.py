"""The sections of an appendix: results, paired differences, hyper-parameters, figures, digests."""

import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import EXPLAINED, METHOD, as_cells, sentence
from suite.report.appendix.facts import Facts
from suite.report.appendix.markup import Block, Bold, Code, Heading, Inline, Label, Paragraph, Picture, Table, Text
from suite.report.appendix.protocol import about_loss, protocol
from suite.report.tables import shown_name
from suite.report.text import (
    NOTHING,
    finished_runs,
    is_bold,
    metric_text,
    space_text,
    span,
    value_text,
    with_half_width,
)
from suite.settings.tuned_recipes import TunedRecipe


def appendix(facts: Facts) -> list[Block]:
    """All sections."""
    return [
        Heading(f"{facts.loss} on the benchmark", 1),
        *about_loss(facts),
        *protocol(facts),
        *_results(facts),
        *_differences(facts),
        *_hyper_parameters(facts),
        *_figures(facts),
        *_digests(facts),
    ]


def _results(facts: Facts) -> list[Block]:
    blocks: list[Block] = [Heading("Results")]
    blocks.append(
        Paragraph(
            "The tables show every loss in the regimes and tuning tracks of this one, on the same data and seeds."
        )
    )
    blocks += [
        Paragraph((Bold(each.outcome), f" {' '.join((each.comparisons, *each.further))}")) for each in facts.findings
    ]
    for (regime, track), rows in facts.board.groupby(["regime", "track"], sort=False):
        blocks += [
            _across(facts, (str(regime), str(track), str(dataset)), mine)
            for dataset, mine in rows.groupby("dataset", sort=False)
        ]
        blocks.append(_all_metrics(facts, str(regime), str(track), rows))
    return blocks


def _across(facts: Facts, place: tuple[str, str, str], rows: pd.DataFrame) -> Table:
    """R@1, gain and rank of every loss on one data set."""
    columns = {
        f"{kind} {level:g}": mine.set_index("loss", drop=False)
        for (kind, level), mine in rows.groupby(["noise_kind", "noise_level"], sort=False)
    }
    losses = list(dict.fromkeys(rows.sort_values("noise_level", kind="stable")["loss"]))
    body: list[list[Text]] = []
    for loss in losses:
        name = shown_name(rows, loss)
        cells: list[Text] = [Bold(name) if loss == facts.loss else name]
        for column in columns.values():
            cells += _standing(column.loc[loss]) if loss in column.index else [NOTHING, NOTHING, NOTHING]
        body.append(cells)
    heads: list[Text] = ["loss", *(head for name in columns for head in (f"R@1, {name}", "gain", "rank"))]
    caption = (
        f"{place[2]}, regime {place[0]}, tuning track {place[1]}: R@1 on test classes in percent, mean ± half-width of the "
        "95 % interval; gain over the frozen backbone in points; ranks that are left open. Bold R@1: not told apart from "
        "the best, and above the frozen backbone."
    )
    return Table(_label("results", *place), caption, heads, body)


def _standing(row: pd.Series) -> list[Text]:
    shown = with_half_width(row, MAIN_METRIC, f"{MAIN_METRIC}_low", f"{MAIN_METRIC}_high") + finished_runs(row)
    if row["loss"] == FROZEN:
        return [shown, NOTHING, NOTHING]
    gain = row["gain_over_frozen"]
    ranks = [None if pd.isna(row[end]) else int(row[end]) for end in ("rank_low", "rank_high")]
    return [Bold(shown) if is_bold(row) else shown, NOTHING if pd.isna(gain) else f"{gain:+.2f}", span(*ranks)]


def _all_metrics(facts: Facts, regime: str, track: str, rows: pd.DataFrame) -> Table:
    mine = rows[rows["loss"] == facts.loss]
    metrics = [metric for metric in METRICS if metric in mine and mine[metric].notna().any()]
    body = [
        [
            f"{row['dataset']}",
            f"{row['noise_kind']} {row['noise_level']:g}",
            *(metric_text(row, metric) for metric in metrics),
        ]
        for _, row in mine.iterrows()
    ]
    caption = (
        f"{facts.loss}, regime {regime}, tuning track {track}: all metrics in percent, mean ± half-width of the 95 % "
        "interval."
    )
    heads = ["data set", "noise", *(METRICS[metric].label for metric in metrics)]
    return Table(_label("metrics", regime, track), caption, heads, body, left=2)


def _differences(facts: Facts) -> list[Block]:
    blocks: list[Block] = []
    for (regime, track), rows in facts.verdicts.groupby(["regime", "track"], sort=False):
        heads, cells = as_cells(rows)
        caption = f"{facts.loss} against {METHOD} and the best baseline, regime {regime}, tuning track {track}."
        table = Table(_label("differences", str(regime), str(track)), caption, heads, cells, left=3)
        blocks += [
            Paragraph(
                (f"Regime {regime}, tuning track {track}: {sentence(rows)} Table ", Label(table.label), " has them.")
            ),
            table,
        ]
    explained = Paragraph(EXPLAINED.format(metric=METRICS[MAIN_METRIC].label))
    return [Heading("Paired differences"), explained, *blocks] if blocks else []


def _hyper_parameters(facts: Facts) -> list[Block]:
    blocks: list[Block] = []
    places: dict[tuple[str, str], dict[str, TunedRecipe]] = {}
    for (regime, track, dataset), recipe in facts.tuned.items():
        places.setdefault((regime, track), {})[dataset] = recipe
    for (regime, track), recipes in places.items():
        names = list(dict.fromkeys(name for recipe in recipes.values() for name in recipe.search_space))
        body: list[list[Text]] = [
            [
                name,
                space_text(next(r.search_space[name] for r in recipes.values() if name in r.search_space)),
                *(value_text(recipe.best.get(name, NOTHING)) for recipe in recipes.values()),
            ]
            for name in names
        ]
        trials = ", ".join(f"{len(recipe.trials)} on {dataset}" for dataset, recipe in recipes.items())
        caption = (
            f"{facts.loss}, regime {regime}, tuning track {track}: what was searched, and what the first search chose. "
            f"Trials: {trials}."
        )
        heads = ["hyper-parameter", "searched", *recipes]
        blocks.append(Table(_label("values", regime, track), caption, heads, body, left=2))
    about = Paragraph("Values were searched on held-out training classes; test classes took no part.")
    return [Heading("Hyper-parameters"), about, *blocks] if blocks else []


CAPTIONS = {
    "noise": "R@1 on test classes against label noise, with 95 % intervals; the dashed line is the frozen backbone.",
    "influence": "How strongly a positive or a negative at a distance moves an anchor, as a share of each curve's maximum.",
}


def _figures(facts: Facts) -> list[Block]:
    blocks = [Picture(_label("figure", stem), CAPTIONS[stem], stem) for stem in facts.figures]
    return [Heading("Figures"), _named(blocks), *blocks] if blocks else []


def _named(pictures: list[Picture]) -> Paragraph:
    """A sentence that names the figures: LaTeX puts them where there is room."""
    parts: list[Inline] = []
    for picture in pictures:
        parts += [" and " if parts else "", "figure ", Label(picture.label)]
    return Paragraph(("The numbers are drawn in ", *parts, "."))


def _digests(facts: Facts) -> list[Block]:
    rows: list[list[Text]] = [[what, Code(digest)] for what, digest in facts.digests]
    table = Table("tab:digests", "What the numbers were computed from.", ["what", "digest"], rows, left=2)
    return [
        Heading("Digests"),
        Paragraph(
            ("Whoever has the same digests has the same data, code and records: table ", Label(table.label), ".")
        ),
        table,
    ]


def _label(kind: str, *place: str) -> str:
    prefix = "fig" if kind == "figure" else "tab"
    return f"{prefix}:{'-'.join([kind, *place])}".replace(" ", "-").replace("_", "-")
