"""The sections of an appendix: protocol, results, paired differences, hyper-parameters, figures, digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import EXPLAINED, METHOD, as_cells, sentence
from suite.report.appendix import references
from suite.report.appendix.markup import (
    Block,
    Bold,
    Cite,
    Code,
    Formula,
    Heading,
    Inline,
    Label,
    Paragraph,
    Picture,
    Table,
    Text,
)
from suite.report.budgets import of_trials
from suite.report.finding import Finding
from suite.report.tables import REGIMES, TRACKS
from suite.report.text import NOTHING, finished_runs, metric_text, span, with_half_width
from suite.settings.params import Recipe
from suite.settings.tuned_recipes import TunedRecipe


@dataclass(frozen=True)
class DatasetFacts:
    """What an appendix says of a data set.

    Attributes:
        about: what its classes and images are; empty if that is not known.
        classes: number of classes; None where its file is not there.
        images: number of images, likewise.
        keys: references of its sources.
    """

    about: str
    classes: int | None
    images: int | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """All that an appendix on one loss is written from.

    Attributes:
        loss: its name.
        formula: lines of LaTeX, if the loss comes with the suite.
        plain: its formula as the code declares it.
        board: rows of the leaderboard in the regimes and tracks that the loss is in.
        verdicts: those of the loss, in the same.
        findings: what was found in these regimes, where the loss is PFML; else none.
        datasets: by name.
        loss_keys: references of each loss on the board, by name.
        recipes: how each regime trains, where settings say it.
        backbone: name of the network.
        tuned: tuned recipes of the loss, by regime, track and data set.
        figures: stems of the figures that there are.
        digests: what each digest is of, and the digest.
    """

    loss: str
    formula: tuple[str, ...]
    plain: str
    board: pd.DataFrame
    verdicts: pd.DataFrame
    findings: Sequence[Finding]
    datasets: Mapping[str, DatasetFacts]
    loss_keys: Mapping[str, tuple[str, ...]]
    recipes: Mapping[str, Recipe]
    backbone: str
    tuned: Mapping[tuple[str, str, str], TunedRecipe]
    figures: Sequence[str]
    digests: Sequence[tuple[str, str]]
    versions: Mapping[str, str] = field(default_factory=dict)


def appendix(facts: Facts) -> list[Block]:
    """All sections."""
    return [
        Heading(f"{facts.loss} on the benchmark", 1),
        *_loss(facts),
        *_protocol(facts),
        *_results(facts),
        *_differences(facts),
        *_hyper_parameters(facts),
        *_figures(facts),
        *_digests(facts),
    ]


def _loss(facts: Facts) -> list[Block]:
    others = [loss for loss in facts.loss_keys if loss != facts.loss]
    told: list[Inline] = ["This appendix reports ", Code(facts.loss), *_cite(facts.loss_keys.get(facts.loss, ()))]
    told += [
        " beside " if others else "",
        *_listed([(Code(loss), *_cite(facts.loss_keys[loss])) for loss in others]),
        ", on the benchmark that stands around PFML",
        *_cite((references.PAPER,)),
        ".",
    ]
    blocks: list[Block] = [Paragraph(tuple(told))]
    if facts.formula or facts.plain:
        blocks += [Paragraph("Its formula, as it was trained:"), Formula(facts.formula, facts.plain)]
    return blocks


def _protocol(facts: Facts) -> list[Block]:
    board = facts.board
    sets = [(Code(name), *_of_dataset(each)) for name, each in facts.datasets.items()]
    split: list[Inline] = [
        "Data sets: ",
        *_listed(sets),
        ". Classes have a fixed random order; the first half trains and the ",
    ]
    split += [
        "second half tests, so that no class does both",
        *_cite(references.SPLIT),
        ". Nothing is selected on test classes.",
    ]
    levels = ", ".join(f"{level:g}" for level in sorted(set(board["noise_level"])))
    kinds = " and ".join(dict.fromkeys(board["noise_kind"].map(str)))
    seeds = int(board["runs"].max())
    noise = (
        f"Training labels are made wrong ({kinds}) at levels {levels}. The wrong labels depend on data set, kind, level "
        f"and seed alone. There are {seeds} seeds; for one seed every loss starts from the same network and sees the same "
        "labels and batches. The last epoch counts."
    )
    regimes: list[Block] = []
    for (regime, track), rows in board.groupby(["regime", "track"], sort=False):
        regimes.append(Paragraph(_trained(facts, str(regime), str(track), rows)))
    measured: Text = (
        (
            "Each test image is a query once and all other test images are its gallery; search is exact, and equal "
            "similarities are ordered by index. Metrics are R@K, MAP@R and R-precision"
        ),
        *_cite((references.METRICS,)),
        (
            ". Intervals are 95 % Student-t intervals over searches where a loss has several, else over seeds; differences "
            "are paired by seed. Ranks and tie groups follow from intervals of all pairs of losses that hold together with "
            "95 % (Bonferroni). Tests against PFML and the best baseline are adjusted by Holm"
        ),
        *_cite((references.HOLM,)),
        " over PFML and all baselines of a table.",
    )
    return [
        Heading("Protocol"),
        Paragraph(tuple(split)),
        Paragraph(noise),
        *regimes,
        Paragraph(measured),
        _software(facts),
    ]


def _trained(facts: Facts, regime: str, track: str, rows: pd.DataFrame) -> Text:
    told: list[Inline] = [Bold(f"Regime {regime}, tuning track {track}."), f" {REGIMES[regime]} "]
    if recipe := facts.recipes.get(regime):
        told += ["The backbone is ", Code(facts.backbone), *_cite((references.BACKBONE,))]
        told.append(
            f"; embeddings have {recipe.embedding_dim} dimensions; batches hold {recipe.classes_per_batch} classes with "
            f"{recipe.samples_per_class} images each; AdamW"
        )
        told += [*_cite((references.OPTIMISER,)), f" trains for {recipe.epochs} epochs. "]
    told.append(TRACKS[track].format(trials=of_trials(rows)))
    if track.startswith("tuned"):
        told += [" Trials are drawn by TPE", *_cite((references.SEARCH,)), "."]
    return tuple(told)


def _software(facts: Facts) -> Paragraph:
    named = [
        (f"{name} {facts.versions.get(name, '')}".strip(), *_cite((key,))) for name, key in references.LIBRARIES.items()
    ]
    return Paragraph(("Software: ", *_listed(named), "."))


def _of_dataset(each: DatasetFacts) -> list[Inline]:
    size = "" if each.classes is None else f"{each.classes:,} classes, {each.images:,} images"
    about = "; ".join(filter(None, [each.about, size]))
    return [*_cite(each.keys), f" ({about})" if about else ""]


def _results(facts: Facts) -> list[Block]:
    blocks: list[Block] = [Heading("Results")]
    blocks += [Paragraph((Bold(each.outcome), f" {each.comparisons} {each.claims}")) for each in facts.findings]
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
        cells: list[Text] = [Bold(loss) if loss == facts.loss else loss]
        for column in columns.values():
            cells += _standing(column.loc[loss]) if loss in column.index else [NOTHING, NOTHING, NOTHING]
        body.append(cells)
    heads: list[Text] = ["loss", *(head for name in columns for head in (f"R@1, {name}", "gain", "rank"))]
    caption = (
        f"{place[2]}, regime {place[0]}, tuning track {place[1]}: R@1 on test classes in percent, mean ± half-width of the "
        "95 % interval; gain over the frozen backbone in points; ranks that are left open. Bold R@1: not told apart from "
        "the best."
    )
    return Table(_label("results", *place), caption, heads, body)


def _standing(row: pd.Series) -> list[Text]:
    shown = with_half_width(row, MAIN_METRIC, f"{MAIN_METRIC}_low", f"{MAIN_METRIC}_high") + finished_runs(row)
    if row["loss"] == FROZEN:
        return [shown, NOTHING, NOTHING]
    gain = row["gain_over_frozen"]
    ranks = [None if pd.isna(row[end]) else int(row[end]) for end in ("rank_low", "rank_high")]
    return [Bold(shown) if row["ties_best"] else shown, NOTHING if pd.isna(gain) else f"{gain:+.2f}", span(*ranks)]


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
        blocks += [Paragraph((f"{sentence(rows)} Table ", Label(table.label), " has the differences.")), table]
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
                _space(next(r.search_space[name] for r in recipes.values() if name in r.search_space)),
                *(_shown(recipe.best.get(name, NOTHING)) for recipe in recipes.values()),
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
    return [Heading("Hyper-parameters"), *blocks] if blocks else []


def _space(space: Mapping[str, Any]) -> str:
    if "values" in space:
        return "one of " + ", ".join(map(_shown, space["values"]))
    return f"{_shown(space.get('low'))} to {_shown(space.get('high'))}{', logarithmic' if space.get('log') else ''}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


CAPTIONS = {
    "noise": "R@1 on test classes against label noise, with 95 % intervals; the dashed line is the frozen backbone.",
    "influence": "How strongly a positive or a negative at a distance moves an anchor, as a share of each curve's maximum.",
}


def _figures(facts: Facts) -> list[Block]:
    blocks: list[Block] = [Picture(_label("figure", stem), CAPTIONS[stem], stem) for stem in facts.figures]
    return [Heading("Figures"), *blocks] if blocks else []


def _digests(facts: Facts) -> list[Block]:
    rows: list[list[Text]] = [[what, Code(digest)] for what, digest in facts.digests]
    table = Table("tab:digests", "What the numbers were computed from.", ["what", "digest"], rows, left=2)
    return [Heading("Digests"), table]


def _label(kind: str, *place: str) -> str:
    prefix = "fig" if kind == "figure" else "tab"
    return f"{prefix}:{'-'.join([kind, *place])}".replace(" ", "-").replace("_", "-")


def _cite(keys: Sequence[str]) -> list[Inline]:
    return [" ", Cite(tuple(keys))] if keys else []


def _listed(items: Sequence[Sequence[Inline]]) -> list[Inline]:
    """Items with commas between them, and "and" before the last."""
    told: list[Inline] = []
    for place, item in enumerate(items):
        told += [" and " if place and place == len(items) - 1 else ", " if place else "", *item]
    return told
