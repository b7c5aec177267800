"""Results handed in: make a bundle, put bundles on a board, rerun some of their runs."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from suite.cli.shared import Loss, console
from suite.errors import SuiteError


def submit(
    loss: Loss,
    licence: Annotated[
        str | None, typer.Option(help="Licence of your code and records, by SPDX, e.g. MIT; asked for if left out.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write; LOSS.zip if left out.")] = None,
    author: Annotated[str, typer.Option(help="Who hands it in.")] = "",
    citation: Annotated[str, typer.Option(help="What to cite for the loss.")] = "",
) -> None:
    """Check all that a loss has left here and write it as one bundle, which others can merge."""
    from suite.judging.handed_in.submit import submit as write
    from suite.settings.params import load_settings

    settings = load_settings()
    if licence is None:
        if not sys.stdin.isatty():
            raise SuiteError("suite submit: --licence is missing; allowed: an expression of SPDX, e.g. MIT")
        licence = typer.prompt("Licence of your code and records, by SPDX, e.g. MIT")
    path = write(loss, settings, licence, output or Path(f"{loss}.zip"), author, citation)
    console.print(f"wrote {path}: hand it in; a board takes it with: suite merge {path.name}", markup=False)


def merge(bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Files of suite submit.")]) -> None:
    """Check bundles and put them on this board, all or none; their code does not run."""
    from suite.judging.handed_in.merge import merge as put
    from suite.settings.params import load_settings

    for path in put(bundles, load_settings()):
        console.print(f"wrote {path}", markup=False)
    console.print("see them on the board with: dvc repro; then commit handed_in/ and results/")


def rerun(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A loss that was handed in, or its file.")],
    sample: Annotated[int, typer.Option(min=1, help="How many runs are computed anew.")] = 4,
    draw: Annotated[
        int | None, typer.Option(min=0, help="Which runs are drawn: each number draws others; by chance if left out.")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="Points that count as none on other machines than the records'.")
    ] = 0.5,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Run the code in the bundle without asking.")] = False,
) -> None:
    """Compute some runs of a handed-in loss anew, by the code in its bundle; exit status 0 if reproduced, else 1."""
    from suite.judging.handed_in.bundle import read_bundle
    from suite.judging.handed_in.folder import add_check, bundle_path, load_merged
    from suite.judging.handed_in.rerun import sample_of, spot_check
    from suite.judging.handed_in.standing import NOT_RERUN, SPOT_CHECKED, HandedIn, Merged, shown_records
    from suite.settings.params import load_settings

    path, settings = bundle_path(Path(bundle).stem), load_settings()
    if not path.is_file():
        raise SuiteError(f"{path} is missing; put a bundle on the board with: suite merge BUNDLE")
    handed_in = read_bundle(path)
    load_merged(path.with_suffix(".json"))
    seed = secrets.randbelow(2**31) if draw is None else draw
    runs, shown = sample_of(handed_in, settings, sample, seed), shown_records(handed_in)
    console.print(f"sample of {len(runs)} of {len(shown)} runs, drawn by --draw {seed}")
    files = ", ".join(f"code/{name}" for name in handed_in.code) or "none of its own"
    console.print(f"this runs code of {path} with all that you may do on this machine: {files}", markup=False)
    if not yes and not sys.stdin.isatty():
        raise SuiteError(f"suite rerun {bundle}: its code was not run; allowed in scripts: --yes")
    if not yes and not typer.confirm("Run it?"):
        raise typer.Exit(1)
    check = spot_check(handed_in, settings, runs, seed, margin, console)
    now = HandedIn(handed_in, Merged(sha256=handed_in.sha256, spot_checks=(check,)))
    places = dict.fromkeys((record.regime, record.track) for record in shown)
    found = {place: now.standing(*place) for place in places}  # what cannot be judged is not kept
    merged = add_check(path, check)
    for place in places:
        told = found[place].told or "nothing drawn"
        console.print(f"{' '.join(place)}: {told}", markup=False, highlight=False)
    marks = [f"{' '.join(place)}: {HandedIn(handed_in, merged).standing(*place).mark}" for place in places]
    console.print(f"{path.with_suffix('.json')}: {', '.join(marks)}; put it on the board with: dvc repro", markup=False)
    drawn = {each.mark for each in found.values()} - {NOT_RERUN}
    raise typer.Exit(0 if drawn == {SPOT_CHECKED} else 1)
