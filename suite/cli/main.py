"""The command line: ``suite COMMAND``. The stages of ``dvc.yaml`` are the same commands."""

import sys
from collections.abc import Callable

import typer

from suite.cli import (
    archives,
    catalogue,
    check,
    claims,
    compare,
    data,
    finetuning,
    new_loss,
    pipeline,
    results,
    site,
    studies,
    tuning,
    verify,
)
from suite.cli.process import end_quickly, start_quickly
from suite.cli.shared import errors
from suite.errors import SuiteError, as_markup
from suite.training.times import log_process

app = typer.Typer(help=__doc__.split("\n")[0], no_args_is_help=True, pretty_exceptions_enable=False)
data_app = typer.Typer(help="The data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

COMMANDS: dict[typer.Typer, list[Callable[..., None]]] = {
    app: [
        pipeline.plan,
        pipeline.own,
        pipeline.features,
        pipeline.tune,
        pipeline.train,
        finetuning.finetune,
        studies.published,
        studies.ablation,
        studies.geometry,
        results.leaderboard,
        claims.claims,
        compare.compare,
        verify.verify,
        results.times,
        results.readme,
        results.figures,
        site.site,
        tuning.search,
        studies.adopt,
        data.noise,
        check.check,
        catalogue.losses,
        catalogue.datasets,
        new_loss.new_loss,
    ],
    data_app: [data.verify, data.own, data.build, data.sheet, archives.add],
}
for group, commands in COMMANDS.items():
    for command in commands:
        group.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(results.measure)


def main() -> None:
    """Run a command; an error meant for the user is one line on stderr and exit status 2."""
    try:
        app()
    except SuiteError as error:
        errors.print(f"[bold red]error:[/] {as_markup(error)}", highlight=False)
        sys.exit(2)
    finally:
        log_process()


def program() -> None:
    """The program ``suite``: ``main`` in a process of its own."""
    start_quickly()
    try:
        main()
    except SystemExit as ended:
        end_quickly(ended.code)
