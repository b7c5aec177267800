"""The stages of ``dvc.yaml``, and of the pipeline of the benchmarks."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from suite.cli.shared import (
    Benchmarks,
    Dataset,
    Loss,
    Regime,
    RegimeOption,
    check_one,
    console,
    search_tools,
    tell_kept,
    tell_views,
)
from suite.errors import SuiteError


class Device(StrEnum):
    """What trains."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


def user() -> None:
    """Convert changed images of yours that params.yaml names, and renew user/digests.json."""
    from suite.settings.params import load_settings
    from suite.training.user_files import update_user_files

    for remark in update_user_files(load_settings()):
        console.print("[yellow]note:[/] " + escape(remark))


def plan(*, benchmarks: Benchmarks = False, regime: RegimeOption = Regime.frozen) -> None:
    """Check params.yaml, data and losses, and write the plan of each loss on each data set."""
    check_one(regime, benchmarks=benchmarks)
    if benchmarks:
        from suite.settings.benchmarks import load_benchmarks
        from suite.training.whole_network.planner import write_benchmark_plans

        write_benchmark_plans(load_benchmarks())
        return
    from suite.settings.params import load_settings
    from suite.training.planner import write_plans

    if regime == Regime.finetuned:
        from suite.settings.finetuned import load_finetuned
        from suite.training.finetuned.planner import write_finetuned_plans

        remarks = write_finetuned_plans(load_settings(), load_finetuned())
    else:
        remarks = write_plans(load_settings())
    for remark in remarks:
        console.print("[yellow]note:[/] " + escape(remark))


def features(dataset: Dataset) -> None:
    """Compute the frozen backbone's features of a data set."""
    from suite.training.features import write_features

    write_features(dataset, console)


def views(dataset: Dataset) -> None:
    """Make the views of a data set: its images, plain and changed at random, through the standing blocks of the backbone."""
    from suite.training.finetuned.stage import make_views

    make_views(dataset, console)
    tell_views(dataset)


def tune(dataset: Dataset, loss: Loss, regime: RegimeOption = Regime.frozen) -> None:
    """Find a loss's hyper-parameters on a data set: from its tuned recipe, or by a search where it has none."""
    from suite.settings.plans import plan_path, read_plan_file
    from suite.training.alone import alone_in_searches
    from suite.training.tuning.resolve import resolve_hyperparameters

    with alone_in_searches(read_plan_file(plan_path("tuned", dataset, loss, regime.value)), console):
        resolve_hyperparameters(dataset, loss, console, regime.value, search_tools(regime))


def train(
    dataset: Dataset,
    loss: Loss,
    anew: Annotated[
        bool, typer.Option("--anew", help="Delete its finished runs first, once new ones can begin.")
    ] = False,
    regime: RegimeOption = Regime.frozen,
) -> None:
    """Train and evaluate a loss on a data set, at all noise levels and seeds; finished runs come from the run cache."""
    from suite.training.stage import train as train_stage

    if regime == Regime.finetuned:
        from suite.training.finetuned.stage import train_finetuned

        train_finetuned(dataset, loss, console, anew=anew)
        return
    train_stage(dataset, loss, console, anew=anew)


def train_network(
    dataset: Annotated[str, typer.Argument(help="cub, cars or sop.")],
    row: Annotated[str, typer.Argument(help="Name of a row in pipelines/benchmarks/params.yaml, e.g. pfml.")],
    accelerator: Annotated[
        Device, typer.Option(envvar="SUITE_ACCELERATOR", help="auto: GPUs where there are some.")
    ] = Device.auto,
    devices: Annotated[
        int, typer.Option(envvar="SUITE_DEVICES", min=0, help="Processes on this machine, a GPU each; 0: all GPUs.")
    ] = 0,
    nodes: Annotated[int, typer.Option(envvar="SUITE_NODES", min=1, help="Machines.")] = 1,
    readers: Annotated[
        int, typer.Option(envvar="SUITE_READERS", min=0, help="Processes that read images, for each device.")
    ] = 4,
    compiled: Annotated[
        bool, typer.Option("--compile", envvar="SUITE_COMPILE", help="Compile the network (torch.compile).")
    ] = False,
) -> None:
    """Train whole networks of one row on a benchmark; finished runs and epochs are not repeated."""
    from suite.settings.benchmarks import load_benchmarks
    from suite.training.whole_network.engine import Machine
    from suite.training.whole_network.planner import read_benchmark_plan
    from suite.training.whole_network.stage import train_network as train_row

    load_benchmarks().row(dataset, row)
    machine = Machine(accelerator.value, devices, nodes, readers, compiled)
    train_row(read_benchmark_plan(dataset, row), machine, console)


def leaderboard(*, benchmarks: Benchmarks = False, regime: RegimeOption = Regime.frozen) -> None:
    """Compute results/leaderboard.{csv,json,md,tex} and what lies beside them from the records."""
    check_one(regime, benchmarks=benchmarks)
    from suite.report.leaderboard import write_benchmark_leaderboard, write_finetuned_leaderboard, write_leaderboard
    from suite.settings.benchmarks import load_benchmarks
    from suite.settings.params import load_settings
    from suite.settings.paths import BENCHMARK_RESULTS, FINETUNED_RESULTS, RESULTS_FOLDER

    folder = RESULTS_FOLDER
    if benchmarks:
        write_benchmark_leaderboard(load_benchmarks())
        folder = BENCHMARK_RESULTS
    elif regime == Regime.finetuned:
        _, notes = write_finetuned_leaderboard(load_settings())
        for note in notes:
            console.print("[yellow]note:[/] " + escape(note))
        folder = FINETUNED_RESULTS
    else:
        write_leaderboard(load_settings())
    console.print((folder / "leaderboard.md").read_text(encoding="utf-8"), markup=False)
    if not benchmarks:
        tell_kept(regime)


def claims(
    ctx: typer.Context,
    *,
    benchmarks: Benchmarks = False,
    regime: RegimeOption = Regime.frozen,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only print what 5, 10 and 20 units could find, before anything is run.")
    ] = False,
) -> None:
    """Judge all claims by the records and write results/claims.{json,md} and results/sensitivity.md."""
    check_one(regime, benchmarks=benchmarks)
    if ctx.invoked_subcommand is not None:
        return
    from suite.judging.claims.load import load_claims
    from suite.judging.claims.plan import plan_families
    from suite.judging.claims.report import as_json
    from suite.report.claims import claims_within, write_benchmark_claims, write_claims
    from suite.report.families import claims_summary
    from suite.report.plans import plan_section
    from suite.settings.benchmarks import load_benchmarks
    from suite.settings.finetuned import settings_of
    from suite.settings.params import load_settings
    from suite.settings.paths import BENCHMARK_CLAIMS_FOLDER

    if plan_only:
        settings = None if benchmarks else settings_of(regime.value)
        files = (
            claims_within(load_settings(), regime.value)
            if settings
            else load_claims(load_benchmarks().losses, (), BENCHMARK_CLAIMS_FOLDER)
        )
        planned = plan_families([file.claim for file in files], settings=settings)
        console.print(plan_section(as_json(planned)), markup=False, soft_wrap=True)
        return
    found = (
        write_benchmark_claims(load_benchmarks()) if benchmarks else write_claims(load_settings(), regime=regime.value)
    )
    for line in claims_summary(found):
        console.print(line, markup=False, highlight=False)
    if not benchmarks:
        tell_kept(regime)


def freeze(
    *,
    add: Annotated[bool, typer.Option("--add", help="Add what has come since, under its own date.")] = False,
    renew: Annotated[bool, typer.Option("--renew", help="Preregister anew what was preregistered before.")] = False,
    anew: Annotated[
        Regime | None,
        typer.Option("--design", help="Preregister anew the design of one regime that has no results yet."),
    ] = None,
) -> None:
    """Preregister: digests of claims and search spaces, recipes, budget, seeds, date, commit, to claims/frozen.json."""
    from suite.judging.claims.freeze import add_later, design_anew
    from suite.judging.claims.freeze import freeze as write_frozen
    from suite.judging.claims.load import load_claims
    from suite.settings.finetuned import settings_of
    from suite.settings.paths import FINETUNED_FILE

    settings = settings_of("frozen")
    designs = {"frozen": settings} | ({"finetuned": settings_of("finetuned")} if FINETUNED_FILE.is_file() else {})
    files = load_claims(settings.losses, settings.datasets)
    if add + renew + (anew is not None) > 1:
        raise SuiteError("--add, --renew and --design exclude each other; allowed: one of them")
    if anew is not None:
        if anew not in designs:
            raise SuiteError(f"--design {anew.value}: {FINETUNED_FILE} is missing; allowed: frozen")
        path = design_anew(anew.value, designs[anew])
    else:
        path = add_later(files, designs) if add else write_frozen(files, designs, renew=renew)
    console.print(f"wrote {path}: commit it before the runs that it is about", markup=False, highlight=False)


def times(*, benchmarks: Benchmarks = False, regime: RegimeOption = Regime.frozen) -> None:
    """Collect the seconds of all runs in results/times.csv."""
    check_one(regime, benchmarks=benchmarks)
    from suite.report.times import write_benchmark_times, write_finetuned_times, write_times
    from suite.settings.benchmarks import load_benchmarks
    from suite.settings.params import load_settings

    if benchmarks:
        write_benchmark_times(load_benchmarks())
    elif regime == Regime.finetuned:
        write_finetuned_times(load_settings())
    else:
        write_times(load_settings())


def influence() -> None:
    """Measure how hard losses pull and push by distance, for the site; those measured before are not measured again."""
    from suite.report.influence import write_influence

    write_influence(console)


def site(
    *, open_page: Annotated[bool, typer.Option("--open", help="Open the first page in the browser.")] = False
) -> None:
    """Write results/site/index.html and the pages beside it from whatever results there are."""
    from suite.report.closing import closing_lines
    from suite.report.site.write import write_site
    from suite.settings.params import load_settings

    settings = load_settings()
    page = write_site(settings)
    for line in closing_lines(settings):
        console.print(line, markup=False, highlight=False)
    if open_page:
        typer.launch(page.resolve().as_uri())
