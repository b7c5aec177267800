"""The studies that ``params.yaml`` names, as parts that a grid can run side by side, under the names of their commands."""

from collections.abc import Callable, Iterator, Sequence

from suite.errors import SuiteError, allowed
from suite.settings.params import Settings
from suite.settings.plans import Regime
from suite.settings.studies import ABLATED, AblationAxes
from suite.training.studies.ablation import ablation_parts
from suite.training.studies.crossed import crossed_parts
from suite.training.studies.extended import extended_parts
from suite.training.studies.fresh_seeds import fresh_seed_parts
from suite.training.studies.geometry import geometry_parts
from suite.training.studies.paper_values import paper_value_parts
from suite.training.studies.parts import Part
from suite.training.studies.splits import split_parts

Chosen = tuple[str, Part, bool]
"""The name of a study's stage, a part of it, and whether its runs measure where proxies lie."""
Losses = Callable[[str], bool]
"""Whether a loss is chosen."""


def study_parts(
    settings: Settings,
    studies: Sequence[str],
    datasets: Sequence[str],
    losses: Sequence[str],
    regime: Regime = "frozen",
) -> list[Chosen]:
    """The parts of studies.

    Args:
        settings: name the data sets, losses and axes of each study.
        studies: names of studies.
        datasets: only these data sets; empty means all.
        losses: only these losses; empty means all.
        regime: what learns.

    Raises:
        SuiteError: a study is unknown or has nothing to run, or a plan is missing.
    """
    found: list[Chosen] = []
    for study in studies:
        if study not in STUDIES:
            raise SuiteError(f"--study {study} is no study; allowed: {allowed(STUDIES)}")
        mine = [
            part
            for dataset in settings.datasets
            if not datasets or dataset in datasets
            for part in STUDIES[study](settings, dataset, lambda loss: not losses or loss in losses, regime)
        ]
        if not mine:
            raise SuiteError(
                f"--study {study}: {settings.recipe.file} names nothing to run for these data sets and losses"
            )
        found += mine
    return found


def _paper_values(settings: Settings, dataset: str, chosen: Losses, _: Regime) -> Iterator[Chosen]:
    for loss in settings.paper_values:
        if chosen(loss) and loss in settings.losses:
            yield from _named(f"paper-values-{dataset}-{loss}", paper_value_parts(dataset, loss))


def _ablation(settings: Settings, dataset: str, chosen: Losses, regime: Regime) -> Iterator[Chosen]:
    axes = settings.ablation.get(dataset)
    if axes is not None and chosen(ABLATED):
        for axis in _with_values(axes):
            yield from _named(f"ablation-{dataset}-{axis}", ablation_parts(dataset, axis, axes, regime))


def _crossed(settings: Settings, dataset: str, chosen: Losses, regime: Regime) -> Iterator[Chosen]:
    if chosen(ABLATED):
        for axis in _with_values(settings.crossed.values):
            yield from _named(f"crossed-{dataset}-{axis}", crossed_parts(dataset, axis, settings.crossed, regime))


def _splits(settings: Settings, dataset: str, chosen: Losses, _: Regime) -> Iterator[Chosen]:
    for loss in settings.splits.losses:
        if chosen(loss) and loss in settings.losses:
            yield from _named(f"splits-{dataset}-{loss}", split_parts(dataset, loss, settings.splits))


def _fresh_seeds(settings: Settings, dataset: str, chosen: Losses, regime: Regime) -> Iterator[Chosen]:
    for loss in settings.fresh_seeds.losses:
        if chosen(loss) and loss in settings.losses:
            parts = fresh_seed_parts(dataset, loss, settings.fresh_seeds.count, regime)
            yield from _named(f"fresh-seeds-{dataset}-{loss}", parts)


def _extended(settings: Settings, dataset: str, chosen: Losses, regime: Regime) -> Iterator[Chosen]:
    for loss in settings.extended.losses:
        if chosen(loss) and loss in settings.all_losses:
            yield from _named(f"extended-{dataset}-{loss}", extended_parts(dataset, loss, settings, regime))


def _geometry(settings: Settings, dataset: str, chosen: Losses, regime: Regime) -> Iterator[Chosen]:
    for loss in settings.geometry.losses:
        if chosen(loss) and loss in settings.all_losses and settings.geometry.on(dataset):
            parts = geometry_parts(dataset, loss, settings.geometry, regime)
            yield from _named(f"geometry-{dataset}-{loss}", parts, measured=True)


def _with_values(axes: AblationAxes) -> list[str]:
    return [axis for axis in AblationAxes.model_fields if getattr(axes, axis)]


def _named(name: str, parts: Sequence[Part], *, measured: bool = False) -> Iterator[Chosen]:
    return ((name, part, measured) for part in parts)


STUDIES: dict[str, Callable[[Settings, str, Losses, Regime], Iterator[Chosen]]] = {
    "paper-values": _paper_values,
    "ablation": _ablation,
    "crossed": _crossed,
    "splits": _splits,
    "fresh-seeds": _fresh_seeds,
    "extended": _extended,
    "geometry": _geometry,
}
"""The studies, by the names of their commands."""
