"""What studies consist of: runs that share a plan, and the search that comes before them where values are not known yet."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from suite.data.features import Features
from suite.settings.paths import PARAMS_FILE
from suite.settings.plans import Run, Search, SomePlan
from suite.training.batch_checks import TrainingHalf, check_fold_sizes
from suite.training.stage import Executor
from suite.training.tuning.resolve import with_recipe


@dataclass(frozen=True, slots=True)
class Part:
    """Runs of one plan.

    Attributes:
        plan: what is trained; without the values that the search finds, if there is one.
        runs: gives the runs of a plan, as many before the search as after it.
        search: None where values are known.
        label: what tells the search from others of this plan's track and number.
        section: of ``params.yaml`` that sets the folds of the search, for messages.
    """

    plan: SomePlan
    runs: Callable[[SomePlan], list[Run[SomePlan]]]
    search: Search | None = None
    label: str = ""
    section: str = "geometry"

    def complete(
        self, load: Callable[[], Features], console: Console, execute: Executor | None = None
    ) -> list[Run[SomePlan]]:
        """The runs, after the search; its trials are kept, so that it is not repeated.

        Args:
            load: gives the features, where there is something to search.
            console: where progress is shown.
            execute: trains on folds, here by default.

        Raises:
            SuiteError: a fold of the search cannot validate, or no trial trained.
        """
        if self.search is None:
            return self.runs(self.plan)
        from suite.training.tuning.search import search_recipe

        features, plan = load(), self.plan
        labels = features.under_split(plan.split).training()[1]
        half = TrainingHalf(features.num_training_classes, 0.0, 0, labels)
        setting = f"{PARAMS_FILE}: {self.section}.folds"
        check_fold_sizes(setting, plan.dataset, half, self.search.folds, plan.recipe.classes_per_batch)
        recipe = search_recipe(plan, self.search, features, console, execute, keep_trials=True, label=self.label)
        return self.runs(with_recipe(self.plan, self.search, recipe))
