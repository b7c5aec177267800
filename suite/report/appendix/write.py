"""Writes a paper's appendix on one loss: ``appendix.tex``, ``appendix.md``, ``references.bib`` and figures, in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from suite.data.catalog import EMBEDDED, user_data_path
from suite.data.table import read_labels
from suite.errors import SuiteError, allowed
from suite.evaluation.tables import read_csv
from suite.files import write_text
from suite.hashing import sha256_file
from suite.judging.handed_in.folder import bundle_path, load_handed_in
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import METHOD
from suite.losses.registry import LossEntry, find_loss
from suite.report.appendix import references
from suite.report.appendix.facts import DatasetFacts, Facts
from suite.report.appendix.markup import cited, to_latex, to_markdown
from suite.report.appendix.sections import appendix
from suite.report.figures.influence import draw_influence_figure
from suite.report.figures.noise import draw_noise_figure
from suite.report.finding import findings
from suite.report.formulas import lines_of
from suite.report.results import joined, read_boards, read_claim_files, read_verdict_files
from suite.report.site.inputs import influence_curves
from suite.report.site.provenance import commit
from suite.report.text import space_text
from suite.settings.finetuned import load_finetuned
from suite.settings.params import LossSettings, Settings
from suite.settings.paths import (
    BENCHMARK_RESULTS,
    BOARD_FILE,
    DATA_FOLDER,
    FINETUNED_FILE,
    FINETUNED_RESULTS,
    RECORDS_FILE,
    RESULTS_FOLDER,
)
from suite.settings.tuned_recipes import load_tuned, tuned_path

HEAD = r"""% Written by `suite report {loss}`. In a paper: \newcommand{{\appendixfolder}}{{the folder}}, then \input.
% It needs the packages amsmath, booktabs, graphicx and url, and the entries of references.bib beside it.
\providecommand{{\appendixfolder}}{{.}}

"""


def write_appendix(loss: str, settings: Settings, folder: Path) -> list[Path]:
    """Write the files and give their paths; what the loss does not have, such as a tuned recipe, is left out.

    Args:
        loss: its name on the leaderboard of any regime.
        settings: what ``params.yaml`` holds.
        folder: where the files go; it is made if it is not there.

    Raises:
        SuiteError: there is no leaderboard, the loss is not on it, or a result is damaged.
    """
    board = read_boards(RESULTS_FOLDER)
    if board.empty:
        raise SuiteError(f"{BOARD_FILE} is missing; run: dvc repro")
    known = [str(name) for name in dict.fromkeys(board["loss"]) if name != FROZEN]
    if loss not in known:
        raise SuiteError(f"loss {loss!r} is not on the leaderboard; allowed: {allowed(known)}")
    parts = {(row.regime, row.track) for row in board[board["loss"] == loss].itertuples()}
    board = board[[place in parts for place in zip(board["regime"], board["track"], strict=True)]]
    figures = _draw(loss, board, settings, folder)
    facts, own = _facts(loss, board, settings, figures)
    blocks = appendix(facts)
    texts = {
        "appendix.tex": HEAD.format(loss=" ".join(loss.split())) + to_latex(blocks),
        "appendix.md": to_markdown(blocks),
        "references.bib": references.bibliography(cited(blocks), own),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [
        *(folder / name for name in texts),
        *(folder / f"{stem}.{end}" for stem in figures for end in ("pdf", "svg")),
    ]


def _draw(loss: str, board: pd.DataFrame, settings: Settings, folder: Path) -> list[str]:
    draw_noise_figure(board, folder / "noise.svg", dict.fromkeys([*settings.losses, *_losses(board)]))
    curves, _ = influence_curves(settings)
    mine = None if curves is None else curves[curves["loss"].isin(_losses(board))]
    if mine is None or loss not in set(mine["loss"]):
        return ["noise"]
    draw_influence_figure(mine, folder / "influence.svg")
    return ["noise", "influence"]


def _losses(board: pd.DataFrame) -> list[str]:
    return [str(loss) for loss in dict.fromkeys(board["loss"]) if loss != FROZEN]


def _facts(loss: str, board: pd.DataFrame, settings: Settings, figures: list[str]) -> tuple[Facts, dict[str, str]]:
    """What the appendix is written from, and the references that are not in the suite's own file."""
    names, datasets = _losses(board), list(dict.fromkeys(board["dataset"].map(str)))
    found = {name: _entry(name, settings) for name in names}
    entries = {name: _references(name, entry) for name, entry in found.items()}
    sources = {name: references.dataset_entries(name, _licence(name, settings)) for name in datasets}
    verdicts = read_verdict_files(RESULTS_FOLDER)
    reports = read_claim_files(RESULTS_FOLDER)
    mine = found[loss]
    trained = _settings(settings)
    facts = Facts(
        loss=loss,
        formula=lines_of(None if mine is None else mine.target),
        plain=getattr(None if mine is None else mine.cls, "formula", ""),
        board=board,
        verdicts=_mine(loss, board, verdicts),
        findings=findings(board, verdicts, joined(reports)) if loss == METHOD else [],
        datasets={name: _dataset(name, sources[name], settings) for name in datasets},
        loss_keys={name: tuple(each) for name, each in entries.items()},
        recipes={regime: each.recipe for regime, each in trained.items()},
        epochs={
            (str(regime), str(track)): epochs_text(trained[regime], list(dict.fromkeys(rows["dataset"])), str(track))
            for (regime, track), rows in board.groupby(["regime", "track"], sort=False)
            if regime in trained
        },
        backbone=settings.backbone.name,
        tuned={
            (regime, track, dataset): load_tuned(path)
            for regime, track in dict.fromkeys(zip(board["regime"], board["track"], strict=True))
            if regime != "published" and track.startswith("tuned")
            for dataset in datasets
            if (path := tuned_path(dataset, loss, track, regime=regime)).is_file()
        },
        figures=figures,
        digests=[*_digests(mine, reports), *_of_bundles(names)],
    )
    return facts, {key: text for each in (*entries.values(), *sources.values()) for key, text in each.items()}


def _entry(loss: str, settings: Settings) -> LossEntry | None:
    """The class of a loss; None if it is not there, as that of a loss that was handed in."""
    try:
        return find_loss(loss, settings.all_losses.get(loss, LossSettings()))
    except SuiteError:
        return None


def _references(loss: str, entry: LossEntry | None) -> dict[str, str]:
    if entry is None:
        return references.loss_entries(loss, None, None)
    return references.loss_entries(loss, entry.target, getattr(entry.cls, "source", None))


def _licence(dataset: str, settings: Settings) -> str | None:
    entry = settings.datasets.get(dataset)
    return None if entry is None else entry.licence


def _mine(loss: str, board: pd.DataFrame, verdicts: pd.DataFrame | None) -> pd.DataFrame:
    if verdicts is None:
        return pd.DataFrame(columns=["regime", "track"])
    parts = set(zip(board["regime"], board["track"], strict=True))
    return verdicts[
        [
            name == loss and (regime, track) in parts
            for name, regime, track in zip(verdicts["loss"], verdicts["regime"], verdicts["track"], strict=True)
        ]
    ]


def _dataset(name: str, sources: dict[str, str], settings: Settings) -> DatasetFacts:
    path = DATA_FOLDER / f"{name}.parquet" if name in EMBEDDED else user_data_path(name)
    cut = settings.datasets[name].max_classes if name in settings.datasets else None
    labels = read_labels(path, cut) if path.is_file() else None
    about = EMBEDDED[name].about if name in EMBEDDED else ""
    if labels is None:
        return DatasetFacts(about, None, None, tuple(sources))
    return DatasetFacts(about, int(labels.max()) + 1, len(labels), tuple(sources))


def _settings(settings: Settings) -> dict[str, Settings]:
    """Of each regime."""
    return {"frozen": settings} | ({"finetuned": load_finetuned().within(settings)} if FINETUNED_FILE.is_file() else {})


def epochs_text(settings: Settings, datasets: Sequence[str], track: str) -> str:
    """For how many epochs a regime trains on data sets: as a search chose, or as the recipe of each says."""
    space = settings.tuning.space.get("epochs")
    if space and track.startswith("tuned"):
        values = space.get("values")
        shown = " or ".join([", ".join(map(str, values[:-1])), str(values[-1])]) if values else space_text(space)
        return f"{shown.removeprefix(' or ')} epochs, as the search chose"
    by_epochs: dict[int, list[str]] = {}
    for name in (each for each in datasets if each in settings.datasets):
        by_epochs.setdefault(settings.recipe_of(name).epochs, []).append(name)
    if len(by_epochs) < 2:
        return f"{next(iter(by_epochs), settings.recipe.epochs)} epochs"
    return " and ".join(f"{epochs} epochs on {', '.join(names)}" for epochs, names in by_epochs.items())


def _of_bundles(losses: Sequence[str]) -> list[tuple[str, str]]:
    """Of the bundles of losses that were handed in."""
    handed_in = load_handed_in()
    return [
        (f"{bundle_path(loss).as_posix()}, licence {each.bundle.manifest.licence}, SHA-256", each.bundle.sha256)
        for loss, each in handed_in.items()
        if loss in losses
    ]


def _digests(entry: LossEntry | None, reports: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """Of the commit, the loss, data and wrong labels of the records, the files of results and the claims."""
    found = [("commit of the repository", commit())]
    found += [] if entry is None else [(f"code of {entry.name}, SHA-256", entry.sha256)]
    for folder in (RESULTS_FOLDER, FINETUNED_RESULTS, BENCHMARK_RESULTS):
        path = folder / RECORDS_FILE.name
        if path.is_file():
            records = read_csv(path)
            for (regime, dataset, digest), _ in records.groupby(["regime", "dataset", "data_sha256"], sort=False):
                found.append((f"data of {dataset}, regime {regime}, SHA-256", str(digest)))
            masks = records["noise_sha256"].nunique()
            found.append(
                (f"{path.as_posix()}: {len(records)} runs, {masks} lists of labels, SHA-256", sha256_file(path))
            )
    digests = dict.fromkeys(str(report.get("claims_sha256", "")) for report in reports.values())
    return found + [("claim files, SHA-256", digest) for digest in digests]
