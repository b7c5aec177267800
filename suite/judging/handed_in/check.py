"""The checks of a bundle, the same before it is written and before it is merged. Each refusal names bundle, member and cure.

What can be worked out anew is: runs and their settings, digests of code, masks of noise, sizes of classes. What only running
the code could show is left to ``suite.judging.handed_in.rerun``: whether a record's numbers are what these runs give.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from suite.data.catalog import EMBEDDED
from suite.errors import SuiteError, allowed, shortened
from suite.evaluation.records import Record, check_records
from suite.judging.handed_in.bundle import MANIFEST, SETTINGS, Bundle, Shared, search_member
from suite.judging.handed_in.code import digest_of
from suite.judging.handed_in.numbers import check_copies, check_numbers
from suite.judging.handed_in.plans import paper_runs_due, runs_due
from suite.judging.handed_in.protocol import REGIMES, difference
from suite.judging.handed_in.truth import Truth
from suite.judging.handed_in.versions import check_versions
from suite.losses.registry import BUILT_IN, target_of
from suite.settings.finetuned import load_finetuned
from suite.settings.params import LossSettings, Settings
from suite.settings.paths import FINETUNED_FILE, PAPER_VALUES, PARAMS_FILE
from suite.settings.plans import Run, SomePlan, TunedPlan


def shared_settings(loss: LossSettings, settings: Settings, datasets: Sequence[str], *, finetuned: bool) -> Shared:
    """What runs of a loss have in common with those of a board.

    Args:
        loss: the loss's entry.
        settings: of the board.
        datasets: data sets on which it was run.
        finetuned: whether the network learned in some runs.
    """
    late = None
    if finetuned:
        late = load_finetuned()
        changes = {name: entry for name, entry in late.datasets.items() if name in datasets}
        late = late.without_studies().model_copy(update={"datasets": changes})
    return Shared(
        loss=loss,
        datasets={name: settings.datasets[name] for name in datasets},
        backbone=settings.backbone,
        noise=settings.noise,
        seeds=settings.seeds,
        recipe=settings.recipe,
        tuning=settings.tuning.model_copy(update={"also": {}}),
        finetuned=late,
    )


def check_name(bundle: Bundle, settings: Settings) -> None:
    """Refuse a loss whose name the board has already, or one that differs from it in capitals alone.

    Raises:
        SuiteError: it is such a name.
    """
    taken = [name for name in settings.all_losses if name.casefold() == bundle.loss.casefold()]
    taken += [name for name in BUILT_IN if name.casefold() == bundle.loss.casefold() and name != bundle.loss]
    if taken:
        known = allowed(settings.all_losses)
        raise SuiteError(
            f"{bundle.name}: loss {bundle.loss} is {taken[0]} in {PARAMS_FILE} or in the suite; allowed: names besides "
            f"{known}; hand it in under another name of the loss"
        )


def check_bundle(bundle: Bundle, settings: Settings, truths: dict[str, Truth] | None = None) -> list[Run[SomePlan]]:
    """Check a bundle against the board of this project; gives the runs that can stand on it.

    Args:
        bundle: the bundle.
        settings: of the board.
        truths: of data sets, made where they lack; for several bundles of one board.

    Raises:
        SuiteError: it is of another protocol, of other settings, data, noise or code, not whole, or cannot be.
    """
    if why := difference(bundle.manifest.protocol, bundle.regimes):
        raise bundle.refuse(MANIFEST, why)
    _check_datasets(bundle, settings)
    _check_settings(bundle, settings)
    if bundle.loss not in BUILT_IN and bundle.shared.loss.target is None:
        raise bundle.refuse(SETTINGS, "loss.target is missing; allowed: module:Class or path/file.py:Class")
    target = target_of(bundle.loss, bundle.shared.loss)
    if bundle.loss in BUILT_IN and target != BUILT_IN[bundle.loss]:
        raise bundle.refuse(
            SETTINGS, f"loss {bundle.loss} is {target}; allowed: another name, or {BUILT_IN[bundle.loss]}"
        )
    loss_sha256 = digest_of(target, bundle.code, bundle.name)
    truths = {} if truths is None else truths
    for name in bundle.shared.datasets:
        truth = truths[name] = truths.get(name) or Truth(name, settings.datasets[name])
        if bundle.manifest.data_sha256.get(name) != truth.data_sha256:
            raise bundle.refuse(MANIFEST, f"data_sha256.{name} is of other data; allowed: {truth.data_sha256}")
    found = _check_tuned(bundle, settings, loss_sha256, truths)
    found += _check_paper_values(bundle, settings, loss_sha256, truths)
    check_versions(bundle)
    try:
        check_records([record for records in bundle.records.values() for record in records])
    except SuiteError as error:
        raise SuiteError(
            str(error).replace("delete the older file and run: dvc repro", "allowed: the same in both")
        ) from error
    return found


def _check_tuned(
    bundle: Bundle, settings: Settings, loss_sha256: str, truths: Mapping[str, Truth]
) -> list[Run[SomePlan]]:
    """Check the records of the tuning tracks and the searches behind them."""
    found: list[Run[SomePlan]] = []
    for regime in REGIMES:
        if regime not in bundle.regimes:
            continue
        mine = settings if regime == "frozen" else load_finetuned().within(settings)
        for dataset, records in bundle.records_of(regime).items():
            for record in records:
                _check_fields(record, {"loss_sha256": loss_sha256})
            runs, member = runs_due(bundle, mine, regime, dataset, loss_sha256), f"records/{regime}/{dataset}.jsonl"
            _check_whole(bundle, member, records, runs, truths[dataset])
            if regime == "finetuned":
                _check_views(bundle, member, records)
            found += runs
    known = {
        search_member(run.plan.regime, run.plan.track, run.plan.dataset, run.plan.search)
        for run in found
        if run.plan.search is not None
    }
    if unknown := sorted(bundle.searches.keys() - known):
        raise bundle.refuse(unknown[0], "no run takes its values; allowed: the searches of the records")
    return found


def _check_views(bundle: Bundle, member: str, records: Sequence[Record]) -> None:
    """Refuse runs that did not all learn from the same views."""
    found = list(dict.fromkeys(record.views_sha256 for record in records))
    if len(found) > 1 or not re.fullmatch("[0-9a-f]{64}", found[0] or ""):
        told = _short(found[-1])
        raise bundle.refuse(member, f"views_sha256 = {told}; allowed: one SHA-256, that of the views of all its runs")


def _check_paper_values(
    bundle: Bundle, settings: Settings, loss_sha256: str, truths: Mapping[str, Truth]
) -> list[Run[SomePlan]]:
    """Check the records at the values of the loss's paper; gives their runs."""
    due: list[Run[SomePlan]] = []
    for dataset, records in bundle.records_of(PAPER_VALUES).items():
        runs = paper_runs_due(bundle, settings, dataset, loss_sha256, records)
        _check_whole(bundle, f"records/{PAPER_VALUES}/{dataset}.jsonl", records, runs, truths[dataset])
        due += runs
    return due


def _check_datasets(bundle: Bundle, settings: Settings) -> None:
    """Refuse a data set that the board does not have, and a bundle that leaves out one that comes with the suite."""
    if unknown := [name for name in bundle.shared.datasets if name not in settings.datasets]:
        raise bundle.refuse(
            SETTINGS,
            f"datasets.{unknown[0]} is no data set of this board; allowed: {allowed(settings.datasets) or 'none'}",
        )
    for member in bundle.records:
        dataset = member.split("/")[-1].removesuffix(".jsonl")
        if dataset not in bundle.shared.datasets:
            raise bundle.refuse(
                member, f"{SETTINGS} names no data set {dataset}; allowed: {allowed(bundle.shared.datasets) or 'none'}"
            )
    due = [name for name in settings.datasets if name in EMBEDDED]
    there = bundle.records_of("frozen")
    if lacking := [name for name in due if name not in there]:
        raise bundle.refuse(
            f"records/frozen/{lacking[0]}.jsonl", f"is missing; allowed: records of all of {allowed(due)}"
        )


def _check_settings(bundle: Bundle, settings: Settings) -> None:
    mine = shared_settings(
        bundle.shared.loss, settings, list(bundle.shared.datasets), finetuned="finetuned" in bundle.regimes
    )
    given, wanted = (each.model_dump(mode="json", exclude={"loss"}) for each in (bundle.shared, mine))
    for name, here, there in _differences(given, wanted):
        file = FINETUNED_FILE if name.startswith("finetuned") else PARAMS_FILE
        raise bundle.refuse(SETTINGS, f"{name} = {_short(here)}; allowed: {_short(there)}, as in {file}")


def _differences(given: Any, wanted: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Names of what differs between two nested mappings, with both values."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys((*given, *wanted)):
            yield from _differences(given.get(key), wanted.get(key), f"{name}.{key}" if name else key)
    elif given != wanted:
        yield name, given, wanted


def _check_whole(
    bundle: Bundle, member: str, records: Sequence[Record], runs: Sequence[Run[SomePlan]], truth: Truth
) -> None:
    """Refuse a member that does not hold one record of each run, or a record that cannot be of its run."""
    due = {_place(run.plan.track, run.noise_level, run.seed): run for run in runs}
    seen: dict[str, Record] = {}
    for record in records:
        place = _place(record.track, record.noise_level, record.seed)
        if place in seen:
            raise SuiteError(f"{record.where}: the run {place} is there twice; allowed: once ({seen[place].where})")
        if place not in due:
            raise SuiteError(f"{record.where}: no run {place} is asked for; allowed: {_of_due(due)}")
        seen[place] = record
        _check_fields(record, _run_fields(due[place]) | _data_fields(record, truth))
        check_numbers(record, due[place].plan, truth)
    if lacking := [place for place in due if place not in seen]:
        raise bundle.refuse(member, f"the run {lacking[0]} is missing; allowed: {_of_due(due)}")
    check_copies(records)


def _place(track: str, level: float, seed: int) -> str:
    return f"{track} noise {level:g} seed {seed}"


def _of_due(due: Mapping[str, Run[SomePlan]]) -> str:
    levels = dict.fromkeys(f"{run.noise_level:g}" for run in due.values())
    seeds = {run.seed for run in due.values()}
    return f"noise {allowed(levels)} with seeds 0 to {max(seeds)} each, as in {PARAMS_FILE}"


def _run_fields(run: Run[SomePlan]) -> dict[str, Any]:
    """Fields of a record that follow from its run."""
    plan = run.plan
    same = ("regime", "track", "dataset", "backbone", "loss", "target", "noise_kind", "loss_sha256")
    none = ["recipe_name", "precision", "before_training", "ablation", "proxies"]
    none += ["views_sha256"] if plan.regime == "frozen" else []
    return {
        **{name: getattr(plan, name) for name in same},
        "hyperparameter_source": plan.hyperparameter_source,
        "search": plan.search if isinstance(plan, TunedPlan) else None,
        "split": plan.split if isinstance(plan, TunedPlan) else 0,
        "hyperparameters": dict(sorted(plan.hyperparameters.items())),
        "recipe": plan.recipe.model_dump(mode="json"),
        "config_sha256": run.config_sha256,
        **dict.fromkeys(none),
    }


def _data_fields(record: Record, truth: Truth) -> dict[str, Any]:
    """Fields of a record that follow from data and noise."""
    masks: dict[str, Any] = {}
    if record.split == 0:  # under another split other images train
        noise = truth.noise(record.noise_kind, record.noise_level, record.seed, record.regime)
        masks = {} if noise is None else {"noise_sha256": noise.sha256, "noise_realised": noise.realised}
    return {"data_sha256": truth.data_sha256, **masks}


def _check_fields(record: Record, wanted: Mapping[str, Any]) -> None:
    for field, value in wanted.items():
        if getattr(record, field) != value:
            given = _short(getattr(record, field))
            if field == "loss_sha256":
                raise SuiteError(
                    f"{record.where}: {field} = {given}; allowed: {_short(value)}, that of the code; run anew"
                )
            raise SuiteError(f"{record.where}: {field} = {given}; allowed: {_short(value)}, which follows from its run")


def _short(value: Any) -> str:
    return shortened(repr(value), 120)
