"""The stages of a grid in which the network learns: searches and runs on views, which reach a worker once."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from suite.settings.plans import FinetunedPlan, Search, runs_of
from suite.settings.tuned_recipes import load_tuned, save_tuned
from suite.training.alone import alone_in_searches
from suite.training.cluster.stages import Load, Services, StageOfPlan
from suite.training.finetuned.planner import finetuned_code_sha256
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.stage import cached_on, views_of
from suite.training.finetuned.validation import validate_finetuned
from suite.training.finetuned.views import Source, Views
from suite.training.stage import check_code, run_stage
from suite.training.tuning.resolve import _is_done, _search_path, with_recipe
from suite.training.tuning.search import search_recipe


@dataclass(frozen=True, slots=True)
class FinetunedStage(StageOfPlan):
    """Runs in which the network learns, and the search before them where a loss has no tuned recipe.

    Attributes:
        plan: before the search.
        search: None where there is nothing to search.
    """

    plan: FinetunedPlan
    search: Search | None

    @property
    def modules(self) -> list[str]:
        """As ``Stage``."""
        return [] if self.search is None else [validate_finetuned.__module__]

    def check(self, load: Load) -> None:
        """Check code and views.

        Raises:
            SuiteError: the views are missing, stale or damaged, or code is not the planned one.
        """
        check_code(self.plan, finetuned_code_sha256())
        load(views_to_send, self.plan.dataset)

    def run(self, grid: Services) -> None:
        """Search, then run what is missing."""
        views = grid.load(views_to_send, self.plan.dataset)
        plan = self.plan if self.search is None else self._searched(self.search, views, grid)
        places = cached_on(views, runs_of(plan, keep_embeddings=True))
        run_stage(self.name, places, views, run_finetuned, grid.view.console, grid.execute_runs, grid.view.stage)

    def _searched(self, search: Search, views: Source, grid: Services) -> FinetunedPlan:
        """The complete plan; what is found is kept in ``searches``, where the stage ``tune`` looks for it."""
        path, console = _search_path(self.plan, search), grid.view.as_console()
        with alone_in_searches([(self.plan, search)], console):
            if not _is_done(self.plan, search, of_this_code=True):
                found = search_recipe(
                    self.plan, search, views, console, grid.execute_folds, validate=validate_finetuned
                )
                save_tuned(found, path)
        plan = with_recipe(self.plan, search, load_tuned(path))
        assert isinstance(plan, FinetunedPlan)
        return plan


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
