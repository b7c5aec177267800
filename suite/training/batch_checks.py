"""Whether a data set has the classes and images that batches and folds need."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from suite.data.catalog import verified
from suite.data.noise import OF_FEATURES, corrupt
from suite.data.split import fold_bounds, least_training, num_training_classes
from suite.data.table import read_labels
from suite.errors import Problems, SuiteError
from suite.settings.params import Recipe, Settings
from suite.settings.paths import PARAMS_FILE
from suite.settings.plans import Search, SomePlan

LEAST_CLASSES = 2
"""Smallest number of classes in a batch: a loss that compares classes needs two."""


@dataclass(frozen=True, slots=True)
class TrainingHalf:
    """The training half of a data set.

    Attributes:
        classes: number of classes.
        mean_images: images a class on average.
        most_images: images of the largest class.
        labels: (N,) labels of its images, in the stored order.
    """

    classes: int
    mean_images: float
    most_images: int
    labels: NDArray[np.int64] = field(compare=False, repr=False)


@cache
def training_half(dataset: str, max_classes: int | None) -> TrainingHalf:
    """Sizes of the training half of a verified data set, cut to ``max_classes`` if that is given."""
    labels = read_labels(verified(dataset).path, max_classes)
    training = num_training_classes(int(labels.max()) + 1)
    mine = labels[labels < training]
    sizes = np.bincount(mine)
    return TrainingHalf(training, float(sizes.mean()), int(sizes.max()), mine)


def check_batch(settings: Settings, recipe: Recipe, dataset: str, half: TrainingHalf) -> int:
    """Check that a P x K batch can be drawn; give the number of training classes.

    Raises:
        SuiteError: it cannot.
    """
    problems = Problems()
    if recipe.classes_per_batch > half.classes:
        found = f"{dataset} has {half.classes} training classes"
        with problems:
            raise _too_large(settings, "classes_per_batch", dataset, found, half.classes)
    if recipe.samples_per_class > half.most_images:
        found = f"the largest training class of {dataset} has {half.most_images} images"
        with problems:
            raise _too_large(settings, "samples_per_class", dataset, found, half.most_images)
    problems.tell()
    return half.classes


def check_noise(settings: Settings, recipe: Recipe, dataset: str, half: TrainingHalf, kind: str | None = None) -> None:
    """Check that the label noise of each run leaves images to as many classes as a batch has.

    Kinds of noise that depend on features are not checked: there may be none yet.

    Args:
        settings: name kind, levels and seeds.
        recipe: has the size of a batch.
        dataset: name of the data set.
        half: its training half.
        kind: of noise, in place of the grid's.

    Raises:
        SuiteError: it does not.
    """
    kind = kind or settings.noise.kind
    if kind in OF_FEATURES:
        return
    for level in settings.noise.levels:
        for seed in range(settings.seeds):
            left = len(np.unique(corrupt(half.labels, dataset, kind, level, seed).labels))
            if recipe.classes_per_batch > left:
                found = (
                    f"with {kind} noise of {level:g} only {left} of {half.classes} classes have images (seed {seed})"
                )
                raise _too_large(settings, "classes_per_batch", dataset, found, left)


def check_folds(settings: Settings, plan: SomePlan, half: TrainingHalf, search: Search) -> None:
    """Check that each fold of the training classes can validate, and that a batch can be drawn from the others with noise.

    Raises:
        SuiteError: it cannot.
    """
    classes, folds = half.classes, search.folds
    check_fold_sizes(f"{settings.recipe.file}: tuning.folds", plan.dataset, half, folds)
    left = least_training(classes, folds)
    if plan.recipe.classes_per_batch > left:
        file = "" if settings.recipe.file == PARAMS_FILE else f" in {settings.recipe.file}"
        found = f"a search with tuning.folds = {folds}{file} trains on {left} of {classes} training classes"
        raise _too_large(settings, "classes_per_batch", plan.dataset, found, left)
    if not search.noise or plan.noise_kind in OF_FEATURES:
        return
    for low, high in fold_bounds(classes, folds):
        codes = np.unique(half.labels[(half.labels < low) | (half.labels >= high)], return_inverse=True)[1]
        given = corrupt(codes, plan.dataset, plan.noise_kind, search.noise, fold_name(plan.track, search, low))
        left = len(np.unique(given.labels))
        if plan.recipe.classes_per_batch > left:
            found = f"with {plan.noise_kind} noise of {search.noise:g} a search trains on {left} classes"
            raise _too_large(settings, "classes_per_batch", plan.dataset, found, left)


def check_fold_sizes(setting: str, dataset: str, half: TrainingHalf, folds: int, batch: int = LEAST_CLASSES) -> None:
    """Check that each of so many folds of the training classes can validate, and leaves as many classes as a batch has.

    Args:
        setting: that sets the folds, with its file, for messages.
        dataset: name of the data set.
        half: its training half.
        folds: number of folds.
        batch: classes of a batch.

    Raises:
        SuiteError: it cannot.
    """
    classes = half.classes
    fitting = [
        count
        for count in range(2, classes // LEAST_CLASSES + 1)
        if _least_answerable(half, count) >= LEAST_CLASSES and least_training(classes, count) >= batch
    ]
    if folds in fitting:
        return
    found = f"{dataset} has {classes} training classes, and a fold needs {LEAST_CLASSES} with two images or more: "
    found += "with one alone every neighbour is right"
    if _least_answerable(half, folds) >= LEAST_CLASSES:
        left = least_training(classes, folds)
        found = f"a search trains on {left} of {classes} training classes of {dataset}, and a batch has {batch}"
    if fitting:
        raise SuiteError(f"{setting} = {folds}: {found}; allowed: {_span(fitting)}")
    raise SuiteError(
        f"{PARAMS_FILE}: datasets.{dataset}: too few classes for a search: {found}; "
        f"allowed: {LEAST_CLASSES * 2} training classes or more, or a tuned recipe in git"
    )


def unfit_for_studies(settings: Settings, dataset: str, half: TrainingHalf) -> list[str]:
    """A line for each study that is set and has folds, or label noise, that the data set does not allow."""
    remarks, batch = list[str](), settings.recipe_of(dataset).classes_per_batch
    crossed, splits, geometry = settings.crossed, settings.splits, settings.geometry
    further = set(settings.extended.losses) & set(settings.tuning.also)
    for name, section, wanted, folds in (
        ("crossed", "crossed", any(crossed.values.model_dump().values()), crossed.folds),
        ("splits", "splits", any(loss in settings.losses for loss in splits.losses), splits.folds),
        ("extended", "tuning", bool(further), settings.tuning.folds),
        ("geometry", "geometry", any(loss in settings.all_losses for loss in geometry.losses), geometry.folds),
    ):
        try:
            check_fold_sizes(f"{settings.recipe.file}: {section}.folds", dataset, half, folds, batch)
        except SuiteError as error:
            remarks += [f"suite {name} will refuse this: {error}"] if wanted else []
    for kind in settings.extended.noise_kinds if settings.extended.losses else ():
        try:
            check_noise(settings, settings.recipe_of(dataset), dataset, half, kind)
        except SuiteError as error:
            remarks.append(f"suite extended will fail with extended.noise_kinds {kind}: {error}")
    return remarks


def _least_answerable(half: TrainingHalf, folds: int) -> int:
    """Of all folds the least number of classes with two images: an image alone in its class has nothing to find."""
    answerable = np.bincount(half.labels, minlength=half.classes) >= 2
    return min(int(answerable[low:high].sum()) for low, high in fold_bounds(half.classes, folds))


def _span(counts: list[int]) -> str:
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])


def fold_name(track: str, search: Search, first_class: int) -> str:
    """Names the random streams of a fold of a search by the first class that it holds out; tracks share none."""
    name = f"search {search.number} classes from {first_class}"
    return name if track == "tuned" else f"{track} {name}"


def _too_large(settings: Settings, setting: str, dataset: str, found: str, most: int) -> SuiteError:
    mine = getattr(settings.datasets[dataset], setting)
    where = f"{settings.recipe.file}: recipe" if mine is None else f"{PARAMS_FILE}: datasets.{dataset}"
    value = getattr(settings.recipe_of(dataset), setting)
    if most < LEAST_CLASSES:
        return SuiteError(
            f"{PARAMS_FILE}: noise: {found}, and a batch needs {LEAST_CLASSES}; allowed: less noise, or more classes"
        )
    elsewhere = f", for this data set alone as datasets.{dataset}.{setting} in {PARAMS_FILE}" if mine is None else ""
    return SuiteError(f"{where}.{setting} = {value}: {found}; allowed: 2 to {most}{elsewhere}")
