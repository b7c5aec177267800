"""Writes ``results/site/``: all pages, in a folder that replaces the old one only when it is complete."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from suite.errors import SuiteError
from suite.files import replacing, write_text
from suite.report.site.charts import CONFIG
from suite.report.site.claims import write_claims_pages
from suite.report.site.datasets import Pictures, open_pictures, write_datasets
from suite.report.site.front import write_front
from suite.report.site.gains import loss_set
from suite.report.site.inputs import Inputs, read_inputs
from suite.report.site.losses import write_losses
from suite.report.site.pages import Pages, charts_script, tables_script
from suite.report.site.provenance import write_provenance
from suite.report.site.retrieval import find_embeddings, retrieval_page, write_retrieval
from suite.report.site.tuning import write_tuning
from suite.settings.params import Settings
from suite.settings.paths import (
    BENCHMARK_RESULTS,
    BOARD_FILE,
    CLAIMS_FILE,
    FINETUNED_RESULTS,
    PARAMS_FILE,
    SITE_FOLDER,
    TIMES_FILE,
)

PROVENANCE_FILES = (PARAMS_FILE, Path("dvc.lock"), Path("data.dvc"), BOARD_FILE, CLAIMS_FILE, TIMES_FILE)
FIGURES = {
    "field": (
        "Potential field of a class",
        (
            "A class of three clusters in the plane. Contours show the field of its potential, lines the ways of its "
            "proxies downhill. Under the decaying field the proxies come to rest among the embeddings. Under the control "
            "they gather at the mean. W2 is the Wasserstein distance between proxies at rest and embeddings."
        ),
    ),
    "influence": (
        "Influence by distance",
        (
            "How strongly a positive and a negative at a given distance move an anchor. Each line is a loss; both axes are "
            "logarithmic."
        ),
    ),
    "noise": (
        "R@1 against label noise",
        (
            "Test R@1 with 95 % intervals against the share of wrong training labels. Each panel is a data set, each line a "
            "loss; the dashed line is the frozen backbone. The leaderboard has the numbers."
        ),
    ),
}
"""Title and description by the file's stem."""
_MANIFEST = "assets/files.txt"
"""Names of all files of the site: what lies beside them is somebody else's."""


def write_site(settings: Settings, folder: Path = SITE_FOLDER) -> Path:
    """Write the site and give its first page; everything but ``provenance.html`` depends on the inputs alone.

    Args:
        settings: what ``params.yaml`` holds.
        folder: where the site goes.

    Raises:
        SuiteError: an input is there and cannot be read, or the folder holds something else; it stays as it is then.
    """
    _put_back(folder)
    _check_ours(folder)
    inputs = read_inputs(settings)
    with _replacing_folder(folder) as site:
        _write_assets(site)
        kept = {name: entry.max_classes for name, entry in inputs.entries.items()}
        pictures = {name: found for name in inputs.datasets if (found := open_pictures(name, site, kept.get(name)))}
        pages = Pages(site, _navigation(board=not inputs.board.empty))
        retrieval = _write_retrieval(pages, settings, inputs, pictures)
        write_datasets(pages, inputs, pictures, retrieval)
        write_losses(pages, inputs)
        write_claims_pages(pages, inputs.claims)
        write_tuning(pages, inputs, settings)
        _write_figures(pages, inputs.figures)
        write_provenance(pages, inputs, PROVENANCE_FILES)
        write_front(pages, inputs, retrieval)
    return folder / "index.html"


def _navigation(*, board: bool) -> list[tuple[str, str]]:
    return [
        ("index.html", "Results"),
        *([("leaderboard.html", "Leaderboard")] if board else []),
        ("claims.html", "Claims"),
        ("losses.html", "Losses"),
        ("datasets.html", "Data sets"),
        ("tuning.html", "Tuning"),
        ("figures.html", "Figures"),
        ("provenance.html", "Provenance"),
    ]


def _write_assets(site: Path) -> None:
    static = files("suite.report.site") / "static"
    for name in ("site.css", "site.js"):
        write_text(site / "assets" / name, (static / name).read_text(encoding="utf-8"))
    write_text(site / "assets" / "charts.js", charts_script(CONFIG))
    write_text(site / "assets" / "tables.js", tables_script())


def _write_retrieval(pages: Pages, settings: Settings, inputs: Inputs, pictures: dict[str, Pictures]) -> dict[str, str]:
    """Pages of nearest neighbours, of the least noise; gives the page of each data set that has one."""
    level = min(settings.noise.levels)
    losses = sorted(settings.losses, key=lambda loss: loss_set(loss, settings.losses) == "extended")
    written = {}
    for dataset, shown in pictures.items():
        found = find_embeddings(dataset, losses, level)
        if any(len(embeddings.rows) for embeddings in found.values()):
            write_retrieval(pages, dataset, found, shown, level, inputs.losses)
            written[dataset] = retrieval_page(dataset)
    return written


def _write_figures(pages: Pages, figures: tuple[Path, ...]) -> None:
    """Write ``figures.html`` and copy the figures for papers beside it, each with a text that says what it shows."""
    shown = []
    for path in figures:
        title = re.sub(r"[-_]+", " ", path.stem).strip().capitalize()
        title, alt = FIGURES.get(path.stem, (title, f"{title}; the documentation says how to read it."))
        of_regime = path.parent in (FINETUNED_RESULTS, BENCHMARK_RESULTS)
        name = f"{path.parent.name}-{path.name}" if of_regime else path.name
        with replacing(pages.folder / "figures" / name) as temporary:
            temporary.write_bytes(path.read_bytes())
        title = f"{title}, {path.parent.name}" if of_regime else title
        shown.append({"path": f"figures/{name}", "title": title, "alt": alt})
    pages.write("figures.html", "figures", "Figures", figures=shown)


def _check_ours(folder: Path) -> None:
    """Refuse to replace a folder that is no site: it holds nothing that the suite has written."""
    if (
        folder.exists()
        and not (folder / "assets" / "site.css").is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise SuiteError(f"{folder} is in the way and was not written by the suite; move it elsewhere")


def _carry_over(old: Path, new: Path) -> None:
    """Copy what the old site holds besides its own files; a site that does not say which these are holds no others."""
    manifest = old / _MANIFEST
    if not manifest.is_file():
        return
    written = set(manifest.read_text(encoding="utf-8").splitlines())
    for path in sorted(path for path in old.rglob("*") if path.is_file()):
        name = path.relative_to(old)
        if name.as_posix() not in written and not (new / name).exists():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, new / name)


def _old(folder: Path) -> Path:
    """Where the old site lies while the new one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def _put_back(folder: Path) -> None:
    """Put the old site back where the new one did not take its place: a process was killed between the two renamings."""
    if _old(folder).is_dir() and not folder.exists():
        _old(folder).replace(folder)


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of ``folder`` if the block ends without an error; until then that one stays."""
    temporary, old = folder.with_name(f".{folder.name}.tmp"), _old(folder)
    for left in (temporary, old):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        files = sorted(path.relative_to(temporary).as_posix() for path in temporary.rglob("*") if path.is_file())
        write_text(temporary / _MANIFEST, "".join(f"{name}\n" for name in [*files, _MANIFEST]))
        _carry_over(folder, temporary)
        if folder.exists():
            folder.replace(old)
        temporary.replace(folder)
    finally:
        _put_back(folder)
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)
