"""Which results of claims the settings plan runs for, and how many: a result without runs does not wait for its turn."""

from typing import get_args

from suite.judging.claims.parts import Noise, NoiseLevels
from suite.judging.claims.schema import (
    Claim,
    ClaimOnAblation,
    ClaimOnRecords,
    ClaimOnRuns,
    Closeness,
    Interaction,
    Minima,
    Reproduction,
)
from suite.settings.params import Settings, TuningTrack
from suite.settings.paths import FINETUNED_FILE, PARAMS_FILE
from suite.settings.studies import ABLATED, AblationAxes


def lacking(claim: Claim, dataset: str, settings: Settings) -> str | None:
    """What settings lack of a claim on a data set: the first of them, with its file; None where they plan its runs.

    Args:
        claim: the claim.
        dataset: one of its data sets.
        settings: of its regime.
    """
    if not isinstance(claim, ClaimOnRecords) or claim.regime == "published":
        return None
    if dataset not in settings.datasets:
        return f"{PARAMS_FILE}: datasets has no {dataset}"
    if isinstance(claim, ClaimOnRuns | Reproduction) and (level := _further_level(claim, settings)) is not None:
        return f"{PARAMS_FILE}: noise.levels has no {level:g}"  # data sets and noise levels are those of all regimes
    found = _lacking_of_regime(claim, dataset, settings)
    return found and f"{FINETUNED_FILE if claim.regime == 'finetuned' else PARAMS_FILE}: {found}"


def count_held(claim: Claim, settings: Settings) -> int:
    """How many results a claim has of models at held deltas, which only pfml has, besides one a data set.

    Args:
        claim: the claim.
        settings: of its regime.
    """
    if not isinstance(claim, Closeness | Minima) or claim.contrast.subject != ABLATED:
        return 0
    studied = sum(lacking(claim, dataset, settings) is None for dataset in claim.datasets)
    return studied * len(settings.geometry.deltas)


def _lacking_of_regime(claim: ClaimOnRecords, dataset: str, settings: Settings) -> str | None:
    """The same of searches and studies, which each regime sets for itself."""
    if isinstance(claim, Closeness | Minima):
        if losses := [loss for loss in _compared(claim) if loss not in settings.geometry.losses]:
            return f"geometry.losses has no {losses[0]}"
        return None if settings.geometry.on(dataset) else f"geometry.datasets has no {dataset}"
    if isinstance(claim, ClaimOnAblation):
        crossed = isinstance(claim, Interaction)
        axes = settings.crossed.values if crossed else settings.ablation.get(dataset, AblationAxes())
        axis = claim.contrast.axis
        place = "crossed.values" if crossed else f"ablation.{dataset}"
        return None if getattr(axes, axis) else f"{place} has no {axis}"
    return _lacking_of_runs(claim, settings) if isinstance(claim, ClaimOnRuns | Reproduction) else None


def _levels(claim: ClaimOnRuns | Reproduction) -> tuple[float, ...]:
    noise = getattr(claim, "noise", None)
    return noise.levels if isinstance(noise, NoiseLevels) else (noise.level,) if isinstance(noise, Noise) else ()


def _further_level(claim: ClaimOnRuns | Reproduction, settings: Settings) -> float | None:
    """The first noise level of a claim that the grid does not have."""
    return next((level for level in _levels(claim) if level not in settings.noise.levels), None)


def _compared(claim: Claim) -> list[str]:
    contrast = getattr(claim, "contrast", None)
    return [name for role in ("subject", "reference") if (name := getattr(contrast, role, None))]


def _lacking_of_runs(claim: ClaimOnRuns | Reproduction, settings: Settings) -> str | None:
    """The same of a claim about losses under label noise: their track, kind of noise, and the losses themselves."""
    searched, extended, grid = settings.tuning.tracks, settings.extended, settings.noise
    if claim.track in get_args(TuningTrack) and claim.track not in searched:
        return f"tuning.tracks has no {claim.track}"
    noise = getattr(claim, "noise", None)
    kind = noise.kind if noise and any(_levels(claim)) else grid.kind
    if kind != grid.kind and kind not in extended.noise_kinds:
        return f"extended.noise_kinds has no {kind}"
    for loss in _compared(claim):
        in_grid = loss in settings.losses
        if loss not in extended.losses and not (in_grid and kind == grid.kind):
            return f"extended.losses has no {loss}"
        if not in_grid and claim.track in searched and claim.track not in extended.tracks_of(loss, searched):
            return f"extended.losses.{loss}.tracks has no {claim.track}"
    return None
