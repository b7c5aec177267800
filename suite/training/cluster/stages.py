"""The stages of a grid, one for each (data set, loss), of each regime: what they run, and what must be there before."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from suite.data.features import Features, load_features
from suite.settings.benchmarks import WholeNetworkPlan
from suite.settings.paths import BENCHMARKS_FOLDER, FEATURES
from suite.settings.plans import Plan, Search, SomePlan, runs_of
from suite.training.cache import run_missing
from suite.training.cluster.view import GridView
from suite.training.run.frozen import Outcome
from suite.training.stage import check_code, code_sha256, mixed_processors, run_frozen_stage


class Services(Protocol):
    """What a grid gives to its stages."""

    view: GridView

    def load(self, path: Path) -> Features:
        """The features in a file, which stages share."""

    def execute_runs(
        self, function: Callable[..., Any], shared: Any, tasks: Sequence[int]
    ) -> Iterator[tuple[int, tuple[Outcome, float, str]]]:
        """Run tasks, on the cluster."""

    def execute_folds(self, function: Callable[..., Any], shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
        """The same for those that others wait for."""


class Stage(Protocol):
    """A (data set, loss)."""

    @property
    def plan(self) -> Plan[Any]:
        """What its runs share."""

    def check(self) -> None:
        """Raise what is wrong, before anything is sent."""

    def run(self, grid: Services) -> None:
        """Run what is missing."""


@dataclass(frozen=True, slots=True)
class FrozenStage:
    """Runs on frozen features, and the search before them where a loss has no tuned recipe.

    Attributes:
        plan: before the search.
        search: None where there is nothing to search.
    """

    plan: SomePlan
    search: Search | None

    @property
    def _features(self) -> Path:
        return Path(FEATURES.format(dataset=self.plan.dataset))

    def check(self) -> None:
        """Check code and features.

        Raises:
            SuiteError: the features are missing or damaged, or code is not the planned one.
        """
        check_code(self.plan, code_sha256())
        load_features(self._features)

    def run(self, grid: Services) -> None:
        """Search, then run what is missing."""
        plan = self.plan if self.search is None else self._searched(self.search, grid)
        run_frozen_stage(
            f"{plan.dataset}-{plan.loss}",
            runs_of(plan, keep_embeddings=True),
            grid.view.console,
            execute=grid.execute_runs,
            view=grid.view.stage,
            load=grid.load,
        )

    def _searched(self, search: Search, grid: Services) -> SomePlan:
        from suite.training.tuning.resolve import searched_before, with_recipe
        from suite.training.tuning.search import search_recipe

        features = grid.load(self._features)
        found = searched_before(self.plan, search, features.data_sha256)
        if found is not None:
            return found
        console = grid.view.as_console()
        recipe = search_recipe(self.plan, search, features, console, grid.execute_folds, keep_trials=True)
        return with_recipe(self.plan, search, recipe)


@dataclass(frozen=True, slots=True)
class NetworkStage:
    """Whole networks of one row on a benchmark, trained on GPUs of workers, or on CPUs if ``SUITE_ACCELERATOR`` says so.

    Attributes:
        plan: of the row.
        accelerator: what trains.
    """

    plan: WholeNetworkPlan
    accelerator: Any = "gpu"

    def check(self) -> None:
        """Check code and image cache.

        Raises:
            SuiteError: the image cache is missing or damaged, or code is not the planned one.
        """
        from suite.data.archives.cache import open_cache
        from suite.training.whole_network.stage import network_places

        network_places(self.plan, open_cache(self.plan.dataset, BENCHMARKS_FOLDER))

    def run(self, grid: Services) -> None:
        """Run what is missing."""
        from suite.data.archives.cache import open_cache
        from suite.training.cluster.networks import Networks, run_on_worker
        from suite.training.whole_network.stage import network_places

        cache = open_cache(self.plan.dataset, BENCHMARKS_FOLDER)
        places = network_places(self.plan, cache)
        name = f"{self.plan.dataset}-{self.plan.loss}"

        def compute(missing: Sequence[int]) -> Iterator[tuple[int, Outcome, float, str]]:
            shared = Networks([(place.run, place.key) for place in places], cache.data_sha256, self.accelerator)
            for number, (outcome, seconds, processor) in grid.execute_runs(run_on_worker, shared, missing):
                yield number, outcome, seconds, processor

        with grid.view.stage(name, places, grid.view.console) as shown:
            finished = run_missing(places, compute, shown.finish)
        for line in mixed_processors(places, finished):
            grid.view.say(f"{name} {line}")
