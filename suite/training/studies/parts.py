"""What studies consist of: runs that share a plan, and the search that comes before them where values are not known yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from rich.console import Console

from suite.errors import SuiteError
from suite.evaluation.record_parts import AblationPoint
from suite.evaluation.records import write_records
from suite.settings.paths import STUDY_OUTPUTS
from suite.settings.plans import PLANS, Planned, Regime, Run, Search, SomePlan, folder_of
from suite.training.alone import alone_in_searches
from suite.training.batch_checks import TrainingHalf, check_fold_sizes
from suite.training.run.frozen import Outcome
from suite.training.stage import Executor, check_code
from suite.training.tuning.found import with_recipe
from suite.training.tuning.resolve import Tools, frozen_tools


@dataclass(frozen=True, slots=True)
class Part:
    """Runs of one plan.

    Attributes:
        plan: what is trained; without the values that the search finds, if there is one.
        runs: gives the runs of a plan, as many before the search as after it.
        search: None where values are known.
        label: what tells the search from others of this plan's track and number.
        section: of the settings file that sets the folds of the search, for messages.
        point: the value of an ablation that is held, for the records.
    """

    plan: SomePlan
    runs: Callable[[SomePlan], list[Run[SomePlan]]]
    search: Search | None = None
    label: str = ""
    section: str = ""
    point: AblationPoint | None = None

    def complete(
        self, load: Callable[[], Any], console: Console, execute: Executor | None = None, tools: Tools | None = None
    ) -> list[Run[SomePlan]]:
        """The runs, after the search; its trials are kept, so that it is not repeated.

        Args:
            load: gives the data of the regime, where there is something to search.
            console: where progress is shown.
            execute: trains on folds, here by default.
            tools: of another regime than the frozen one.

        Raises:
            SuiteError: a fold of the search cannot validate, or no trial trained.
        """
        if self.search is None:
            return self.runs(self.plan)
        from suite.training.tuning.search import search_recipe

        mine, data, plan = tools or frozen_tools(), load(), self.plan
        half = TrainingHalf(data.num_training_classes, 0.0, 0, mine.labels(data, plan.split))
        setting = f"{settings_file(plan.regime)}: {self.section}.folds"
        check_fold_sizes(setting, plan.dataset, half, self.search.folds, plan.recipe.classes_per_batch)
        with alone_in_searches([(plan, self.search)], console, self.label):
            recipe = search_recipe(
                plan,
                self.search,
                data,
                console,
                execute,
                inputs_sha256=mine.inputs_sha256(data),
                validate=mine.validate,
                label=self.label,
            )
        return self.runs(with_recipe(plan, self.search, recipe))


def settings_file(regime: Regime) -> Path:
    """The file that sets the studies of a regime."""
    return PLANS[regime][1].file


def tuned_on_true_labels(planned: Sequence[Planned], regime: Regime) -> list[Planned]:
    """Those plans that are of the track ``tuned``, which a study begins with.

    Raises:
        SuiteError: there is none.
    """
    found = [(plan, search) for plan, search in planned if plan.track == "tuned"]
    if not found:
        raise SuiteError(
            f"{settings_file(regime)}: tuning.tracks has no tuned, which this study begins with; allowed: tuned among them"
        )
    return found


def run_parts(
    stage: str,
    path: str,
    parts: Sequence[Part],
    console: Console,
    tools: Tools | None = None,
    function: Callable[..., Outcome] | None = None,
) -> Path:
    """Run or resume the parts of a study, of one data set; writes a record for each run.

    Args:
        stage: what it is called where progress is shown.
        path: of the records, below the folder of studies.
        parts: what to run.
        console: where progress is shown.
        tools: of another regime than the frozen one.
        function: computes a run; by default as in the grid.

    Returns:
        The file written.

    Raises:
        SuiteError: data are missing, code is not the planned one, or a search fails.
    """
    mine = tools or frozen_tools()
    for part in parts:
        check_code(part.plan, mine.code_sha256())
    load = cache(partial(mine.load, parts[0].plan.dataset))
    points = [(part.point, run) for part in parts for run in part.complete(load, console, tools=mine)]
    computed_by = {} if function is None else {"function": function}
    _, finished = mine.run_stage(stage, [run for _, run in points], console, **computed_by)
    records = [
        each.record if point is None else each.record.model_copy(update={"ablation": point})
        for each, (point, _) in zip(finished, points, strict=True)
    ]
    written = folder_of(mine.regime) / STUDY_OUTPUTS / path
    write_records(written, records)
    return written
