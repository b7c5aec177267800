"""Writes ``results/site/``: all pages, in a folder that replaces the old one only when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from suite.files import write_text
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import sentence
from suite.report.leaderboard.write import RESULTS_FOLDER, TIMES_FILE
from suite.report.site.board import board_table
from suite.report.site.charts.noise import noise_chart
from suite.report.site.charts.theme import Spec
from suite.report.site.claims import summary, write_claims
from suite.report.site.datasets import write_datasets
from suite.report.site.figures import write_figures_page
from suite.report.site.inputs import BOARD_FILE, CLAIMS_FILE, DEFAULT_TRACK, Inputs, read_inputs
from suite.report.site.libraries import charts_script, tables_script
from suite.report.site.losses import write_losses
from suite.report.site.names import looks, slug
from suite.report.site.pictures import Pictures, open_pictures
from suite.report.site.provenance import write_provenance
from suite.report.site.render import Pages
from suite.report.site.retrieval import find_embeddings, retrieval_page, write_retrieval
from suite.settings.params import PARAMS_FILE, Settings

SITE_FOLDER = RESULTS_FOLDER / "site"
PROVENANCE_FILES = (PARAMS_FILE, Path("dvc.lock"), Path("data.dvc"), BOARD_FILE, CLAIMS_FILE, TIMES_FILE)
_LEAD = (
    "Losses for deep metric learning on the same data, label noise, seeds and tuning budget; test classes are never trained "
    "on. Choose data set, noise, track and metric; table and charts follow."
)


def write_site(settings: Settings, folder: Path = SITE_FOLDER) -> Path:
    """Write the site and give its first page; everything but ``provenance.html`` depends on the inputs alone.

    Raises:
        SuiteError: an input is there and cannot be read; the old site stays as it is.
    """
    inputs = read_inputs(settings)
    with _replacing_folder(folder) as site:
        _write_assets(site)
        pictures = {name: found for name in inputs.datasets if (found := open_pictures(name, slug(name), site))}
        pages = Pages(site, _navigation())
        retrieval = _write_retrieval(pages, settings, inputs, pictures)
        write_datasets(pages, inputs, pictures, retrieval)
        write_losses(pages, inputs)
        write_claims(pages, inputs.claims)
        write_figures_page(pages, inputs.figures)
        write_provenance(pages, inputs.records, PROVENANCE_FILES)
        _write_index(pages, inputs, retrieval)
    return folder / "index.html"


def _navigation() -> list[tuple[str, str]]:
    return [
        ("index.html", "Results"),
        ("claims.html", "Claims"),
        ("losses.html", "Losses"),
        ("datasets.html", "Data sets"),
        ("figures.html", "Figures"),
        ("provenance.html", "Provenance"),
    ]


def _write_assets(site: Path) -> None:
    static = files("suite.report.site") / "static"
    for name in ("site.css", "site.js"):
        write_text(site / "assets" / name, (static / name).read_text(encoding="utf-8"))
    write_text(site / "assets" / "charts.js", charts_script())
    write_text(site / "assets" / "tables.js", tables_script())


def _write_retrieval(pages: Pages, settings: Settings, inputs: Inputs, pictures: dict[str, Pictures]) -> dict[str, str]:
    """Pages of nearest neighbours, of the least noise; gives the page of each data set that has one."""
    level = min(settings.noise.levels)
    written = {}
    for dataset, shown in pictures.items():
        found = find_embeddings(dataset, tuple(settings.losses), level)
        if found:
            write_retrieval(pages, dataset, found, shown, level, inputs.losses)
            written[dataset] = retrieval_page(dataset)
    return written


def _write_index(pages: Pages, inputs: Inputs, retrieval: dict[str, str]) -> None:
    charts: dict[str, Spec] = {}
    listed = []
    if not inputs.board.empty:
        for (dataset, kind), rows in inputs.board.groupby(["dataset", "noise_kind"], sort=False):
            name = f"noise-{slug(dataset)}-{slug(kind)}"
            charts[name] = noise_chart(rows, f"{dataset}, {kind} noise")
            listed.append((name, dataset, f"{dataset}: means over seeds; bars are 95 % intervals of the mean."))
    look = looks(set(inputs.board["loss"]) - {FROZEN}) if listed else {}
    pages.write(
        "index.html",
        "index",
        "Results",
        lead=_LEAD,
        verdicts=summary(inputs.claims),
        own=_own(inputs),
        table=None if inputs.board.empty else board_table(inputs.board),
        tables=not inputs.board.empty,
        charts=charts,
        noise_charts=listed,
        legend=[*look.items(), (FROZEN, None)],
        more=_more(inputs, retrieval),
    )


def _own(inputs: Inputs) -> list[tuple[str, str]]:
    """The page of each loss of the user's own and a sentence of its verdicts, of the tuned track."""
    if inputs.verdicts is None:
        return []
    tuned = inputs.verdicts[inputs.verdicts["track"] == DEFAULT_TRACK]
    own = [name for name, entry in inputs.declared.items() if entry.target is not None]
    return [(f"loss-{slug(name)}.html", sentence(rows)) for name in own if len(rows := tuned[tuned["loss"] == name])]


def _more(inputs: Inputs, retrieval: dict[str, str]) -> list[tuple[str, str, str]]:
    links: list[tuple[Any, ...]] = [("claims.html", "Claims", "what held of the paper, with intervals")]
    links += [(f"loss-{slug(loss)}.html", loss, "formula, values, influence, training") for loss in inputs.losses]
    links += [(f"dataset-{slug(name)}.html", name, "samples, licences, data sheet") for name in inputs.datasets]
    links += [
        (href, f"Retrieval on {name}", "nearest neighbours under every loss, maps") for name, href in retrieval.items()
    ]
    links += [
        ("figures.html", "Figures", "as in papers"),
        ("provenance.html", "Provenance", "commit, digests, versions"),
    ]
    return [(str(href), str(text), str(detail)) for href, text, detail in links]


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of ``folder`` if the block ends without an error."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
