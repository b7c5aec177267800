"""``suite losses`` and ``suite datasets``: everything that can be named in ``params.yaml``, with where it comes from."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Everything as JSON.")]


def losses(*, as_json: AsJson = False) -> None:
    """List all losses, built-in and of params.yaml: source, formula, hyper-parameters with defaults, search space."""
    from suite.losses.listing import list_losses

    _show("losses", list_losses(), ("name", "in params.yaml", "hyper-parameters", "source"), as_json=as_json)


def datasets(*, as_json: AsJson = False) -> None:
    """List all data sets, embedded and your own: classes, images, licences, file."""
    from suite.data.listing import list_datasets

    columns = ("name", "in params.yaml", "training classes", "test classes", "images", "about")
    _show("data sets", list_datasets(), columns, as_json=as_json)


def _show(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """A table of the main columns on a terminal, all of it as text elsewhere."""
    console = Console(soft_wrap=not as_json)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif console.is_terminal:
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
