"""Writes ``results/claims.json``, ``claims.md`` and ``sensitivity.md``: a pure function of claim files and records."""

from pathlib import Path
from typing import Any

from suite.claims.judge import judge
from suite.claims.load import CLAIMS_FOLDER, load_claims
from suite.claims.measured import Measured, read_measured
from suite.claims.render import sensitivity_page, to_markdown
from suite.claims.report import report
from suite.claims.rows import RunRow
from suite.claims.sensitivity import sensitivity
from suite.config.settings import Settings
from suite.files import write_json, write_text

RESULTS_FOLDER = Path("results")


def write_claims(settings: Settings, folder: Path = CLAIMS_FOLDER) -> dict[str, Any]:
    """Judge all claims by what lies in ``records/``, ``studies/`` and ``docs/figures/``; gives the report.

    Claims whose folder is missing or too small are "not run". Nothing is written if anything is wrong.

    Raises:
        SuiteError: a claim file is refused, or rows are malformed or contradict each other.
    """
    files = load_claims(settings.losses, folder)
    claims = [file.claim for file in files]
    cut = {name: entry.max_classes is not None for name, entry in settings.datasets.items()}

    def in_grid(row: RunRow) -> bool:
        return row.loss in settings.losses and row.noise_level in settings.noise.levels and row.seed < settings.seeds

    measured = read_measured(cut, in_grid=in_grid)
    judged = judge(claims, measured)
    found = report(files, judged, sensitivity(claims, measured, judged), _counts(measured))
    write_json(RESULTS_FOLDER / "claims.json", found)
    write_text(RESULTS_FOLDER / "claims.md", to_markdown(found))
    write_text(RESULTS_FOLDER / "sensitivity.md", sensitivity_page(found))
    return found


def _counts(measured: Measured) -> dict[str, int]:
    """Rows that were read, of each kind."""
    return {
        "records": sum(map(len, measured.runs.values())),
        "ablations": sum(len(cell) for by_value in measured.ablations.values() for cell in by_value.values()),
        "geometry": sum(len(cell) for by_loss in measured.geometry.values() for cell in by_loss.values()),
    }
