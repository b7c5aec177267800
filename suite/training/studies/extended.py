"""The extended grid: losses that the grid does not run, and kinds of label noise that it does not have."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from suite.errors import SuiteError
from suite.settings.params import Settings
from suite.settings.paths import EXTENDED, PARAMS_FILE
from suite.settings.plans import Planned, Regime, Run, SomePlan, plan_path, read_plan_file, seeds_of
from suite.training.plan_checks import of_tracks
from suite.training.studies.parts import Part, run_parts
from suite.training.tuning.resolve import Tools, after_searches, frozen_tools


def run_extended(
    dataset: str, loss: str, settings: Settings, console: Console, tools: Callable[[], Tools] | None = None
) -> Path:
    """Run or resume a loss beyond the grid; writes a record for each track, kind of noise, level and seed.

    Values are those of its tuned recipes. Where there are none, it is searched first, as ``suite search`` would.

    Args:
        dataset: name of the data set.
        loss: name of the loss, under ``extended.losses``.
        settings: of the regime; say whether the grid runs the loss, and name the kinds of noise.
        console: where progress is shown.
        tools: of another regime than the frozen one.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan or nothing to run, or a search fails.
    """
    kinds = _kinds(loss, settings)
    mine = (tools or frozen_tools)()
    planned = after_searches(_planned(dataset, loss, settings, mine.regime), console, tools)
    parts = _parts([(plan, None) for plan in planned], kinds, settings.noise.kind)
    return run_parts(f"extended-{dataset}-{loss}", f"{EXTENDED}/{dataset}-{loss}.jsonl", parts, console, mine)


def extended_parts(dataset: str, loss: str, settings: Settings, regime: Regime = "frozen") -> list[Part]:
    """The runs of each track and search, after the searches that are missing.

    Raises:
        SuiteError: as ``run_extended``.
    """
    return _parts(_planned(dataset, loss, settings, regime), _kinds(loss, settings), settings.noise.kind)


def _planned(dataset: str, loss: str, settings: Settings, regime: Regime) -> list[Planned]:
    """The plans of the tracks that the study runs."""
    return of_tracks(read_plan_file(plan_path("extended", dataset, loss, regime)), settings, dataset, loss)


def _kinds(loss: str, settings: Settings) -> tuple[str, ...]:
    """The kinds of noise of a loss.

    Raises:
        SuiteError: there is nothing to run.
    """
    in_grid = loss in settings.losses
    kinds = settings.extended.kinds(settings.noise.kind, in_grid=in_grid)
    if in_grid and not kinds:
        raise SuiteError(
            f"{settings.recipe.file}: extended.noise_kinds names none but the grid's own, {settings.noise.kind}, and the "
            f"grid runs {loss}; allowed: further kinds, or losses under tuning.also"
        )
    if in_grid and not any(settings.noise.levels):
        raise SuiteError(
            f"{PARAMS_FILE}: noise.levels has no noise, and without noise the grid runs {loss}; allowed: levels above 0, "
            "or losses under tuning.also"
        )
    return kinds


def _parts(planned: Sequence[Planned], kinds: Sequence[str], grid_kind: str) -> list[Part]:
    parts = [Part(plan, partial(_runs, kinds, grid_kind), search, section="tuning") for plan, search in planned]
    return [part for part in parts if part.runs(part.plan)]  # a search whose turn no seed is has none


def _runs(kinds: Sequence[str], grid_kind: str, plan: SomePlan) -> list[Run[SomePlan]]:
    """Without noise all kinds are one, so further kinds have levels above 0 alone."""
    return [
        Run(replace(plan, noise_kind=kind), level, seed, label=label)
        for kind in kinds
        for level in plan.noise_levels
        if level or kind == grid_kind
        for seed in seeds_of(plan)
        for label in (_label(plan.track, "" if kind == grid_kind else kind, level),)
    ]


def _label(track: str, kind: str, level: float) -> str:
    """What tells runs apart in a stage: nothing where they are named as those of the grid."""
    further = [*([] if track == "tuned" else [track]), *([kind] if kind else [])]
    return " ".join([*further, f"noise {level:g}"]) if further else ""
