"""The stages of a grid on frozen features, and what all stages have in common; other regimes have modules of their own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from suite.data.features import Features, load_features
from suite.settings.paths import FEATURES
from suite.settings.plans import Plan, runs_of
from suite.training.alone import alone_in_searches
from suite.training.cluster.view import GridView
from suite.training.run.frozen import Outcome, run_frozen
from suite.training.stage import RunFunction, check_code, code_sha256, run_frozen_stage
from suite.training.studies.parts import Part

Name = TypeVar("Name")
Data = TypeVar("Data")


class Load(Protocol):
    """Gives ``read(name)``, which is read once and shared by all stages."""

    def __call__(self, read: Callable[[Name], Data], name: Name) -> Data:
        """Read, or give what was read before."""


class Services(Protocol):
    """What a grid gives to its stages."""

    view: GridView
    load: Load

    def execute_runs(
        self, function: Callable[..., Any], shared: Any, tasks: Sequence[int]
    ) -> Iterator[tuple[int, tuple[Outcome, float, str]]]:
        """Run tasks, on the cluster."""

    def execute_folds(self, function: Callable[..., Any], shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
        """The same for those that others wait for."""


class Stage(Protocol):
    """Runs of one plan, and the search before them, if there is one."""

    @property
    def name(self) -> str:
        """As the stage on this machine is called."""

    @property
    def plan(self) -> Plan[Any]:
        """What its runs share."""

    @property
    def runs(self) -> list[str]:
        """Names of its runs."""

    @property
    def modules(self) -> list[str]:
        """Names of the modules whose functions its tasks call, besides that of the runs of the regime."""

    def check(self, load: Load) -> None:
        """Raise what is wrong, before anything is sent."""

    def run(self, grid: Services) -> None:
        """Run what is missing."""


class StageOfPlan:
    """A stage that runs all of a plan, under the name of its data set and loss."""

    __slots__ = ()
    plan: Plan[Any]

    @property
    def name(self) -> str:
        """As ``Stage``."""
        return f"{self.plan.dataset}-{self.plan.loss}"

    @property
    def runs(self) -> list[str]:
        """As ``Stage``."""
        return [run.name for run in runs_of(self.plan)]

    @property
    def modules(self) -> list[str]:
        """As ``Stage``."""
        return []


class StageOfPart:
    """A stage that runs a part, of the grid or of a study."""

    __slots__ = ()
    part: Part

    @property
    def plan(self) -> Plan[Any]:
        """As ``Stage``."""
        return self.part.plan

    @property
    def runs(self) -> list[str]:
        """As ``Stage``."""
        return [run.name for run in self.part.runs(self.part.plan)]


@dataclass(frozen=True, slots=True)
class FrozenStage(StageOfPart):
    """Runs on frozen features, of the grid or of a study.

    Attributes:
        name: of the stage.
        part: its runs, and the search before them.
        function: computes a run.
    """

    name: str
    part: Part
    function: RunFunction = run_frozen

    @property
    def modules(self) -> list[str]:
        """As ``Stage``."""
        searching = [] if self.part.search is None else ["suite.training.tuning.validation"]
        return searching + ([] if self.function is run_frozen else [self.function.__module__])

    @property
    def _features(self) -> Path:
        return Path(FEATURES.format(dataset=self.plan.dataset))

    def check(self, load: Load) -> None:
        """Check code and features.

        Raises:
            SuiteError: the features are missing or damaged, or code is not the planned one.
        """
        check_code(self.plan, code_sha256())
        load(load_features, self._features)

    def run(self, grid: Services) -> None:
        """Search, then run what is missing."""
        part, features = self.part, grid.load(load_features, self._features)
        console = grid.view.as_console()
        with alone_in_searches([(part.plan, part.search)], console, part.label):
            found = None if part.search is None or part.label else self._tuned(features)
            runs = part.complete(lambda: features, console, grid.execute_folds) if found is None else part.runs(found)
        run_frozen_stage(
            self.name,
            runs,
            grid.view.console,
            self.function,
            grid.execute_runs,
            grid.view.stage,
            partial(grid.load, load_features),
        )

    def _tuned(self, features: Features) -> Any:
        """The complete plan, where the stage ``tune``, or a search by its own command, has found it already."""
        from suite.settings.tuned_recipes import load_tuned
        from suite.training.tuning.found import is_done, search_path, searched_before, with_recipe
        from suite.training.tuning.resolve import frozen_tools

        plan, search, inputs = self.part.plan, self.part.search, frozen_tools().inputs_sha256(features)
        assert search is not None
        if is_done(plan, search, inputs):
            return with_recipe(plan, search, load_tuned(search_path(plan, search)))
        return searched_before(plan, search, inputs)
