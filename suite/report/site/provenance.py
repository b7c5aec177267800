"""Where the pages come from. What varies from one making to the next, date and machine, stands here and nowhere else."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from suite.hashing import sha256_file
from suite.report.site.inputs import Row
from suite.report.site.libraries import library_versions
from suite.report.site.render import Pages


def write_provenance(pages: Pages, records: Sequence[Row], files: Sequence[Path]) -> None:
    """Write ``provenance.html``; ``files`` are inputs whose digests it shows, where they exist."""
    made = {
        "date": _date(),
        "commit": _commit(),
        "machine": f"{platform.machine()}, {_processor()}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "suite": version("pfml-suite"),
        "python": platform.python_version(),
    }
    made |= library_versions()
    made |= {f"SHA-256 of {path.as_posix()}": sha256_file(path) for path in files if path.is_file()}
    pages.write(
        "provenance.html", "provenance", "Provenance", provenance=list(made.items()), runs=describe_runs(records)
    )


def describe_runs(records: Sequence[Row]) -> list[list[Any]]:
    """Digests and versions in the records with the number of runs that have each."""
    rows: list[list[Any]] = []
    for dataset in dict.fromkeys(row["dataset"] for row in records):
        mine = [row for row in records if row["dataset"] == dataset]
        rows += _counted(f"data of {dataset}", [row["data_sha256"] for row in mine])
    for loss in dict.fromkeys(row["loss"] for row in records):
        rows += _counted(f"code of {loss}", [row["loss_sha256"] for row in records if row["loss"] == loss])
    for name in ("noise_sha256", "config_sha256"):
        found = {row[name] for row in records}
        if found:
            rows.append(
                [name.replace("_sha256", " digests"), f"{len(found)} different ones, in the records", len(records)]
            )
    for library in dict.fromkeys(key for row in records for key in row["versions"]):
        rows += _counted(library, [row["versions"].get(library, "") for row in records])
    return rows


def _counted(what: str, values: Sequence[str]) -> list[list[Any]]:
    return [[what, value, count] for value, count in Counter(values).items()]


def _date() -> str:
    """Now, or the time that ``SOURCE_DATE_EPOCH`` sets, as reproducible builds have it."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(fixed), UTC) if fixed else datetime.now(UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _commit() -> str:
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "not in a git repository"
    return head + (" with uncommitted changes" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
