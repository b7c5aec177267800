"""The grid on a cluster: every run of the plans that is not in the run cache, searches included; it fills the cache.

A (data set, loss) is a stage, as in ``dvc.yaml``: its search if it has no values yet, then its runs. Stages run side by
side, each in a thread of the driver that waits for the cluster. They write nothing but the run cache and the trials of
searches, where ``dvc repro`` finds them.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from suite.data.features import Features, load_features
from suite.errors import SuiteError, allowed
from suite.losses.build import parts_of
from suite.settings.paths import BENCHMARKS_FILE, PARAMS_FILE
from suite.settings.plans import Plan, Regime, plan_path, read_plan_file, runs_of
from suite.training.cluster.connection import Where, connected
from suite.training.cluster.description import differences, installed_targets
from suite.training.cluster.executor import Cluster, RunsRaisedError
from suite.training.cluster.parcels import pack_files
from suite.training.cluster.stages import FrozenStage, NetworkStage, Stage
from suite.training.cluster.view import GridView
from suite.training.cluster.workers import ClusterLostError, Demand
from suite.training.run.frozen import Outcome

ALLOWED_TO_DIFFER = "allowed to differ"
"""Among the versions of a record: what ``--allow-versions`` let pass."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs; empty means all.

    Attributes:
        regime: what learns.
        datasets: names of data sets.
        losses: names of losses, or of rows of a benchmark.
        allow_versions: whether workers may differ from this process.
        accelerator: what trains whole networks.
    """

    regime: Regime = "frozen"
    datasets: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    allow_versions: bool = False
    accelerator: Literal["cpu", "gpu"] = "gpu"


def run_grid(selection: Selection, where: Where, console: Console) -> list[str]:
    """Compute the missing runs of ``params.yaml``, or of the benchmarks, on a cluster.

    Returns:
        A line for each run that raised, and for each stage that could not run.

    Raises:
        SuiteError: a name is unknown, a plan or data are missing, code is not the planned one, there is no cluster, or it is
            lost.
    """
    stages = _stages(selection)
    plans = [stage.plan for stage in stages]
    files = pack_files(_file_targets(plans))
    for stage in stages:
        stage.check()
    resources = {"GPU": 1.0} if selection.regime == "published" and selection.accelerator == "gpu" else {}
    targets = installed_targets([plan.target for plan in plans])
    demand = Demand(selection.regime, targets, files, selection.allow_versions, resources, where.patience)
    with connected(where) as client:
        say = partial(console.print, markup=False, highlight=False)
        say(f"scheduler {client.scheduler_info(n_workers=0)['address']}, dashboard {client.dashboard_link}")
        with closing(Cluster(client, demand, say)) as cluster:
            total = sum(len(runs_of(plan)) for plan in plans)
            with GridView(console, total, lambda: cluster.running) as view:
                failures = _Grid(cluster, view, allow_versions=selection.allow_versions).run(stages)
            say(view.conclusion())
    return failures


class _Grid:
    """Runs stages side by side.

    Args:
        cluster: where.
        view: shows them.
        allow_versions: whether records say what differed.
    """

    def __init__(self, cluster: Cluster, view: GridView, *, allow_versions: bool) -> None:
        self.view = view
        self._cluster, self._allow_versions = cluster, allow_versions
        self._loaded: Callable[[Path], Features] = lru_cache(maxsize=None)(load_features)
        self._failures: list[str] = []
        self._error: BaseException | None = None

    def run(self, stages: Sequence[Stage]) -> list[str]:
        """Run stages; gives a line for each run that raised.

        Raises:
            SuiteError: the cluster is lost.
        """
        threads = [threading.Thread(target=self._guarded, args=(stage,), daemon=True) for stage in stages]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)
                self.view.refresh_now()
        if self._error is not None:
            raise self._error
        return self._failures

    def load(self, path: Path) -> Features:
        """The features in a file, which stages share."""
        return self._loaded(path)

    def execute_folds(self, function: Callable[..., Any], shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
        """Folds of a trial, for whose scores the next trial waits."""
        for task, result, _ in self._cluster.execute(function, shared, tasks, urgent=True):
            yield task, result

    def execute_runs(
        self, function: Callable[..., Any], shared: Any, tasks: Sequence[int]
    ) -> Iterator[tuple[int, tuple[Outcome, float, str]]]:
        """Runs; where versions may differ, their records say what did."""
        for task, (outcome, seconds, processor), worker in self._cluster.execute(function, shared, tasks):
            more = outcome.more
            if self._allow_versions:
                told = {ALLOWED_TO_DIFFER: differences(self._cluster.workers.expected, worker) or "nothing differed"}
                versions = {name: value for name, value in worker.items() if not name.startswith("code of ")}
                more = (more or {}) | {"versions": versions | told}
            yield task, (replace(outcome, more=more), seconds, processor)

    def _guarded(self, stage: Stage) -> None:
        name, runs = f"{stage.plan.dataset}-{stage.plan.loss}", [run.name for run in runs_of(stage.plan)]
        try:
            stage.run(self)
        except ClusterLostError as error:
            self._error = error
        except RunsRaisedError as error:
            for task, text in error.raised:
                what = f"{name} {runs[task]}: " if isinstance(task, int) else f"tune {name}: "
                named = text.startswith(f"{stage.plan.dataset} {stage.plan.loss} (")
                self._failures.append(text if named else what + text)
            self.view.count(failed=sum(isinstance(task, int) for task, _ in error.raised))
        except SuiteError as error:
            self._failures.append(f"{name}: {error}")
        except BaseException as error:
            self._error = error


def _stages(selection: Selection) -> list[Stage]:
    datasets, losses = selection.datasets, selection.losses
    if selection.regime == "frozen":
        from suite.settings.params import load_settings

        settings = load_settings()
        _check_names(f"{PARAMS_FILE}: --dataset", datasets, list(settings.datasets))
        _check_names(f"{PARAMS_FILE}: --loss", losses, list(settings.losses))
        pairs = [(dataset, loss) for dataset in datasets or settings.datasets for loss in losses or settings.losses]
        return [
            FrozenStage(*planned)
            for dataset, loss in pairs
            for planned in read_plan_file(plan_path("tuned", dataset, loss))
        ]
    if selection.regime == "published":
        from suite.settings.benchmarks import load_benchmarks
        from suite.training.whole_network.planner import read_benchmark_plan

        benchmarks = load_benchmarks()
        _check_names(f"{BENCHMARKS_FILE}: --dataset", datasets, benchmarks.datasets)
        _check_names(f"{BENCHMARKS_FILE}: --loss", losses, benchmarks.losses)
        rows = [(name, row) for name in datasets or benchmarks.datasets for row in benchmarks.rows(name)]
        wanted = [(name, row) for name, row in rows if not losses or row in losses]
        return [NetworkStage(read_benchmark_plan(name, row), selection.accelerator) for name, row in wanted]
    raise SuiteError(f"--regime {selection.regime}: allowed: frozen, published")


def _check_names(where: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise SuiteError(f"{where} {name} is not there; allowed: {allowed(known)}")


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
