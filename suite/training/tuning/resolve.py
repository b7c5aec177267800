"""Hyper-parameters of a loss on a data set: those of its tuned recipes, or, where there are none, of searches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from suite.errors import SuiteError, allowed
from suite.files import clear, write_json
from suite.hashing import sha256_value
from suite.settings.paths import FEATURES, TIMES_FOLDER
from suite.settings.plans import (
    PLANS,
    Planned,
    Regime,
    SomePlan,
    folder_of,
    plan_path,
    read_plan_file,
    tuned_plan_path,
    write_plan_file,
)
from suite.settings.tuned_recipes import load_tuned, save_tuned
from suite.training.alone import alone_in_searches
from suite.training.tuning.found import Asked, is_done, recipe_beside, search_path, searched_before, with_recipe

if TYPE_CHECKING:
    from suite.training.cache import CachedRun, Finished
    from suite.training.tuning.validation import Labels, Validate


@dataclass(frozen=True, slots=True)
class Tools:
    """What a regime needs for its searches and studies.

    Attributes:
        regime: its name.
        code_sha256: gives the digest of the code that trains.
        load: gives the data of a data set by its name.
        inputs_sha256: gives the digest of all of such data that trains.
        labels: gives the true training labels of such data under a split of the classes.
        validate: trains and validates on a fold.
        run_stage: runs those of a stage that are not in the run cache, as ``run_frozen_stage`` does.
    """

    regime: Regime
    code_sha256: Callable[[], str]
    load: Callable[[str], Any]
    inputs_sha256: Callable[[Any], str]
    labels: "Callable[[Any, int], Labels]"
    validate: "Validate"
    run_stage: "Callable[..., tuple[list[CachedRun[Any]], list[Finished]]]"


def resolve_hyperparameters(
    dataset: str, loss: str, console: Console, regime: Regime = "frozen", tools: Callable[[], Tools] | None = None
) -> None:
    """Write the complete plans of the tuning tracks, after the searches that they ask for.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        console: where progress is shown.
        regime: what learns.
        tools: of another regime than the frozen one; they are asked for where something is searched.

    Raises:
        SuiteError: there is no plan, or the search fails.
    """
    planned = read_plan_file(plan_path("tuned", dataset, loss, regime))
    path = tuned_plan_path(dataset, loss, regime)
    clear(path.parent, path.name, "*.yaml")
    wanted = [(plan, search) for plan, search in planned if search is not None]
    _write_missing(wanted, console, tools)
    complete: list[Planned] = []
    seconds: dict[str, float] = {}
    for plan, search in planned:
        if search is None:
            complete.append((plan, None))
            continue
        recipe = load_tuned(search_path(plan, search))
        save_tuned(recipe, recipe_beside(path, plan, search))
        complete.append((with_recipe(plan, search, recipe), None))
        seconds[f"search {plan.track} {search.number}"] = recipe.seconds
    write_plan_file(path, complete)
    if seconds:
        write_json(folder_of(regime) / TIMES_FOLDER / f"tune-{dataset}-{loss}.json", {"runs": seconds})


def asked_searches(
    dataset: str, loss: str, track: str | None = None, number: int | None = None, regime: Regime = "frozen"
) -> list[Asked]:
    """The searches of a loss that ``write_searches`` does.

    Raises:
        SuiteError: there is no plan, no such search, or the loss has nothing to search.
    """
    planned = read_plan_file(plan_path("searches", dataset, loss, regime))
    searches = [(plan, search) for plan, search in planned if search is not None]
    if not searches:
        raise SuiteError(
            f"{loss} has no search space; declare search_space in its class, or search in its entry of params.yaml"
        )
    file = PLANS[regime][1].file
    tracks, numbers = dict.fromkeys(plan.track for plan, _ in searches), {search.number for _, search in searches}
    if track is not None and track not in tracks:
        raise SuiteError(f"--track {track}: {file} asks for no such searches; allowed: {allowed(tracks)}")
    if number is not None and number not in numbers:
        raise SuiteError(f"--number {number}: allowed by tuning.searches in {file}: 0 to {max(numbers)}")
    return [
        (plan, search) for plan, search in searches if track in {None, plan.track} and number in {None, search.number}
    ]


def write_searches(
    dataset: str,
    loss: str,
    console: Console,
    track: str | None = None,
    number: int | None = None,
    regime: Regime = "frozen",
    tools: Callable[[], Tools] | None = None,
) -> list[Path]:
    """Search hyper-parameters as if there were no recipes; searches that are done are not repeated.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        console: where progress is shown.
        track: one tuning track; all of ``params.yaml`` if None.
        number: one search of each track; all if None.
        regime: what learns.
        tools: of another regime than the frozen one.

    Returns:
        The recipe of each search.

    Raises:
        SuiteError: there is no plan, no such search, the loss has nothing to search, or a search fails.
    """
    chosen = asked_searches(dataset, loss, track, number, regime)
    _write_missing(chosen, console, tools)
    return [search_path(plan, search) for plan, search in chosen]


def after_searches(
    planned: Sequence[Planned], console: Console, tools: Callable[[], Tools] | None = None
) -> list[SomePlan]:
    """Complete plans: what no search of this code and these data has found is searched, and kept.

    Args:
        planned: plans, each with the search that comes before it, if there is one.
        console: where progress is shown.
        tools: of another regime than the frozen one; they are asked for where something is searched.

    Raises:
        SuiteError: a search fails.
    """
    wanted = [(plan, search) for plan, search in planned if search is not None]
    if not wanted:
        return [plan for plan, _ in planned]
    mine = (tools or frozen_tools)()
    inputs = mine.inputs_sha256(mine.load(wanted[0][0].dataset))
    with alone_in_searches(wanted, console):
        _write_missing([asked for asked in wanted if searched_before(*asked, inputs) is None], console, tools)
        return [
            plan
            if search is None
            else searched_before(plan, search, inputs)
            or with_recipe(plan, search, load_tuned(search_path(plan, search)))
            for plan, search in planned
        ]


def _write_missing(wanted: Sequence[Asked], console: Console, tools: Callable[[], Tools] | None) -> None:
    """Search what has not been searched, and keep each recipe as soon as it is found.

    Outside the frozen regime a trial may be a single fold. There several searches run side by side, a process each.
    """
    if not wanted:
        return
    # Imported here, because most calls only pass on complete plans and need no torch.
    from suite.processes import in_parallel
    from suite.training.stage import check_code
    from suite.training.tuning.search import search_recipe

    mine = (tools or frozen_tools)()
    data = mine.load(wanted[0][0].dataset)
    inputs = mine.inputs_sha256(data)
    missing = [(plan, search) for plan, search in wanted if not is_done(plan, search, inputs)]
    for plan, _ in missing:
        check_code(plan, mine.code_sha256())
    if tools is not None and len(missing) > 1:
        for _ in in_parallel(_search_alone, (missing, data, inputs, mine.validate), range(len(missing))):
            pass
        return
    for plan, search in missing:
        path = search_path(plan, search)
        search_recipe(plan, search, data, console, inputs_sha256=inputs, path=path, validate=mine.validate)


def _search_alone(shared: tuple[Sequence[Asked], Any, str, "Validate"], number: int) -> None:
    from suite.training.tuning.search import search_recipe

    (wanted, data, inputs, validate), console = shared, Console(soft_wrap=True)
    path = search_path(*wanted[number])
    search_recipe(*wanted[number], data, console, _one_by_one, inputs_sha256=inputs, path=path, validate=validate)


def _one_by_one(function: Callable[[Any, Any], Any], shared: object, tasks: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return ((task, function(shared, task)) for task in tasks)


def frozen_tools() -> Tools:
    """What searches and studies on frozen features need."""
    from suite.data.features import Features, load_features
    from suite.training.stage import code_sha256, run_frozen_stage
    from suite.training.tuning.validation import validate_frozen

    def load(dataset: str) -> Features:
        return load_features(Path(FEATURES.format(dataset=dataset)))

    def inputs_sha256(features: Features) -> str:
        return sha256_value([features.data_sha256, features.num_training_classes])

    def labels(features: Features, split: int) -> "Labels":
        return features.under_split(split).training()[1]

    return Tools("frozen", code_sha256, load, inputs_sha256, labels, validate_frozen, run_frozen_stage)
