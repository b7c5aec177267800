"""What a grid runs: the stages of a regime, or of studies, that were asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from suite.errors import SuiteError, allowed
from suite.settings.finetuned import settings_of
from suite.settings.params import Settings
from suite.settings.paths import BENCHMARKS_FILE, PARAMS_FILE
from suite.settings.plans import PLANS, Regime, plan_path, read_plan_file, runs_of
from suite.training.cluster.stages import FrozenStage, Stage
from suite.training.studies.parts import Part


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs; empty means all.

    Attributes:
        regime: what learns.
        datasets: names of data sets.
        losses: names of losses, or of rows of a benchmark.
        studies: names of studies, whose runs are computed in place of the grid's.
        allow_versions: whether workers may differ from this process.
        accelerator: what trains whole networks.
    """

    regime: Regime = "frozen"
    datasets: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    allow_versions: bool = False
    accelerator: Literal["cpu", "gpu"] = "gpu"


def stages_of(selection: Selection) -> list[Stage]:
    """The stages that were asked for.

    Raises:
        SuiteError: a name is unknown, nothing is to be run, or a plan is missing.
    """
    if selection.regime == "published":
        if selection.studies:
            raise SuiteError(f"--study {selection.studies[0]}: allowed with --regime {allowed(PLANS)}")
        return _networks(selection)
    settings = settings_of(selection.regime if selection.studies else "frozen")
    _check_names(f"{PARAMS_FILE}: --dataset", selection.datasets, list(settings.datasets))
    if selection.studies:
        return _studies(selection, settings)
    _check_names(f"{PARAMS_FILE}: --loss", selection.losses, list(settings.losses))
    planned = [
        each
        for dataset in selection.datasets or settings.datasets
        for loss in selection.losses or settings.losses
        for each in read_plan_file(plan_path("tuned", dataset, loss, selection.regime))
    ]
    runs = partial(runs_of, keep_embeddings=True)
    stage = _kind_of_stage(selection.regime)
    return [stage(f"{plan.dataset}-{plan.loss}", Part(plan, runs, search)) for plan, search in planned]


def _kind_of_stage(regime: Regime) -> Callable[..., Stage]:
    if regime == "frozen":
        return FrozenStage
    from suite.training.cluster.finetuned import FinetunedStage

    return FinetunedStage


def _studies(selection: Selection, settings: Settings) -> list[Stage]:
    from suite.training.finetuned.geometry import measure_of
    from suite.training.studies.selection import study_parts

    _check_names(f"{PARAMS_FILE}: --loss", selection.losses, list(settings.all_losses))
    stage = _kind_of_stage(selection.regime)
    parts = study_parts(settings, selection.studies, selection.datasets, selection.losses, selection.regime)
    measuring = {"function": measure_of(selection.regime)}
    return [stage(name, part, **(measuring if measured else {})) for name, part, measured in parts]


def _networks(selection: Selection) -> list[Stage]:
    from suite.settings.benchmarks import load_benchmarks
    from suite.training.cluster.networks import NetworkStage
    from suite.training.whole_network.planner import read_benchmark_plan

    benchmarks = load_benchmarks()
    _check_names(f"{BENCHMARKS_FILE}: --dataset", selection.datasets, benchmarks.datasets)
    _check_names(f"{BENCHMARKS_FILE}: --loss", selection.losses, benchmarks.losses)
    rows = [
        (name, row)
        for name in selection.datasets or benchmarks.datasets
        for row in benchmarks.rows(name)
        if not selection.losses or row in selection.losses
    ]
    if not rows:
        where = f"{BENCHMARKS_FILE}: --dataset {allowed(selection.datasets)}"
        raise SuiteError(f"{where} has no --loss {allowed(selection.losses)}; allowed: losses of these data sets")
    return [NetworkStage(read_benchmark_plan(name, row), selection.accelerator) for name, row in rows]


def _check_names(where: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise SuiteError(f"{where} {name} is not there; allowed: {allowed(known)}")
