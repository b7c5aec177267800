"""Where the pages come from. What varies from one making to the next, date and machine, stands here and nowhere else."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from suite.errors import SuiteError, shortened
from suite.evaluation.records import Record
from suite.hashing import sha256_file
from suite.judging.handed_in.protocol import suite_version
from suite.processes import processor_kind
from suite.report.site.inputs import Inputs
from suite.report.site.pages import Pages, library_versions


def write_provenance(pages: Pages, inputs: Inputs, files: Sequence[Path]) -> None:
    """Write ``provenance.html``; ``files`` are inputs whose digests it shows, where they exist."""
    made = {
        "date": _date(),
        "commit": commit(),
        "machine": f"{platform.machine()}, {processor_kind()}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "suite": suite_version(),
        "python": platform.python_version(),
    }
    made |= library_versions()
    made |= {f"SHA-256 of {path.as_posix()}": sha256_file(path) for path in files if path.is_file()}
    pages.write(
        "provenance.html",
        "provenance",
        "Provenance",
        provenance=list(made.items()),
        runs=describe_runs(inputs.records),
        unseen=len(inputs.without_records),
        on_board=len(inputs.on_board),
    )


def describe_runs(records: Sequence[Record]) -> list[list[Any]]:
    """Digests and versions in the records with the number of runs that have each."""
    rows: list[list[Any]] = []
    for dataset in dict.fromkeys(record.dataset for record in records):
        rows += _counted(f"data of {dataset}", [record.data_sha256 for record in records if record.dataset == dataset])
    for loss in dict.fromkeys(record.loss for record in records):
        rows += _counted(f"code of {loss}", [record.loss_sha256 for record in records if record.loss == loss])
    for backbone, count in Counter(record.backbone for record in records).items():
        rows.append(["backbone", backbone, count])
    for name, what in (("noise_sha256", "masks of label noise"), ("config_sha256", "configurations")):
        different = {getattr(record, name) for record in records}
        if different:
            rows.append([what, f"{len(different)} different ones; the records have their digests", len(records)])
    for library in dict.fromkeys(key for record in records for key in record.versions):
        rows += _counted(library, [record.versions.get(library, "") for record in records])
    return rows


def _counted(what: str, values: Sequence[str]) -> list[list[Any]]:
    return [[what, value, count] for value, count in Counter(values).items()]


def _date() -> str:
    """Now, or the time that ``SOURCE_DATE_EPOCH`` sets, as reproducible builds have it.

    Raises:
        SuiteError: it sets no time.
    """
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(fixed), UTC) if fixed else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SuiteError(
            f"environment variable SOURCE_DATE_EPOCH = {shortened(fixed or '', 80)!r}; allowed: seconds since 1970"
        ) from error
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def commit() -> str:
    """Commit of the working tree, and whether files were changed since."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "not in a git repository"
    return head + (" with uncommitted changes" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()
