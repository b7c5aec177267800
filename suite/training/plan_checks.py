"""What plans name, checked; each problem is taken up, so that all of them are told at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from suite.errors import Problems, SuiteError, allowed
from suite.losses.by_hand import check_by_hand
from suite.losses.registry import LossEntry, check_hyperparameters, entry_of, find_loss
from suite.settings.params import LossSettings, Settings
from suite.settings.plans import Planned
from suite.training.batch_checks import LEAST_CLASSES, check_batch, check_noise
from suite.training.dataset_plan import DatasetPlan, plan_dataset
from suite.training.search_space import declared_space

Made = TypeVar("Made")


def sound_datasets(settings: Settings, problems: Problems) -> list[DatasetPlan]:
    """Plans of the data sets that can be had, whose batches can be drawn at all levels of noise."""
    sound = []
    for name, entry in settings.datasets.items():
        if problems.about(f"datasets.{name}"):
            continue  # its images cannot be used
        with problems:
            dataset = plan_dataset(name, entry, settings.backbone)
            recipe = settings.recipe_of(name)
            check_batch(settings, recipe, name, dataset.half)
            check_noise(settings, recipe, name, dataset.half)
            sound.append(dataset)
    return sound


def sound_losses(settings: Settings, problems: Problems) -> tuple[list[LossEntry], list[LossEntry]]:
    """Losses of the grid, and those that are tuned besides, that can be found and have what is set and searched of them."""
    grid = [_sound(name, entry, settings, problems) for name, entry in settings.losses.items()]
    also = [_sound(name, entry, settings, problems) for name, entry in settings.tuning.also.items()]
    return [entry for entry in grid if entry is not None], [entry for entry in also if entry is not None]


def check_studied(entries: Sequence[LossEntry], settings: Settings, problems: Problems) -> None:
    """Check that the losses of the study of geometry can be studied."""
    for entry in entries:
        if entry.name in settings.geometry.losses:
            with problems:
                _check_proxies(entry, settings, f"{settings.recipe.file}: geometry.losses.{entry.name}")


def _check_proxies(entry: LossEntry, settings: Settings, setting: str) -> None:
    """Check that a loss has the proxies that the study of geometry measures, as many a class as it asks for.

    Raises:
        SuiteError: it has not.
    """
    values = {"proxies_per_class": settings.geometry.proxies_per_class}
    check_hyperparameters(entry, values, setting)

    def build() -> None:
        loss = entry.build(values, LEAST_CLASSES, settings.recipe.embedding_dim)
        if lacking := [name for name in ("proxies", "proxy_labels") if not hasattr(loss, name)]:
            raise SuiteError(
                f"{setting}: this loss has no attribute {allowed(lacking)}; allowed: losses with proxies and proxy_labels"
            )

    entry.must_survive(build)


def of_tracks(planned: Sequence[Planned], settings: Settings, dataset: str, loss: str) -> list[Planned]:
    """Those plans of a loss that are of the tracks that the study ``extended`` runs.

    Raises:
        SuiteError: there is none.
    """
    tracks = settings.extended.tracks_of(loss, settings.tuning.tracks)
    if found := [(plan, search) for plan, search in planned if plan.track in tracks]:
        return found
    setting = f"extended.losses.{loss}.tracks" if settings.extended.losses[loss].tracks else "extended.tracks"
    raise SuiteError(
        f"{settings.recipe.file}: {setting} = {allowed(tracks)}: {loss} has none of these on {dataset}, as it has no search "
        f"space, or noise.levels no noise; allowed: {allowed(dict.fromkeys(plan.track for plan, _ in planned))}"
    )


def for_all(
    make: Callable[[DatasetPlan, LossEntry], Made],
    datasets: Sequence[DatasetPlan],
    losses: Sequence[LossEntry],
    problems: Problems,
) -> list[Made]:
    """What is made of each data set and loss, without those that have a problem."""
    made = []
    for dataset in datasets:
        for entry in losses:
            with problems:
                made.append(make(dataset, entry))
    return made


def extended_plans(
    make: Callable[..., list[Planned]],
    datasets: Sequence[DatasetPlan],
    losses: Sequence[LossEntry],
    settings: Settings,
    problems: Problems,
) -> list[list[Planned]]:
    """Plans of the losses of the study ``extended``; it is checked that each has some of the tracks that the study runs."""
    chosen = [entry for entry in losses if entry.name in settings.extended.losses]
    made = for_all(partial(make, for_study=True), datasets, chosen, problems)
    for each in made:
        with problems:
            of_tracks(each, settings, each[0][0].dataset, each[0][0].loss)
    return made


def _sound(name: str, entry: LossSettings, settings: Settings, problems: Problems) -> LossEntry | None:
    place, file = settings.place_of(name), settings.file_of(name)
    if problems.about(entry_of(name, place, file)):
        return None  # its file cannot be read
    with problems:
        found = find_loss(name, entry, place, file)
        unknown = Problems()
        with unknown:
            check_by_hand(found, entry, entry_of(name, place, file))
        with unknown:
            declared_space(found, entry, settings.tuning.space, settings.recipe.file)
        unknown.tell()
        return found
    return None
