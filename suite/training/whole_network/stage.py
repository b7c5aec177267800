"""A stage: all noise levels and seeds of one row, one run after the other, resumed run by run and epoch by epoch."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console

from suite.data.archives.cache import Cache, open_cache
from suite.data.noise_lists import planned_list
from suite.errors import SuiteError
from suite.hashing import sha256_value
from suite.processes import guarded, processor_kind
from suite.settings.benchmarks import WholeNetworkPlan
from suite.settings.paths import BENCHMARKS_FOLDER
from suite.settings.plans import runs_of
from suite.training.cache import CachedRun, Finished, alone_in_runs, cached_runs, run_missing, versions
from suite.training.run.frozen import Outcome
from suite.training.stage import StageView, check_code, write_runs
from suite.training.whole_network.batches import BatchPlan
from suite.training.whole_network.checkpoint import Checkpoint
from suite.training.whole_network.engine import Engine, Machine
from suite.training.whole_network.planner import network_code_sha256
from suite.training.whole_network.run import run_network

VERSIONED = ("timm", "torchvision", "pillow", "lightning-fabric")
"""Libraries that a whole network depends on besides those of all runs."""


def train_network(plan: WholeNetworkPlan, machine: Machine, console: Console) -> None:
    """Run what is missing of a row; writes ``runs`` and ``times`` below ``benchmarks/``.

    Another command at the same runs is waited for: two would write one checkpoint.

    Raises:
        SuiteError: the image cache is missing, code is not the planned one, the machine lacks the devices asked for, or the
            loss raises.
    """
    folder = BENCHMARKS_FOLDER
    cache = open_cache(plan.dataset, folder)
    name = f"{plan.dataset}-{plan.loss}"
    places = network_places(plan, cache)
    runs = [place.run for place in places]
    labels = cache.column("label")[cache.column("training")]
    epochs = [BatchPlan(labels, plan.recipe, plan.dataset, run.seed).epochs for run in runs]
    engine = Engine(machine, plan.precision, part_learns=plan.recipe.schedule.warm_up_epochs > 0)
    work = _Work(places, epochs, engine, folder, console)
    if engine.rank > 0:
        engine.wait()  # until no other command is at these runs
        missing = [number for number, place in enumerate(places) if place.find() is None]
        for _ in work(missing):
            pass
        return
    console.print(f"{name}: {engine.world} x {engine.device.type}, {plan.precision}", markup=False)
    with alone_in_runs(name, places, console), StageView(name, places, console) as view:
        engine.wait()
        finished: list[Finished] = run_missing(places, work, view.finish)
    write_runs(name, places, finished, folder)


def network_places(plan: WholeNetworkPlan, cache: Cache) -> list[CachedRun[WholeNetworkPlan]]:
    """The runs of a row with their places in the run cache.

    Raises:
        SuiteError: code is not the planned one, or a list of labels is not; the network would never learn; or the images in
            the cache are smaller than the recipe asks for.
    """
    code = network_code_sha256()
    check_code(plan, code)
    _check_warm_up(plan, cache)
    _check_size(plan, cache)
    for level in plan.noise_levels:
        if listed := plan.listed(level):
            planned_list(plan.dataset, plan.noise_kind, level, listed, cache.images_sha256, BENCHMARKS_FOLDER)
    libraries = versions(*VERSIONED)
    return [
        place
        for run in runs_of(plan)
        for place in cached_runs([run], _data_of(plan, run.noise_level, cache), code, libraries)
    ]


def _check_warm_up(plan: WholeNetworkPlan, cache: Cache) -> None:
    """Check that the network learns after the warm-up, where the number of images says how many epochs there are.

    Raises:
        SuiteError: it does not.
    """
    labels, schedule = cache.column("label")[cache.column("training")], plan.recipe.schedule
    epochs = BatchPlan(labels, plan.recipe, plan.dataset, 0).epochs
    if schedule.warm_up_epochs >= epochs:
        raise SuiteError(
            f"recipe {plan.recipe_name}: schedule.warm_up_epochs = {schedule.warm_up_epochs}: the network would never learn "
            f"in {schedule.length} {schedule.unit}, which are {epochs} epochs of {plan.dataset}; allowed: 0 to {epochs - 1}"
        )


def _check_size(plan: WholeNetworkPlan, cache: Cache) -> None:
    """Check that the recipe asks for no more pixels than the cache keeps: enlarged images would be another experiment.

    Raises:
        SuiteError: it does.
    """
    kept, images = int(cache.meta.get("short_side", 0)), plan.recipe.images
    wanted = {"images.train_resize": images.train_resize, "images.test_resize": images.test_resize}
    for setting, pixels in wanted.items():
        if kept and pixels is not None and pixels > kept:
            raise SuiteError(
                f"recipe {plan.recipe_name}: {setting} = {pixels}: {cache.folder} keeps images of {kept} px short side; "
                f"allowed: 1 to {kept}, or a cache of larger images, by suite data add {plan.dataset} --short-side {pixels}"
            )


def _data_of(plan: WholeNetworkPlan, level: float, cache: Cache) -> str:
    """Digest of what a run reads: the images, and a list of labels where its noise comes from one."""
    listed = plan.listed(level)
    return cache.data_sha256 if listed is None else sha256_value([cache.data_sha256, listed])


class _Work:
    """Runs those that are missing, in all processes alike."""

    def __init__(
        self,
        places: Sequence[CachedRun[WholeNetworkPlan]],
        epochs: Sequence[int],
        engine: Engine,
        folder: Path,
        console: Console,
    ) -> None:
        self._places, self._epochs, self._engine = places, epochs, engine
        self._folder, self._console = folder, console

    def __call__(self, missing: Sequence[int]) -> Iterator[tuple[int, Outcome, float, str]]:
        self._engine.wait()  # all processes have read which runs are done, before one of them adds to these
        for number in missing:
            place, shown = self._places[number], sys.stdout
            path, run = place.path.with_suffix(".pt"), place.run
            name = f"{run.plan.dataset} {run.plan.loss} ({run.plan.target}) {run.name}"
            started = time.perf_counter()

            def on_epoch(epoch: int, number: int = number, shown: TextIO = shown) -> None:
                if self._engine.rank == 0:
                    told = f"{self._places[number].run.name}: epoch {epoch} of {self._epochs[number]}"
                    with contextlib.redirect_stdout(shown):  # what a loss prints is cut, and this is none of it
                        self._console.print(told, markup=False)

            if self._engine.rank == 0:  # where the loss kills this process, the last line says which one it was
                self._console.print(f"{name} begins", markup=False, soft_wrap=True)
            checkpoint = Checkpoint(path, place.key)
            with guarded(f"{name}: the run"):
                outcome = run_network(run, self._engine, self._folder, checkpoint, on_epoch)
            yield number, outcome, time.perf_counter() - started, self._engine.gpu or processor_kind()
            if self._engine.rank == 0:
                path.unlink(missing_ok=True)
