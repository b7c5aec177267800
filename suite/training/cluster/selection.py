"""What a grid runs: the stages of a regime, or of studies, that were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from suite.errors import SuiteError, allowed
from suite.settings.params import Settings, load_settings
from suite.settings.paths import BENCHMARKS_FILE, PARAMS_FILE
from suite.settings.plans import FinetunedPlan, Regime, plan_path, read_plan_file, runs_of
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
    if selection.studies and selection.regime != "frozen":
        raise SuiteError(f"--study {selection.studies[0]}: allowed with --regime frozen alone")
    if selection.regime == "published":
        return _networks(selection)
    settings = load_settings()
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
    if selection.regime == "finetuned":
        from suite.training.cluster.finetuned import FinetunedStage

        return [FinetunedStage(cast("FinetunedPlan", plan), search) for plan, search in planned]
    runs = partial(runs_of, keep_embeddings=True)
    return [FrozenStage(f"{plan.dataset}-{plan.loss}", Part(plan, runs, search)) for plan, search in planned]


def _studies(selection: Selection, settings: Settings) -> list[Stage]:
    from suite.training.studies.selection import study_parts

    _check_names(f"{PARAMS_FILE}: --loss", selection.losses, list(settings.all_losses))
    return [
        FrozenStage(*each) for each in study_parts(settings, selection.studies, selection.datasets, selection.losses)
    ]


def _networks(selection: Selection) -> list[Stage]:
    from suite.settings.benchmarks import load_benchmarks
    from suite.training.cluster.networks import NetworkStage
    from suite.training.whole_network.planner import read_benchmark_plan

    benchmarks = load_benchmarks()
    _check_names(f"{BENCHMARKS_FILE}: --dataset", selection.datasets, benchmarks.datasets)
    _check_names(f"{BENCHMARKS_FILE}: --loss", selection.losses, benchmarks.losses)
    rows = [(name, row) for name in selection.datasets or benchmarks.datasets for row in benchmarks.rows(name)]
    return [
        NetworkStage(read_benchmark_plan(name, row), selection.accelerator)
        for name, row in rows
        if not selection.losses or row in selection.losses
    ]


def _check_names(where: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise SuiteError(f"{where} {name} is not there; allowed: {allowed(known)}")
