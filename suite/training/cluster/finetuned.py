"""The stages of a grid in which the network learns: searches and runs on views, which reach a worker once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from suite.settings.plans import Search, SomePlan
from suite.settings.tuned_recipes import load_tuned
from suite.training.alone import alone_in_searches
from suite.training.cluster.stages import Load, Services, StageOfPart
from suite.training.finetuned.planner import finetuned_code_sha256
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.stage import cached_on, tools, views_of
from suite.training.finetuned.validation import validate_finetuned
from suite.training.finetuned.views import Source, Views
from suite.training.run.frozen import Outcome
from suite.training.stage import check_code, run_stage
from suite.training.studies.parts import Part
from suite.training.tuning.found import is_done, search_path, with_recipe
from suite.training.tuning.search import search_recipe


@dataclass(frozen=True, slots=True)
class FinetunedStage(StageOfPart):
    """Runs in which the network learns, of the grid or of a study.

    Attributes:
        name: of the stage.
        part: its runs, and the search before them where a loss has no tuned recipe or a study searches anew.
        function: computes a run.
    """

    name: str
    part: Part
    function: Callable[..., Outcome] = run_finetuned

    @property
    def modules(self) -> list[str]:
        """As ``Stage``."""
        searching = [] if self.part.search is None else [validate_finetuned.__module__]
        return searching + ([] if self.function is run_finetuned else [self.function.__module__])

    def check(self, load: Load) -> None:
        """Check code and views.

        Raises:
            SuiteError: the views are missing, stale or damaged, or code is not the planned one.
        """
        check_code(self.plan, finetuned_code_sha256())
        load(views_to_send, self.plan.dataset)

    def run(self, grid: Services) -> None:
        """Search, then run what is missing."""
        part, views = self.part, grid.load(views_to_send, self.plan.dataset)
        if part.search is None or part.label:
            runs = part.complete(lambda: views, grid.view.as_console(), grid.execute_folds, tools())
        else:
            runs = part.runs(self._searched(part.plan, part.search, views, grid))
        places = cached_on(views, runs, self.function)
        run_stage(self.name, places, views, self.function, grid.view.console, grid.execute_runs, grid.view.stage)

    @staticmethod
    def _searched(plan: SomePlan, search: Search, views: Source, grid: Services) -> SomePlan:
        """The complete plan; what is found is kept in ``searches``, where the stage ``tune`` looks for it."""
        path, console = search_path(plan, search), grid.view.as_console()
        with alone_in_searches([(plan, search)], console):
            if not is_done(plan, search, views.sha256):
                search_recipe(
                    plan,
                    search,
                    views,
                    console,
                    grid.execute_folds,
                    inputs_sha256=views.sha256,
                    path=path,
                    validate=validate_finetuned,
                )
        return with_recipe(plan, search, load_tuned(path))


def views_to_send(dataset: str) -> Source:
    """What runs on a data set learn from, as plain arrays on the same pages: pickle would copy a memory map into its stream.

    Raises:
        SuiteError: it is missing, stale, incomplete, cut short or altered.
    """
    views = views_of(dataset)
    plain: dict[str, Any] = {"features": np.asarray(views.features)}
    if isinstance(views, Views):
        plain["maps"] = tuple(map(np.asarray, views.maps))
    return replace(views, **plain)
