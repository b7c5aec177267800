"""A train stage: all noise levels and seeds of one loss on one data set, on frozen features.

Its runs follow from the plan; those that are not in the run cache are executed; then all of them are written.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from suite.data.features import Features, load_features
from suite.errors import SuiteError
from suite.evaluation.records import write_records
from suite.evaluation.retrieval import MAIN_METRIC
from suite.files import clear, replacing, write_json, write_lines
from suite.hashing import sha256_code, sha256_file
from suite.losses.build import sha256_target
from suite.processes import guarded, in_parallel, processor_kind
from suite.settings.paths import CURVES_NAME, EMBEDDINGS, FEATURES, RECORDS_NAME, RUNS_FOLDER, TIMES_FOLDER
from suite.settings.plans import (
    P,
    Plan,
    Planned,
    Regime,
    Run,
    Search,
    SomePlan,
    plan_path,
    read_plan_file,
    runs_of,
    tuned_plan_path,
)
from suite.training.cache import CachedRun, Finished, alone_in_runs, cached_runs, run_missing, versions
from suite.training.cache import clear as clear_runs
from suite.training.run import frozen
from suite.training.run.frozen import Outcome

Data = TypeVar("Data")
RunFunction = Callable[[Run[Any], Features], Outcome]
"""Computes a run from features, as ``run_frozen`` does; a function of a module, which workers find by its name."""
Executor = Callable[..., Iterator[tuple[Any, Any]]]
"""Runs ``function(shared, task)`` for tasks and gives (task, result) as they finish, as ``in_parallel`` does."""


class View(Protocol):
    """Shows the runs of a stage as they end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> Any: ...

    def finish(self, number: int, finished: Finished) -> None:
        """Take up what a run left."""


def train(dataset: str, loss: str, console: Console, *, anew: bool = False) -> None:
    """Run what is missing of a loss on a data set; writes ``runs/DATASET-LOSS`` and ``times/DATASET-LOSS.json``.

    Of each noise level the first seed's embeddings of the test classes are kept. ``anew`` deletes finished runs once nothing
    stands in the way of new ones.

    Raises:
        SuiteError: the plan or the features are missing, or code is not the planned one.
    """
    name = f"{dataset}-{loss}"
    runs = [run for plan, _ in read_tuned_plans(dataset, loss) for run in runs_of(plan, keep_embeddings=True)]
    places, finished = run_frozen_stage(name, runs, console, anew=anew)
    write_runs(name, places, finished)


def read_tuned_plans(dataset: str, loss: str, regime: Regime = "frozen") -> list[Planned]:
    """The complete plans of the tuning tracks.

    Raises:
        SuiteError: they are missing or damaged, or were made for other plans than those of today.
    """
    path, made_of = tuned_plan_path(dataset, loss, regime), plan_path("tuned", dataset, loss, regime)
    again = f"suite tune {dataset} {loss}" + ("" if regime == "frozen" else f" --regime {regime}")
    if made_of.is_file() and not path.is_file():
        raise SuiteError(f"plan {path} is missing; make it with: {again}")
    complete, planned = read_plan_file(path), read_plan_file(made_of)
    pairs = zip(complete, planned, strict=False)
    if len(complete) != len(planned) or not all(_is_of(tuned, plan, search) for (tuned, _), (plan, search) in pairs):
        raise SuiteError(f"plan {path} is stale: its plans or searches have changed since; make it anew with: {again}")
    return complete


def _is_of(tuned: SomePlan, plan: SomePlan, search: Search | None) -> bool:
    """Whether a complete plan has what no search changes of a plan."""
    if search is None:
        return tuned == plan
    filled = {"hyperparameters", "hyperparameter_source", "validation_epoch", "search"}
    first, second = tuned.as_dict(), plan.as_dict()
    recipes = [
        {name: each["recipe"][name] for name in each["recipe"].keys() - search.space} for each in (first, second)
    ]
    same = all(first[name] == second[name] for name in first.keys() - filled - {"recipe"})
    return same and recipes[0] == recipes[1] and tuned.search == search.number


def run_frozen_stage(
    name: str,
    runs: Sequence[Run[P]],
    console: Console,
    function: RunFunction = frozen.run_frozen,
    execute: Executor = in_parallel,
    view: Callable[[str, Sequence[CachedRun[Any]], Console], View] | None = None,
    load: Callable[[Path], Features] = load_features,
    *,
    anew: bool = False,
) -> tuple[list[CachedRun[P]], list[Finished]]:
    """Run those of one data set that are not in the run cache.

    Args:
        name: of the stage.
        runs: what to run.
        console: where progress is shown.
        function: computes a run.
        execute: computes runs, on this machine or others.
        view: shows them; by default a ``StageView``.
        load: reads a feature file.
        anew: delete what the run cache has of their loss first, once all is checked.

    Returns:
        The runs with their places in the cache, and what each left.

    Raises:
        SuiteError: the features are missing, or code is not the planned one.
    """
    (dataset,) = {run.plan.dataset for run in runs}
    path = Path(FEATURES.format(dataset=dataset))
    features = load(path)
    code = sha256_code(Path(function.__code__.co_filename))
    places = cached_runs(runs, sha256_file(path), code, versions())
    for plan in {id(run.plan): run.plan for run in runs}.values():
        check_code(plan, code_sha256())
    if anew:
        clear_runs(dataset, runs[0].plan.loss)
    return places, run_stage(name, places, features, function, console, execute, view)


def run_stage(
    name: str,
    places: Sequence[CachedRun[P]],
    data: Data,
    function: Callable[[Run[P], Data], Outcome],
    console: Console,
    execute: Executor = in_parallel,
    view: Callable[[str, Sequence[CachedRun[Any]], Console], View] | None = None,
) -> list[Finished]:
    """Run those of a stage that are not in the run cache; gives what each left. Another command at the same is waited for.

    Args:
        name: of the stage.
        places: its runs with their places in the cache.
        data: what they learn from, of one data set.
        function: computes a run from it.
        console: where progress is shown.
        execute: computes runs, on this machine or others.
        view: shows them; by default a ``StageView``.
    """
    runs = [place.run for place in places]

    def compute(missing: Sequence[int]) -> Iterator[tuple[int, Outcome, float, str]]:
        shared = data, runs, function
        for number, (outcome, seconds, processor) in execute(_timed, shared, missing):
            yield number, outcome, seconds, processor

    with alone_in_runs(name, places, console), (view or StageView)(name, places, console) as shown:
        finished = run_missing(places, compute, shown.finish)
    for line in mixed_processors(places, finished):
        console.print(f"{name} {line}", markup=False)
    return finished


def mixed_processors(places: Sequence[CachedRun[Any]], finished: Sequence[Finished]) -> list[str]:
    """A line for each group of runs that several kinds of processor computed: they may differ in rounding."""
    kinds: dict[str, dict[str, int]] = {}
    for place, each in zip(places, finished, strict=True):
        if each.processor:
            counts = kinds.setdefault(place.run.group, {})
            counts[each.processor] = counts.get(each.processor, 0) + 1
    return [
        f"{group}: runs of several kinds of processor: "
        + ", ".join(f"{kind} ({count})" for kind, count in sorted(counts.items()))
        for group, counts in kinds.items()
        if len(counts) > 1
    ]


def code_sha256() -> str:
    """Digest of the code that decides the outcome of runs on frozen features, without that of their losses."""
    return sha256_code(Path(str(frozen.__file__)))


def check_code(plan: Plan[Any], code: str) -> None:
    """Check that neither the loss's code nor the training code has changed since the plan was made.

    Raises:
        SuiteError: it is not.
    """
    loss = sha256_target(plan.target, f"loss {plan.loss} ({plan.target})")
    for what, now, planned in (
        (f"loss {plan.loss} ({plan.target})", loss, plan.loss_sha256),
        ("training", code, plan.code_sha256),
    ):
        if now != planned:
            again = "suite plan" + (f" --regime {plan.regime}" if plan.regime == "finetuned" else "")
            raise SuiteError(f"the code of {what} has changed since the plan was made; run: {again}")


def _timed(
    shared: tuple[Data, Sequence[Run[P]], Callable[[Run[P], Data], Outcome]], number: int
) -> tuple[Outcome, float, str]:
    """What a run measured, its seconds, and the kind of processor that it ran on."""
    data, runs, function = shared
    run, started = runs[number], time.perf_counter()
    where = f"{run.plan.dataset} {run.plan.loss} ({run.plan.target}) {run.name}"
    try:
        with guarded(f"{where}: the run"):
            outcome = function(run, data)
    except SuiteError as error:
        raise SuiteError(str(error) if where in str(error) else f"{where}: {error}") from error
    return outcome, time.perf_counter() - started, processor_kind()


class StageView(Progress):
    """Shows a stage's runs: a bar with the time left on a terminal, and everywhere a line for each run that ends."""

    def __init__(self, name: str, places: Sequence[CachedRun[Any]], console: Console) -> None:
        self._name = name
        self._runs = [place.run for place in places]
        self._found: dict[str, list[float]] = {}
        self._started = time.perf_counter()
        done = sum(place.find() is not None for place in places)
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs, time left"),
            TimeRemainingColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            auto_refresh=False,  # no second thread: workers are forked from this process
            transient=True,
        )
        if done:
            console.print(f"{name}: {done} of {len(places)} runs are in the run cache", markup=False)
        self._bar = self.add_task(name, total=len(places), completed=done)

    def finish(self, number: int, finished: Finished) -> None:
        """Take up what a run left."""
        run, record = self._runs[number], finished.record
        result = f"failed, {record.failure}" if record.failure else "done"
        if MAIN_METRIC in record.metrics:
            recall = 100 * record.metrics[MAIN_METRIC]
            result = f"R@1 {recall:.1f} %"
            seeds = self._found.setdefault(run.group, [])
            seeds.append(recall)
            shown = f"R@1 so far {sum(seeds) / len(seeds):.1f} % ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})"
            self.update(self._bar, description=f"{self._name} {run.group}: {shown}")
        self.console.print(f"{self._name} {run.name}: {result} in {finished.seconds:.1f} s", markup=False)
        self.update(self._bar, advance=1, refresh=True)


def write_runs(name: str, places: Sequence[CachedRun[Any]], finished: Sequence[Finished], root: Path = Path()) -> None:
    """Write what a stage leaves below ``root``: ``runs/NAME`` (records, curves, embeddings) and ``times/NAME.json``."""
    folder = root / RUNS_FOLDER / name
    curves = [
        {
            "track": place.run.plan.track,
            "noise_level": place.run.noise_level,
            "seed": place.run.seed,
            "epoch": epoch,
            "loss": value,
        }
        for place, each in zip(places, finished, strict=True)
        for epoch, value in enumerate(each.curve, 1)
    ]
    clear(folder, RECORDS_NAME, CURVES_NAME, EMBEDDINGS.partition("{")[0] + "*.safetensors")
    write_lines(folder / CURVES_NAME, curves)
    write_records(folder / RECORDS_NAME, [each.record for each in finished])
    for place in places:
        if place.run.keeps_embeddings:
            with replacing(folder / EMBEDDINGS.format(noise_level=place.run.noise_level)) as temporary:
                shutil.copyfile(place.embeddings_path, temporary)
    seconds = {place.run.name: each.seconds for place, each in zip(places, finished, strict=True)}
    processors = {place.run.name: each.processor for place, each in zip(places, finished, strict=True)}
    times = {"runs": {run: round(value, 3) for run, value in seconds.items()}, "processors": processors}
    write_json(root / TIMES_FOLDER / f"{name}.json", times)
