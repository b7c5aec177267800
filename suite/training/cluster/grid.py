"""The grid on a cluster: every run of the plans that is not in the run cache, searches included; it fills the cache.

A plan is a stage: its search if it has no values yet, then its runs. Stages run side by side, each in a thread of the driver
that waits for the cluster. They write nothing but the run cache and the trials or recipes of searches, where ``dvc repro``
finds them.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from suite.errors import Interrupted, SuiteError
from suite.losses.build import parts_of
from suite.settings.paths import FINETUNED_FILE
from suite.settings.plans import Plan
from suite.training.cluster.connection import Where, connected
from suite.training.cluster.description import Description, differences, installed_targets
from suite.training.cluster.executor import Cluster
from suite.training.cluster.items import RunsRaisedError
from suite.training.cluster.parcels import pack_files
from suite.training.cluster.selection import Selection, stages_of
from suite.training.cluster.stages import Data, Load, Name, Stage
from suite.training.cluster.view import GridView
from suite.training.cluster.worker import GPU
from suite.training.cluster.workers import ClusterLostError, Demand
from suite.training.run.frozen import Outcome

ALLOWED_TO_DIFFER = "allowed to differ"
"""Among the versions of a record: what ``--allow-versions`` let pass."""


def run_grid(selection: Selection, where: Where, console: Console) -> list[str]:
    """Compute the missing runs of the grid of a regime, or of studies, on a cluster.

    Returns:
        A line for each run that raised, and for each stage that could not run.

    Raises:
        SuiteError: a name is unknown, a plan or data are missing, code is not the planned one, there is no cluster or none
            with GPUs where runs take one, or it is lost.
    """
    stages, load = stages_of(selection), _Loaded()
    plans = [stage.plan for stage in stages]
    whole = selection.regime == "published" or any(_learns_whole(plan) for plan in plans)
    resources = {GPU: 1.0} if whole and selection.accelerator == "gpu" else {}
    if resources and where.local is not None:
        raise SuiteError(_without_gpus(selection, where.local))
    files = pack_files(_file_targets(plans))
    for stage in stages:
        stage.check(load)
    targets = installed_targets([plan.target for plan in plans])
    modules = sorted({module for stage in stages for module in stage.modules})
    demand = Demand(selection.regime, targets, files, modules, selection.allow_versions, resources, where.patience)
    with connected(where) as client:
        say = partial(console.print, markup=False, highlight=False)
        say(f"scheduler {client.scheduler_info(n_workers=0)['address']}, dashboard {client.dashboard_link}")
        with closing(Cluster(client, demand, say)) as cluster:
            total = sum(len(stage.runs) for stage in stages)
            with GridView(console, total, cluster.running) as view:
                failures = _Grid(cluster, view, load, allow_versions=selection.allow_versions).run(stages)
            say(view.conclusion())
    return failures


class _Loaded:
    """Reads data sets once, also where several threads ask at once."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}
        self._reading = threading.Lock()

    def __call__(self, read: Callable[[Name], Data], name: Name) -> Data:
        """As ``Load``."""
        with self._reading:
            if (read, name) not in self._known:
                self._known[read, name] = read(name)
            found: Data = self._known[read, name]
            return found


class _Grid:
    """Runs stages side by side.

    Args:
        cluster: where.
        view: shows them.
        load: gives data that they share.
        allow_versions: whether records say what differed.
    """

    def __init__(self, cluster: Cluster, view: GridView, load: Load, *, allow_versions: bool) -> None:
        self.view, self.load = view, load
        self._cluster, self._allow_versions = cluster, allow_versions
        self._failures: list[str] = []
        self._error: BaseException | None = None

    def run(self, stages: Sequence[Stage]) -> list[str]:
        """Run stages; gives a line for each run that raised.

        Raises:
            SuiteError: the cluster is lost.
            Interrupted: so it was; what ran then has been told.
        """
        threads = [threading.Thread(target=self._guarded, args=(stage,), daemon=True) for stage in stages]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(1.0)
                    self.view.refresh_now()
        except Interrupted:
            self.view.say(f"under way: {self.view.under_way() or 'nothing'}")
            raise
        if self._error is not None:
            raise self._error
        return self._failures

    def execute(
        self, stage: Stage, function: Callable[..., Any], shared: Any, tasks: Sequence[Any], *, urgent: bool = False
    ) -> Iterator[tuple[Any, Any, Description]]:
        """Tasks of a stage; those that raise are told at once, and once more at the end."""
        plan = stage.plan

        def name(task: Any) -> str:
            what = f"{plan.dataset} {plan.loss} ({plan.target})"
            return f"{what} {stage.runs[task]}" if isinstance(task, int) else f"tuning {what}"

        def tell(task: Any, text: str) -> None:
            line = text if f"({plan.target})" in text else f"{name(task)}: {text}"
            self._failures.append(line)
            self.view.say(f"failed: {line}")
            self.view.count(failed=int(isinstance(task, int)))

        return self._cluster.execute(function, shared, tasks, urgent=urgent, name=name, on_raised=tell)

    def _guarded(self, stage: Stage) -> None:
        expected = self._cluster.workers.expected if self._allow_versions else None
        try:
            stage.run(_OfStage(self, stage, expected=expected))
        except ClusterLostError as error:
            self._error = error
        except RunsRaisedError:  # told when they raised
            pass
        except SuiteError as error:
            self._failures.append(f"{stage.name}: {error}")
        except BaseException as error:
            self._error = error


class _OfStage:
    """What a grid gives to one of its stages."""

    def __init__(self, grid: _Grid, stage: Stage, *, expected: Description | None) -> None:
        self.view, self.load = grid.view, grid.load
        self._execute = partial(grid.execute, stage)
        self._expected = expected

    def execute_folds(self, function: Callable[..., Any], shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
        """Folds of a trial, for whose scores the next trial waits."""
        for task, result, _ in self._execute(function, shared, tasks, urgent=True):
            yield task, result

    def execute_runs(
        self, function: Callable[..., Any], shared: Any, tasks: Sequence[int]
    ) -> Iterator[tuple[int, tuple[Outcome, float, str]]]:
        """Runs; where versions may differ, their records say what did."""
        for task, (outcome, seconds, processor), worker in self._execute(function, shared, tasks):
            more = outcome.more
            if self._expected is not None:
                told = {ALLOWED_TO_DIFFER: differences(self._expected, worker) or "nothing differed"}
                versions = {name: value for name, value in worker.items() if not name.startswith("code of ")}
                more = (more or {}) | {"versions": versions | told}
            yield task, (replace(outcome, more=more), seconds, processor)


def _learns_whole(plan: Plan[Any]) -> bool:
    """Whether the whole network learns from images on a GPU; ``on_cpu`` needs none."""
    return getattr(plan.recipe, "whole_network", False) is True


def _without_gpus(selection: Selection, local: int) -> str:
    """What is told where runs take a GPU each, and workers that ``--local`` starts have none."""
    on_cpu = (
        "--accelerator cpu" if selection.regime == "published" else f"recipe.whole_network: on_cpu in {FINETUNED_FILE}"
    )
    return (
        f"--local {local}: a run takes a GPU, which these workers do not have; allowed: {on_cpu}, or --scheduler-file FILE "
        "with a worker for each GPU: CUDA_VISIBLE_DEVICES=0 dask worker --nthreads 1 --memory-limit 0 --resources GPU=1 "
        "--scheduler-file FILE"
    )


def _file_targets(plans: Sequence[Plan[Any]]) -> dict[str, str]:
    """Parts of targets that lie in files, by what names them.

    Raises:
        SuiteError: a path is absolute.
    """
    found: dict[str, str] = {}
    for plan in plans:
        for part in filter(None, parts_of(plan.target)):
            if ".py:" in part:
                setting = f"loss {plan.loss} = {part!r}"
                if Path(part.rpartition(":")[0]).is_absolute():
                    raise SuiteError(f"{setting}: on a cluster, allowed are paths from the project's folder")
                found[setting] = part
    return found
