"""What a user's own data set must fulfil before anything is trained on it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from suite.data.split import num_training_classes
from suite.data.user_images import Decoded, Item
from suite.errors import SuiteError

_SHOWN = 3


def check_classes(items: Sequence[Item], setting: str) -> None:
    """Check the number of classes and of images in each.

    Raises:
        SuiteError: fewer than 4 classes, or a class with a single image: as a query it has nothing to find.
    """
    counts = Counter(item.label for item in items)
    if len(counts) < 4:
        raise SuiteError(
            f"{setting}.path: {len(counts)} classes with images; allowed: at least 4, half of them for test"
        )
    single = sorted(label for label, count in counts.items() if count == 1)
    if single:
        raise SuiteError(
            f"{setting}.path: {_number(single, 'class')} with one image: {_some(single)}; allowed: at least 2 images a "
            "class, since an image alone in its class has nothing to be found by"
        )


def check_readable(items: Sequence[Item], decoded: Sequence[Decoded], setting: str) -> None:
    """Check that every image could be read.

    Raises:
        SuiteError: some could not; the message names the first ones and says why.
    """
    broken = [f"{item.name} ({image.problem})" for item, image in zip(items, decoded, strict=True) if image.problem]
    if broken:
        raise SuiteError(
            f"{setting}.path: {_number(broken, 'file')} unreadable: {_some(broken)}; repair or remove them"
        )


def check_duplicates(
    items: Sequence[Item], decoded: Sequence[Decoded], labels: Mapping[str, int], setting: str
) -> list[str]:
    """Look for images with the same pixels.

    Args:
        items: the images.
        decoded: what was read.
        labels: place of each class in the stored order.
        setting: what names the data set, for error messages.

    Returns:
        Remarks on copies within one half of the classes, which weaken a test but leak nothing into it.

    Raises:
        SuiteError: an image stands in a training class and in a test class.
    """
    same: dict[str, list[Item]] = defaultdict(list)
    for item, image in zip(items, decoded, strict=True):
        same[image.pixels_sha256].append(item)
    copies = [group for group in same.values() if len(group) > 1]
    boundary = num_training_classes(len(labels))
    leaks = []
    for group in copies:
        training = [item.name for item in group if labels[item.label] < boundary]
        test = [item.name for item in group if labels[item.label] >= boundary]
        if training and test:
            leaks.append(f"{training[0]} = {test[0]}")
    if leaks:
        raise SuiteError(
            f"{setting}.path: {_number(leaks, 'image')} in a training class and in a test class: {_some(leaks)}; remove "
            "one of each pair, since a model may not be tested on images that it was trained on"
        )
    mixed = [group for group in copies if len({item.label for item in group}) > 1]
    inside = [group for group in copies if len({item.label for item in group}) == 1]
    remarks = []
    if mixed:
        remarks.append(f"{_number(mixed, 'image')} with two labels, e.g. {_pair(mixed[0])}: one of them must be wrong")
    if inside:
        remarks.append(
            f"{_number(inside, 'image')} more than once in a class, e.g. {_pair(inside[0])}: retrieval of these is trivial"
        )
    return remarks


def _pair(group: Sequence[Item]) -> str:
    return f"{group[0].name} = {group[1].name}"


def _number(values: Sequence[object], noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{len(values)} {noun}{plural if len(values) > 1 else ''}"


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
