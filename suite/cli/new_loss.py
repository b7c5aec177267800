"""``suite new-loss NAME``: a loss to start from."""

from typing import Annotated

import typer


def new_loss(
    name: Annotated[str, typer.Argument(help="Name of the loss: letters, digits and _, e.g. my_loss.")],
) -> None:
    """Write NAME.py, a documented loss that passes suite check, and print its entry of params.yaml."""
    from suite.losses.template import write_template

    path, class_name = write_template(name)
    typer.echo(f"wrote {path}; test it with: suite check {path}:{class_name}")
    typer.echo("then add it to params.yaml:\n")
    typer.echo(f"losses:\n  {name}: {{target: {path}:{class_name}}}")
