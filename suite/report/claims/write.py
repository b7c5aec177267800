"""Writes ``results/claims.json``, ``claims.md`` and ``sensitivity.md``: a pure function of claim files and records."""

from pathlib import Path
from typing import Any

from suite.files import write_json, write_text
from suite.judging.claims.judge import judge
from suite.judging.claims.load import CLAIMS_FOLDER, ClaimFile, load_claims
from suite.judging.claims.measured import Measured, read_measured
from suite.judging.claims.report import report
from suite.judging.claims.rows import RunRow
from suite.judging.claims.sensitivity import sensitivity
from suite.report.claims.render import sensitivity_page, to_markdown
from suite.settings.benchmarks import BENCHMARKS_FOLDER, BenchmarkSettings
from suite.settings.params import Settings

RESULTS_FOLDER = Path("results")


def write_claims(settings: Settings, folder: Path = CLAIMS_FOLDER) -> dict[str, Any]:
    """Judge all claims by what lies in ``runs/``, ``studies/`` and ``docs/figures/``; gives the report.

    Claims whose folder is missing or too small are "not run". Nothing is written if anything is wrong.

    Raises:
        SuiteError: a claim file is refused, or rows are malformed or contradict each other.
    """
    files = load_claims(settings.losses, folder)
    cut = {name: entry.max_classes is not None for name, entry in settings.datasets.items()}

    def in_grid(row: RunRow) -> bool:
        return row.loss in settings.losses and row.noise_level in settings.noise.levels and row.seed < settings.seeds

    return _judge(files, read_measured(cut, in_grid=in_grid), RESULTS_FOLDER)


def write_benchmark_claims(settings: BenchmarkSettings, folder: Path = CLAIMS_FOLDER / "benchmarks") -> dict[str, Any]:
    """The same for claims about the published data sets, by what lies in ``published/``; in ``results/published``.

    Raises:
        SuiteError: as ``write_claims``.
    """

    def in_grid(row: RunRow) -> bool:
        return (row.dataset, row.loss, row.noise_level) in cells and row.seed < settings.seeds

    cells = {(name, loss, level) for name, loss in settings.named_rows for level in settings.noise.levels}
    measured = read_measured(dict.fromkeys(settings.datasets, False), BENCHMARKS_FOLDER, in_grid)
    return _judge(load_claims(settings.losses, folder), measured, RESULTS_FOLDER / BENCHMARKS_FOLDER)


def _judge(files: list[ClaimFile], measured: Measured, folder: Path) -> dict[str, Any]:
    claims = [file.claim for file in files]
    judged = judge(claims, measured)
    found = report(files, judged, sensitivity(claims, measured, judged), _counts(measured))
    write_json(folder / "claims.json", found)
    write_text(folder / "claims.md", to_markdown(found))
    write_text(folder / "sensitivity.md", sensitivity_page(found))
    return found


def _counts(measured: Measured) -> dict[str, int]:
    """Rows that were read, of each kind."""
    return {
        "records": sum(map(len, measured.runs.values())),
        "ablations": sum(len(cell) for by_value in measured.ablations.values() for cell in by_value.values()),
        "geometry": sum(len(cell) for by_loss in measured.geometry.values() for cell in by_loss.values()),
    }
