"""``suite check TARGET``: the generic tests of a loss."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

_COLOURS = {"pass": "green", "fail": "bold red", "note": "yellow", "info": "cyan"}


def check(
    target: Annotated[
        str,
        typer.Argument(help="my_loss.py:MyLoss, module:Class, a built-in loss, or the name of a loss in params.yaml."),
    ],
) -> None:
    """Test a loss in seconds: gradients, odd batches, symmetries, cost, influence; exit status 1 if a check fails."""
    from suite.losses.checks.find import find_subject
    from suite.losses.checks.run import run_checks

    console = Console(soft_wrap=True, highlight=False)
    subject = find_subject(target)
    console.print(f"[bold]{escape(subject.entry.target)}[/]")
    counts = dict.fromkeys(_COLOURS, 0)
    for finding in run_checks(subject):
        counts[finding.status] += 1
        console.print(f"[{_COLOURS[finding.status]}]{finding.status}[/]  {finding.check}: {escape(finding.found)}")
        if finding.meaning:
            console.print(f"      in training: {escape(finding.meaning)}")
    console.print(f"{counts['pass']} passed, {counts['fail']} failed, {counts['note']} notes")
    raise typer.Exit(1 if counts["fail"] else 0)
