"""Claims about the mechanism: where proxies and minima lie in trained models, and how far influence reaches.

The corollary and the proposition are stated in docs/theory.md. The unit is the trained model of a seed: classes of one
model share a network, so they are averaged, not counted as observations. Classes or embeddings that meet the premise of
a theorem and those that do not are judged apart.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from suite.errors import SuiteError, counted_noun
from suite.evaluation.record_parts import ProxyPlaces
from suite.evaluation.records import Record
from suite.judging.claims.evidence import Verdict, constant, difference, share_reached
from suite.judging.claims.measured import BySeed, Condition, Measured, NotRunError
from suite.judging.claims.result import ClaimResult, on_each_dataset
from suite.judging.claims.retrieval import without_failed_seeds
from suite.judging.claims.schema import Closeness, InfluenceDecay, Minima
from suite.judging.statistics.estimates import Array
from suite.settings.paths import INFLUENCE_FILE

_NO_SPREAD = 1e-6
"""A class whose embeddings all lie within this of their mean has no spread to be relative to."""
OF_DEFAULTS = "of the losses with their defaults, not with the values that searches found"
"""What a reader of a claim about influence must know."""


def assess_closeness(claim: Closeness, measured: Measured) -> list[ClaimResult]:
    """Mean over classes of the difference of the two methods, for classes with delta below their spread and for the rest."""

    def assess(dataset: str) -> list[ClaimResult]:
        results: list[ClaimResult] = []
        for models, count, by_loss in _models(claim, dataset, measured):
            if claim.contrast.reference not in by_loss:
                _check_same_count(claim, dataset, count, measured)
                raise NotRunError(f"no geometry of {claim.contrast.reference} on {dataset} in regime {claim.regime}")
            runs = [by_loss[claim.contrast.subject], by_loss[claim.contrast.reference]]
            _check_same_rate(dataset, *runs)
            seeds = measured.seeds(runs, claim.minimum_seeds)
            results += _closer(claim, dataset, models, [(runs[0][seed], runs[1][seed]) for seed in seeds])
        return results

    return on_each_dataset(claim, assess)


def assess_minima(claim: Minima, measured: Measured) -> list[ClaimResult]:
    """Share of flows that end within delta of the embedding they start at, for embeddings with condition (*) and without."""

    def assess(dataset: str) -> list[ClaimResult]:
        results: list[ClaimResult] = []
        for models, _, by_loss in _models(claim, dataset, measured):
            runs = by_loss[claim.contrast.subject]
            seeds = measured.seeds([runs], claim.minimum_seeds)
            results += _near_minima(claim, dataset, models, [runs[seed] for seed in seeds])
        return results

    return on_each_dataset(claim, assess)


def _study(claim: Closeness | Minima, dataset: str) -> Condition:
    """Where the geometry of the tuned losses on a data set is indexed."""
    return Condition(claim.regime, "tuned", dataset, claim.backbone, loss="")


def _models(claim: Closeness | Minima, dataset: str, measured: Measured) -> list[tuple[str, int, dict[str, BySeed]]]:
    """Models of a data set where the subject is among them: what they are called, number of proxies, runs by loss.

    First those whose delta was searched, then those whose delta was held, beside the references of the former.
    """
    measured.check_whole(dataset)
    subject, study = claim.contrast.subject, _study(claim, dataset)
    found = []
    for count in sorted({count for condition, count in [*measured.geometry, *measured.held] if condition == study}):
        searched = measured.geometry.get((study, count), {})
        if subject in searched:
            found.append((f"M = {count}", count, searched))
        for delta, at_delta in sorted(measured.held.get((study, count), {}).items()):
            if subject in at_delta:
                found.append((f"M = {count}, held delta {delta:g}", count, searched | {subject: at_delta[subject]}))
    if not found:
        raise NotRunError(f"no geometry of {subject} on {dataset} in regime {claim.regime}")
    return found


def _check_same_rate(dataset: str, subject: BySeed, reference: BySeed) -> None:
    """Models in which the network learns at other rates are no pair."""
    first, second = (next(iter(runs.values())) for runs in (subject, reference))
    rates = [run.recipe.get("backbone_rate") for run in (first, second)]
    if rates[0] != rates[1]:
        raise NotRunError(
            f"geometry of {second.loss} on {dataset} has backbone_rate {rates[1]}, that of {first.loss} {rates[0]}"
        )


def _check_same_count(claim: Closeness, dataset: str, count: int, measured: Measured) -> None:
    reference = claim.contrast.reference
    for (condition, other), by_loss in measured.geometry.items():
        if condition == _study(claim, dataset) and reference in by_loss:
            run = next(iter(by_loss[reference].values()))
            raise SuiteError(
                f"{run.where}: proxies_per_class = {other} for {reference}; allowed: {count}, as for the subject"
            )


def _places(run: Record) -> ProxyPlaces:
    """Where the proxies of a record of the geometry study lie."""
    assert run.proxies is not None
    return run.proxies


def _closer(claim: Closeness, dataset: str, models: str, pairs: Sequence[tuple[Record, Record]]) -> list[ClaimResult]:
    failed = [sum(pair[i].status == "failed" for pair in pairs) for i in (0, 1)]
    done = [pair for pair in pairs if "failed" not in {pair[0].status, pair[1].status}]
    meets = [_delta(subject) < np.array(_places(subject).spread) for subject, _ in done]
    share = float(np.mean([mask.mean() for mask in meets])) if done else 0.0
    results = []
    for group, masks, counts in (
        ("delta below the class's sd", meets, True),
        ("the rest", [~mask for mask in meets], False),
    ):
        result = ClaimResult(claim, dataset, f"{models}, {group}", counts=counts, premise=share)
        effects = [_effect(claim, pair, mask) for pair, mask in zip(done, masks, strict=True)]
        results.append(_with_closeness(result, claim, effects, failed))
    return results


def _with_closeness(result: ClaimResult, claim: Closeness, effects: list[float], failed: list[int]) -> ClaimResult:
    """The result with evidence, or with the reason why there is none; an effect of no class is NaN."""
    values = [effect for effect in effects if np.isfinite(effect)]
    premise = result.premise or 0.0
    if result.counts and effects and (premise < claim.premise.minimum_share or len(values) < len(effects)):
        reason = _not_met(claim, premise, "classes meet it", len(effects) - len(values), len(effects))
        return replace(result, state=Verdict.PREMISE_NOT_MET, reason=reason)
    if len(values) < 2:
        state = Verdict.INCONCLUSIVE if any(failed) else Verdict.NOT_RUN
        reason = "too many failed runs" if any(failed) else "no such classes in two seeds"
        return replace(result, state=state, reason=reason)
    evidence = difference(values, claim.smallest_effect.value, higher=False)
    return replace(result, evidence=without_failed_seeds(evidence, failed, ("the subject", "the reference")))


def _not_met(claim: Closeness | Minima, share: float, which: str, without: int, models: int) -> str:
    """Why a premise is not met: too small a share of all models together, or models in which nothing meets it."""
    least = claim.premise.minimum_share
    reason = f"{share:.1%} of the {which}; allowed: {least:.0%} or more"
    return f"{reason}, in each model some, and {without} of {models} have none" if share >= least else reason


def _effect(claim: Closeness, pair: tuple[Record, Record], mask: NDArray[np.bool_]) -> float:
    places = [_places(run) for run in pair]
    if places[0].size != places[1].size:
        raise SuiteError(
            f"{pair[0].where}: proxies.size differs from that in {pair[1].where}: not the same training classes"
        )
    measure, _, relative = claim.estimand.partition("_")
    values = [np.array(getattr(each, measure), dtype=np.float64) for each in places]
    if relative:
        spreads = [np.array(each.spread, dtype=np.float64) for each in places]
        mask = mask & (spreads[0] > _NO_SPREAD) & (spreads[1] > _NO_SPREAD)
        values = [value[mask] / spread[mask] for value, spread in zip(values, spreads, strict=True)]
    else:
        values = [value[mask] for value in values]
    return float(np.mean(values[0] - values[1])) if mask.any() else np.nan


def _delta(run: Record) -> float:
    delta = _places(run).delta
    if delta is None:
        raise SuiteError(
            f"{run.where}: proxies.delta = null; allowed: the delta of {run.loss}, which the premise of a claim needs"
        )
    return delta


def _near_minima(claim: Minima, dataset: str, models: str, runs: Sequence[Record]) -> list[ClaimResult]:
    done = [run for run in runs if run.status == "ok"]
    share = float(np.mean([_share(run) for run in done])) if done else 0.0
    results = []
    for group, field, counts in (("(*) holds", "minima_met", True), ("the rest", "minima_unmet", False)):
        result = ClaimResult(claim, dataset, f"{models}, {group}", counts=counts, premise=share)
        flows = [np.sum(getattr(_places(run), field) or [(0, 0)], axis=0) for run in done]
        flows_by_seed = np.array(flows, dtype=np.int64).reshape(-1, 2)
        results.append(_with_flows(result, claim, flows_by_seed, len(runs) - len(done)))
    return results


def _with_flows(result: ClaimResult, claim: Minima, flows: NDArray[np.int64], failed: int) -> ClaimResult:
    """The result with the evidence of flows (seeds, 2), started and ended, or with the reason why there is none."""
    flowing = flows[flows[:, 0] > 0]
    premise = result.premise or 0.0
    if result.counts and len(flows) and (premise < claim.premise.minimum_share or len(flowing) < len(flows)):
        reason = _not_met(claim, premise, "embeddings meet (*)", len(flows) - len(flowing), len(flows))
        return replace(result, state=Verdict.PREMISE_NOT_MET, reason=reason)
    if len(flowing) < 2:
        state = Verdict.INCONCLUSIVE if failed else Verdict.NOT_RUN
        reason = f"{counted_noun(failed, 'run')} failed" if failed else "no flows from such embeddings in two seeds"
        return replace(result, state=state, reason=reason)
    evidence = share_reached(flowing[:, 1], flowing[:, 0], claim.target, claim.smallest_effect.value)
    if failed:
        evidence = evidence.barring(
            Verdict.SUPPORTED, remark=f"{counted_noun(failed, 'run')} failed, left out here: no support"
        )
    return replace(result, evidence=evidence)


def _share(run: Record) -> float:
    """Share of a model's embeddings that meet condition (*)."""
    places = _places(run)
    if places.condition is None:
        raise SuiteError(
            f"{run.where}: proxies.condition = null; allowed: a share for each class, which the premise of a claim needs"
        )
    size: Array = np.array(places.size, dtype=np.float64)
    return float((np.array(places.condition) * size).sum() / size.sum())


def assess_decay(claim: InfluenceDecay, measured: Measured) -> list[ClaimResult]:
    """Greatest influence of a far point over the greatest of any, subject less reference, by curves of ``suite figures``."""
    losses = claim.contrast.subject, claim.contrast.reference
    missing = ""
    if measured.influence is None:
        missing = f"no {INFLUENCE_FILE}"
    else:
        curves = [_curve(measured.influence, loss, claim) for loss in losses]
        if any(curve.empty for curve in curves):
            missing = f"{INFLUENCE_FILE} lacks one of {losses[0]}, {losses[1]}"
    if missing:
        return [ClaimResult(claim, "", state=Verdict.NOT_RUN, reason=missing)]
    subject, reference = (_far_share(curve, claim.beyond) for curve in curves)
    effect = subject - reference
    verdict = Verdict.EQUIVALENT
    if abs(effect) >= claim.smallest_effect.value:
        verdict = Verdict.SUPPORTED if effect < 0 else Verdict.CONTRADICTED
    return [ClaimResult(claim, "", evidence=replace(constant(effect, verdict), remarks=(OF_DEFAULTS,)))]


def _curve(curves: pd.DataFrame, loss: str, claim: InfluenceDecay) -> pd.DataFrame:
    return curves[(curves["loss"] == loss) & (curves["pair"] == claim.pair)].sort_values("distance")


def _far_share(curve: pd.DataFrame, beyond: float) -> float:
    """Greatest influence at the measured distances from ``beyond`` on, over the greatest of all."""
    return float(curve[curve["distance"] >= beyond]["normalised"].max())
