"""Fresh records against committed ones."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from suite.cli.shared import console
from suite.errors import SuiteError

RECORDS_FILE = Path("results/records.csv")


def verify(
    committed: Annotated[
        Path | None, typer.Argument(help="Reference; default: results/records.csv of git's HEAD.")
    ] = None,
    fresh: Annotated[Path, typer.Argument(help="Records of your rerun.")] = RECORDS_FILE,
    margin: Annotated[
        float, typer.Option(min=0.01, help="Points of R@1 up to which two means count as the same.")
    ] = 1.0,
) -> None:
    """Say whether fresh records reproduce the committed ones, by cell and over all; exit status 0 if they do, else 1."""
    from rich.table import Table

    from suite.judging.verify import Outcome, compare, conclusion, lines

    names = (str(committed) if committed else f"HEAD:{RECORDS_FILE}", str(fresh))
    reference = _read(committed) if committed else _of_head()
    found = compare(reference, _read(fresh), margin, names)
    heads = ("cell", "fresh - committed [90 % interval]", "n", "p (TOST)", "verdict", "remark")
    if console.is_terminal:
        table = Table(*heads, box=None, pad_edge=False)
        for row in lines(found):
            table.add_row(*(cell.replace("[", "\\[") for cell in row))
        console.print(table)
    else:
        for row in (heads, *lines(found)):
            console.print("\t".join(row).rstrip(), markup=False, highlight=False)
    console.print(conclusion(found), markup=False, highlight=False)
    raise typer.Exit(0 if found.outcome == Outcome.REPRODUCED else 1)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise SuiteError(f"records file {path} is missing; run: dvc repro")
    return path.read_bytes()


def _of_head() -> bytes:
    command = ["git", "show", f"HEAD:{RECORDS_FILE.as_posix()}"]
    shown = subprocess.run(command, capture_output=True, check=False)
    if shown.returncode:
        reason = " ".join(shown.stderr.decode(errors="replace").split())
        raise SuiteError(f"HEAD:{RECORDS_FILE} cannot be read ({reason}); give the file of committed records")
    return shown.stdout
