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
from typing import TYPE_CHECKING, Any

from rich.console import Console

from suite.data.features import Features, load_features
from suite.errors import SuiteError, allowed
from suite.losses.build import WITH_MINER
from suite.settings.params import Settings
from suite.settings.paths import FEATURES, PARAMS_FILE
from suite.settings.plans import FrozenPlan, Plan, Regime, Search, plan_path, read_plan, runs_of
from suite.training.cluster.description import differences, installed_targets
from suite.training.cluster.parcels import pack_files
from suite.training.cluster.view import GridView
from suite.training.stage import check_code, code_sha256, run_frozen_stage

if TYPE_CHECKING:
    from suite.training.cluster.connection import Where
    from suite.training.cluster.executor import Cluster

ALLOWED_TO_DIFFER = "allowed to differ"
"""Among the versions of a record: what ``--allow-versions`` let pass."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs; empty means all.

    Attributes:
        regime: what learns.
        datasets: names of data sets.
        losses: names of losses.
        allow_versions: whether workers may differ from this process.
    """

    regime: Regime = "frozen"
    datasets: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    allow_versions: bool = False


@dataclass(frozen=True, slots=True)
class _Stage:
    """A (data set, loss)."""

    plan: FrozenPlan
    search: Search | None

    @property
    def name(self) -> str:
        return f"{self.plan.dataset}-{self.plan.loss}"


def run_grid(settings: Settings, selection: Selection, where: "Where", console: Console) -> list[str]:
    """Compute the missing runs of ``params.yaml`` on a cluster.

    Returns:
        A line for each run that raised, and for each stage that could not run.

    Raises:
        SuiteError: a name is unknown, a plan or the features are missing, code is not the planned one, there is no cluster,
            or it is lost.
    """
    stages = _stages(settings, selection)
    demand_files = pack_files(_file_targets([stage.plan for stage in stages]))
    for dataset in sorted({stage.plan.dataset for stage in stages}):
        load_features(Path(FEATURES.format(dataset=dataset)))  # what is wrong is told before anything is sent
    from suite.training.cluster.connection import connected
    from suite.training.cluster.executor import Cluster
    from suite.training.cluster.workers import Demand

    targets = installed_targets([stage.plan.target for stage in stages])
    demand = Demand(selection.regime, targets, demand_files, selection.allow_versions, {}, where.patience)
    with connected(where) as client:
        console.print(
            f"scheduler {client.scheduler_info(n_workers=0)['address']}, dashboard {client.dashboard_link}",
            markup=False,
        )
        say = partial(console.print, markup=False, highlight=False)
        with closing(Cluster(client, demand, say)) as cluster:
            total = sum(len(runs_of(stage.plan)) for stage in stages)
            with GridView(console, total, lambda: cluster.running) as view:
                failures = _Grid(cluster, view, allow_versions=selection.allow_versions).run(stages)
            view.say(view.conclusion())
    return failures


class _Grid:
    """Runs stages side by side.

    Args:
        cluster: where.
        view: shows them.
        allow_versions: whether records say what differed.
    """

    def __init__(self, cluster: "Cluster", view: GridView, *, allow_versions: bool) -> None:
        self._cluster, self._view, self._allow_versions = cluster, view, allow_versions
        self._load: Callable[[Path], Features] = lru_cache(maxsize=None)(load_features)
        self._failures: list[str] = []
        self._error: BaseException | None = None

    def run(self, stages: Sequence[_Stage]) -> list[str]:
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
                self._view.refresh_now()
        if self._error is not None:
            raise self._error
        return self._failures

    def _guarded(self, stage: _Stage) -> None:
        from suite.training.cluster.executor import RunsRaisedError
        from suite.training.cluster.workers import ClusterLostError

        runs = [run.name for run in runs_of(stage.plan)]
        try:
            self._run(stage)
        except ClusterLostError as error:
            self._error = error
        except RunsRaisedError as error:
            for task, text in error.raised:
                name = f"{stage.name} {runs[task]}" if isinstance(task, int) else f"tune {stage.name}"
                self._failures.append(f"{name}: {text}")
            self._view.count(failed=sum(isinstance(task, int) for task, _ in error.raised))
        except SuiteError as error:
            self._failures.append(f"{stage.name}: {error}")
        except BaseException as error:
            self._error = error

    def _run(self, stage: _Stage) -> None:
        plan = stage.plan if stage.search is None else self._searched(stage.plan, stage.search)
        run_frozen_stage(
            stage.name,
            runs_of(plan, keep_embeddings=True),
            self._view.console,
            execute=self._execute_runs,
            view=self._view.stage,
            load=self._load,
        )

    def _searched(self, plan: FrozenPlan, search: Search) -> FrozenPlan:
        from suite.training.tuning.resolve import searched_before, with_recipe
        from suite.training.tuning.search import search_recipe

        features = self._load(Path(FEATURES.format(dataset=plan.dataset)))
        found = searched_before(plan, search, features.data_sha256)
        if found is not None:
            return found
        console = self._view.as_console()
        recipe = search_recipe(plan, search, features, console, self._execute_folds, keep_trials=True)
        return with_recipe(plan, search, recipe)

    def _execute_folds(self, function: Callable[..., Any], shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
        for task, result, _ in self._cluster.execute(function, shared, tasks, urgent=True):
            yield task, result

    def _execute_runs(self, function: Callable[..., Any], shared: Any, tasks: Sequence[int]) -> Iterator[Any]:
        for task, (outcome, seconds, processor), worker in self._cluster.execute(function, shared, tasks):
            if self._allow_versions:
                told = {ALLOWED_TO_DIFFER: differences(self._cluster.workers.expected, worker) or "nothing differed"}
                versions = {name: value for name, value in worker.items() if not name.startswith("code of ")}
                more = (outcome.more or {}) | {"versions": versions | told}
                yield task, (replace(outcome, more=more), seconds, processor)
            else:
                yield task, (outcome, seconds, processor)


def _stages(settings: Settings, selection: Selection) -> list[_Stage]:
    if selection.regime != "frozen":
        raise SuiteError(f"--regime {selection.regime}: allowed with params.yaml: frozen")
    _check_names("--dataset", selection.datasets, list(settings.datasets))
    _check_names("--loss", selection.losses, list(settings.losses))
    stages = [
        _Stage(*read_plan(plan_path("tuned", dataset, loss)))
        for dataset in (selection.datasets or settings.datasets)
        for loss in (selection.losses or settings.losses)
    ]
    code = code_sha256()
    for stage in stages:
        check_code(stage.plan, code)
    return stages


def _check_names(option: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise SuiteError(f"{option} {name}: not in {PARAMS_FILE}; allowed: {allowed(known)}")


def _file_targets(plans: Sequence[Plan[Any]]) -> dict[str, str]:
    """Parts of targets that lie in files, by what names them.

    Raises:
        SuiteError: a path is absolute.
    """
    found: dict[str, str] = {}
    for plan in plans:
        for part in plan.target.split(WITH_MINER):
            if ".py:" in part:
                setting = f"{PARAMS_FILE}: losses.{plan.loss} = {part!r}"
                if Path(part.rpartition(":")[0]).is_absolute():
                    raise SuiteError(f"{setting}: on a cluster, allowed are paths from the project's folder")
                found[setting] = part
    return found
