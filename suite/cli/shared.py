"""What the commands share: consoles, arguments, and a table on the terminal."""

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from suite.errors import SuiteError
from suite.settings.paths import PARAMS_FILE

if TYPE_CHECKING:
    from suite.training.tuning.resolve import Tools

console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


class Regime(StrEnum):
    """What learns."""

    frozen = "frozen"
    finetuned = "finetuned"


RegimeOption = Annotated[
    Regime,
    typer.Option(help="frozen: an embedding layer on frozen features; finetuned: late blocks of the network too."),
]
Dataset = Annotated[str, typer.Argument(help="Name of a data set, e.g. emoji.")]
Loss = Annotated[str, typer.Argument(help="Name of a loss in params.yaml.")]
Benchmarks = Annotated[
    bool, typer.Option("--benchmarks", help="For CUB, Cars and SOP, by pipelines/benchmarks/params.yaml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Everything as JSON.")]


def check_one(regime: Regime, *, benchmarks: bool) -> None:
    """Refuse ``--benchmarks`` together with another regime than the default.

    Raises:
        SuiteError: both were given.
    """
    if benchmarks and regime != Regime.frozen:
        raise SuiteError(f"--benchmarks and --regime {regime.value} exclude each other; allowed: one of them")


def tell_kept(regime: Regime) -> None:
    """Say how many cells of the grid were read from git, where this checkout has no runs of them."""
    from suite.evaluation.cells import note_on_kept
    from suite.settings.params import load_settings

    if note := note_on_kept(load_settings(), regime.value):
        console.print("[yellow]note:[/] " + escape(note))


def tell_views(dataset: str) -> None:
    """Say so where the views of a data set are not those that the grid's runs learned from.

    Raises:
        SuiteError: they are missing, stale, incomplete, cut short or altered, or the data are others now.
    """
    from suite.evaluation.cells import note_on_views
    from suite.training.finetuned.stage import views_of

    if note := note_on_views(dataset, views_of(dataset).sha256):
        console.print("[yellow]note:[/] " + escape(note))


def search_tools(regime: Regime) -> "Callable[[], Tools] | None":
    """What searches of a regime need; None for the frozen one."""
    if regime == Regime.frozen:
        return None
    from suite.training.finetuned.stage import tools

    return tools


def study_tools(regime: Regime) -> "Tools":
    """What studies of a regime need."""
    from suite.training.tuning.resolve import frozen_tools

    return (search_tools(regime) or frozen_tools)()


def show(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Show a table of the main columns on a terminal, and all columns as text elsewhere.

    Args:
        title: what the rows are.
        rows: plain data, each with a ``name``.
        columns: the main columns.
        as_json: whether to print JSON instead.
    """
    terminal = Console(soft_wrap=not as_json)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif terminal.is_terminal:
        table = Table(*columns, title=f"{title} (everything: suite {title.replace(' ', '')} --json)", show_lines=True)
        for row in rows:
            table.add_row(*(escape(_text(row[column])) for column in columns))
        Console().print(table)
    else:
        for row in rows:
            typer.echo(row["name"])
            for key, value in row.items():
                if key != "name":
                    typer.echo(f"  {key}: {_text(value)}")


def _inner(value: Any) -> str:
    return f"({_text(value)})" if isinstance(value, Mapping) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_inner(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def note_place(done: str) -> None:
    """Say that a command has done what it can outside a project, where there is no params.yaml."""
    if not PARAMS_FILE.is_file():
        errors.print(f"note: there is no {PARAMS_FILE} in {Path.cwd()}: {done}", markup=False, highlight=False)
