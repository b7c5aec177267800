"""The command line: ``suite COMMAND``. The stages of ``dvc.yaml`` are the same commands."""

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import typer

from suite.cli import cluster, data, losses, pipeline, results, studies
from suite.cli.shared import errors
from suite.errors import SuiteError, as_markup

app = typer.Typer(help=__doc__.split("\n")[0], no_args_is_help=True, pretty_exceptions_enable=False)
data_app = typer.Typer(help="The data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

COMMANDS: dict[typer.Typer, list[Callable[..., None]]] = {
    app: [
        pipeline.user,
        pipeline.plan,
        pipeline.features,
        pipeline.tune,
        pipeline.train,
        pipeline.train_network,
        cluster.grid,
        pipeline.leaderboard,
        pipeline.claims,
        pipeline.times,
        pipeline.site,
        studies.paper_values,
        studies.ablation,
        studies.geometry,
        studies.search,
        studies.promote,
        results.compare,
        results.verify,
        results.readme,
        results.figures,
        losses.check,
        losses.losses,
        losses.new_loss,
        data.datasets,
        data.noise,
    ],
    data_app: [data.verify, data.user, data.build, data.sheet, data.add],
}
for group, commands in COMMANDS.items():
    for command in commands:
        group.command()(command)


INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Interrupted(BaseException):
    """Ctrl-C; unlike ``KeyboardInterrupt`` it passes through the library that reads the command line."""


def main() -> None:
    """Run a command; an error meant for the user is one line on stderr and exit status 2, Ctrl-C a line and 130."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except Interrupted:
        errors.print("interrupted: what has finished is kept; run the same command to go on", highlight=False)
        sys.exit(INTERRUPTED)
    except SuiteError as error:
        errors.print(f"[bold red]error:[/] {as_markup(error)}", highlight=False)
        sys.exit(2)


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted
