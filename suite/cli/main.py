"""The command line: ``suite COMMAND``. The stages of ``dvc.yaml`` are the same commands."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

from suite.cli import cluster, data, handing_in, losses, pipeline, results, studies
from suite.cli.shared import errors
from suite.errors import Interrupted, SuiteError, as_markup
from suite.settings.paths import PARAMS_FILE

app = typer.Typer(help=__doc__.split("\n")[0], no_args_is_help=True, pretty_exceptions_enable=False)
data_app = typer.Typer(help="The data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
claims_app = typer.Typer(invoke_without_command=True)
claims_app.callback()(pipeline.claims)
app.add_typer(claims_app, name="claims")

COMMANDS: dict[typer.Typer, list[Callable[..., None]]] = {
    app: [
        pipeline.user,
        pipeline.plan,
        pipeline.features,
        pipeline.views,
        pipeline.tune,
        pipeline.train,
        pipeline.train_network,
        cluster.grid,
        pipeline.leaderboard,
        pipeline.times,
        pipeline.influence,
        pipeline.site,
        studies.paper_values,
        studies.ablation,
        studies.crossed,
        studies.splits,
        studies.fresh_seeds,
        studies.extended,
        studies.geometry,
        studies.search,
        studies.promote,
        results.ablation_tables,
        results.compare,
        results.verify,
        results.report,
        results.readme,
        results.figures,
        results.schemas,
        handing_in.submit,
        handing_in.merge,
        handing_in.rerun,
        losses.check,
        losses.losses,
        losses.new_loss,
        data.datasets,
        data.noise,
    ],
    claims_app: [pipeline.freeze],
    data_app: [data.verify, data.user, data.build, data.sheet, data.add, data.add_noise],
}
for group, commands in COMMANDS.items():
    for command in commands:
        group.command()(command)


INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


FAILED = 2
"""Exit status after an error."""
REFUSED: Any = typer.BadParameter.__mro__[2]
"""What the library that reads the command line raises where it does not understand; it has no public name in typer."""


def main() -> None:
    """Run a command; each problem meant for the user is a line on stderr and exit status 2, Ctrl-C a line and 130."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        status = app(prog_name="suite", standalone_mode=False)
    except (Interrupted, typer.Abort):  # Ctrl-C, or Ctrl-D where something was asked
        errors.print("interrupted: what has finished is kept; run the same command to go on", highlight=False)
        sys.exit(INTERRUPTED)
    except REFUSED as error:
        sys.exit(_usage(error))
    except SuiteError as error:
        sys.exit(_tell(error))
    except BrokenPipeError:  # the reader of our output has gone, as in `suite losses | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(_tell(_system(error)))
    sys.exit(status or 0)


def _tell(error: Exception) -> int:
    if "dvc " in str(error) and not PARAMS_FILE.is_file():
        error = SuiteError(f"{error}; there is no {PARAMS_FILE} in {Path.cwd()}: is this the project's root?")
    for problem in error.args or (type(error).__name__,):
        errors.print(f"[bold red]error:[/] {as_markup(str(problem))}", highlight=False)
    return FAILED


def _usage(error: Any) -> int:
    """What was typed wrongly, and where help is, in one line; the help itself where nothing was typed."""
    text = error.format_message().replace("Value error, ", "")  # of the library that reads options
    if type(error).__name__ == "NoArgsIsHelpError":
        if text:  # typer with rich has printed it already
            errors.print(text, markup=False, highlight=False)
        return FAILED
    path = error.ctx.command_path if getattr(error, "ctx", None) is not None else "suite"
    return _tell(SuiteError(f"{text.rstrip('.')}; see: {path} --help"))


def _system(error: OSError) -> SuiteError:
    """What the system refused, and for which file: a full disk, a folder that may not be written, too few handles."""
    place = f"{error.filename}: " if error.filename else ""
    kept = "what was finished before is kept; make room or give permission, then run the same command"
    return SuiteError(f"{place}{error.strerror or type(error).__name__}; {kept}")


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted
