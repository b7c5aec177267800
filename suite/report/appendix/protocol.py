"""What was compared and how: the loss and those beside it, data, noise, training, measures, software."""

from collections.abc import Sequence

import pandas as pd

from suite.report.appendix import references
from suite.report.appendix.facts import DatasetFacts, Facts
from suite.report.appendix.markup import Block, Bold, Cite, Code, Formula, Heading, Inline, Paragraph, Text
from suite.report.budgets import of_trials
from suite.report.tables import REGIMES, TRACKS
from suite.report.text import handed_in


def about_loss(facts: Facts) -> list[Block]:
    """What the appendix reports, and the formula of the loss."""
    others = [loss for loss in facts.loss_keys if loss != facts.loss]
    told: list[Inline] = ["This appendix reports ", Code(facts.loss), *cite(facts.loss_keys.get(facts.loss, ()))]
    told += [
        " beside " if others else "",
        *listed([(Code(loss), *cite(facts.loss_keys[loss])) for loss in others]),
        ", on the benchmark that stands around PFML",
        *cite((references.PAPER,)),
        ".",
    ]
    blocks: list[Block] = [Paragraph(tuple(told))]
    mine = facts.board[facts.board["loss"] == facts.loss].to_dict("records")
    if marks := dict.fromkeys(mark for row in mine if (mark := handed_in(row))):
        blocks.append(Paragraph(f"Its records were handed in: {', '.join(marks)}."))
    if facts.formula or facts.plain:
        blocks += [Paragraph("Its formula, as it was trained:"), Formula(facts.formula, facts.plain)]
    return blocks


def protocol(facts: Facts) -> list[Block]:
    """The paragraphs of the protocol."""
    board = facts.board
    sets = [(Code(name), *_of_dataset(each)) for name, each in facts.datasets.items()]
    split: list[Inline] = [
        "Data sets: ",
        *listed(sets),
        ". ",
        split_text([*facts.datasets]),
        ", so that no class does both",
        *cite(references.SPLIT),
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
        *cite((references.METRICS,)),
        (
            ". Intervals are 95 % Student-t intervals over searches where a loss has several, else over seeds; differences "
            "are paired by seed. Ranks and tie groups follow from intervals of all pairs of losses that hold together with "
            "95 % (Bonferroni). Tests against PFML and the best baseline are adjusted by Holm"
        ),
        *cite((references.HOLM,)),
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
        told += ["The backbone is ", Code(facts.backbone), *cite((references.BACKBONE,))]
        told.append(
            f"; embeddings have {recipe.embedding_dim} dimensions; batches hold {recipe.classes_per_batch} classes with "
            f"{recipe.samples_per_class} images each; AdamW"
        )
        told += [*cite((references.OPTIMISER,)), f" trains for {facts.epochs[regime, track]}. "]
    told.append(TRACKS[track].format(trials=of_trials(rows)))
    if track.startswith("tuned"):
        told += [" Trials are drawn by TPE", *cite((references.SEARCH,)), "."]
    return tuple(told)


def _software(facts: Facts) -> Paragraph:
    named = [
        (f"{name} {facts.versions.get(name, '')}".strip(), *cite((key,))) for name, key in references.LIBRARIES.items()
    ]
    return Paragraph(("Software: ", *listed(named), "."))


def split_text(datasets: Sequence[str]) -> str:
    """Which classes train and which test."""
    published = [name for name in datasets if name in references.BENCHMARKS]
    halves = "classes have a fixed random order; the first half trains and the second half tests"
    if not published:
        return halves.capitalize()
    told = f"On {', '.join(published)} the classes of the published split train and test"
    return told if len(published) == len(datasets) else f"{told}; elsewhere {halves}"


def _of_dataset(each: DatasetFacts) -> list[Inline]:
    size = "" if each.classes is None else f"{each.classes:,} classes, {each.images:,} images"
    about = "; ".join(filter(None, [each.about, size]))
    return [*cite(each.keys), f" ({about})" if about else ""]


def cite(keys: Sequence[str]) -> list[Inline]:
    """References behind a word; nothing where there are none."""
    return [" ", Cite(tuple(keys))] if keys else []


def listed(items: Sequence[Sequence[Inline]]) -> list[Inline]:
    """Items with commas between them, and "and" before the last."""
    told: list[Inline] = []
    for place, item in enumerate(items):
        told += [" and " if place and place == len(items) - 1 else ", " if place else "", *item]
    return told
