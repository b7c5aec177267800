"""Writes ``results/site/``: all pages, in a folder that replaces the old one only when it is complete."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.files import replacing, write_text
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import sentence
from suite.report.budgets import counted, of_trials
from suite.report.figures.style import looks
from suite.report.site.board import board_table
from suite.report.site.charts import Spec, noise_chart
from suite.report.site.claims import verdict_badges_on, write_claims_page
from suite.report.site.datasets import Pictures, open_pictures, write_datasets
from suite.report.site.inputs import Inputs, read_inputs
from suite.report.site.losses import write_losses
from suite.report.site.pages import Pages, charts_script, slug, tables_script
from suite.report.site.provenance import write_provenance
from suite.report.site.retrieval import find_embeddings, retrieval_page, write_retrieval
from suite.report.site.tuning import write_tuning
from suite.settings.params import Settings
from suite.settings.paths import BOARD_FILE, CLAIMS_FILE, PARAMS_FILE, SITE_FOLDER, TIMES_FILE

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
_LEAD = (
    "Losses for deep metric learning, compared on the same data, label noise and seeds. No loss is trained on test "
    "classes. Choose a data set, noise level, regime, tuning track and metric: the table and the charts follow."
)


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
        pictures = {name: found for name in inputs.datasets if (found := open_pictures(name, site))}
        pages = Pages(site, _navigation())
        retrieval = _write_retrieval(pages, settings, inputs, pictures)
        write_datasets(pages, inputs, pictures, retrieval)
        write_losses(pages, inputs)
        write_claims_page(pages, inputs.claims)
        write_tuning(pages, inputs)
        _write_figures(pages, inputs.figures)
        write_provenance(pages, inputs.records, PROVENANCE_FILES)
        _write_index(pages, inputs, retrieval)
    return folder / "index.html"


def _navigation() -> list[tuple[str, str]]:
    return [
        ("index.html", "Results"),
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
    write_text(site / "assets" / "charts.js", charts_script())
    write_text(site / "assets" / "tables.js", tables_script())


def _write_retrieval(pages: Pages, settings: Settings, inputs: Inputs, pictures: dict[str, Pictures]) -> dict[str, str]:
    """Pages of nearest neighbours, of the least noise; gives the page of each data set that has one."""
    level = min(settings.noise.levels)
    written = {}
    for dataset, shown in pictures.items():
        found = find_embeddings(dataset, tuple(settings.losses), level)
        if any(len(embeddings.rows) for embeddings in found.values()):
            write_retrieval(pages, dataset, found, shown, level, inputs.losses)
            written[dataset] = retrieval_page(dataset)
    return written


def _write_index(pages: Pages, inputs: Inputs, retrieval: dict[str, str]) -> None:
    charts: dict[str, Spec] = {}
    listed = []
    if not inputs.board.empty:
        for (dataset, kind), rows in inputs.board.groupby(["dataset", "noise_kind"], sort=False):
            name = f"noise-{slug(dataset)}-{slug(kind)}"
            charts[name] = noise_chart(rows, f"{dataset}, {kind} noise", inputs.losses)
            listed.append((name, dataset, f"{dataset}: means over seeds; bars are 95 % intervals of the mean."))
    trained = set(inputs.board["loss"]) if listed else set()
    look = {loss: each for loss, each in looks(inputs.losses).items() if loss in trained}
    pages.write(
        "index.html",
        "index",
        "Results",
        lead=_lead(inputs.board),
        judged=inputs.claims is not None,
        verdicts=verdict_badges_on(inputs.claims, inputs.datasets),
        user=_user(inputs),
        table=None if inputs.board.empty else board_table(inputs.board, inputs.losses),
        tables=not inputs.board.empty,
        charts=charts,
        noise_charts=listed,
        legend=[*look.items(), (FROZEN, None)],
        more=_more(inputs, retrieval),
    )


def _lead(board: pd.DataFrame) -> str:
    """What the site shows, and how many trials the values on it were chosen from, where that is known."""
    tuned = board[board["track"] == "tuned"] if len(board) else board
    return f"{_LEAD} Values on the track `tuned` are the best of {of_trials(tuned)}." if counted(tuned) else _LEAD


def _user(inputs: Inputs) -> list[tuple[str, str]]:
    """The page of each loss of the user and a sentence of its verdicts, of the tuned track."""
    if inputs.verdicts is None:
        return []
    tuned = inputs.verdicts[inputs.verdicts["track"] == "tuned"]
    user = [name for name, entry in inputs.declared.items() if entry.target is not None]
    return [(f"loss-{slug(name)}.html", sentence(rows)) for name in user if len(rows := tuned[tuned["loss"] == name])]


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


def _write_figures(pages: Pages, figures: tuple[Path, ...]) -> None:
    """Write ``figures.html`` and copy the figures for papers beside it, each with a text that says what it shows."""
    shown = []
    for path in figures:
        title = re.sub(r"[-_]+", " ", path.stem).strip().capitalize()
        title, alt = FIGURES.get(path.stem, (title, f"{title}; the documentation says how to read it."))
        with replacing(pages.folder / "figures" / path.name) as temporary:
            temporary.write_bytes(path.read_bytes())
        shown.append({"path": f"figures/{path.name}", "title": title, "alt": alt})
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
