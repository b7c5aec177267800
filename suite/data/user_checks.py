"""What a user's own data set must fulfil before anything is trained on it."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from suite.data.split import num_training_classes
from suite.data.user_images import Decoded, Item, Listing
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

    def placed(item: Item) -> str:
        return f"{item.name} ({'training' if labels[item.label] < boundary else 'test'})"

    leaks = [group for group in copies if len({labels[item.label] < boundary for item in group}) > 1]
    if leaks:
        shown = "; ".join(" = ".join(map(placed, group)) for group in leaks[:_SHOWN])
        more = f"; and {_number(leaks[_SHOWN:], 'more group')}" if leaks[_SHOWN:] else ""
        raise SuiteError(
            f"{setting}.path: {_number(leaks, 'group')} of equal images in training classes and in test classes: "
            f"{shown}{more}; keep each in one half, since a model may not be tested on images that it was trained on"
        )
    mixed = [group for group in copies if len({item.label for item in group}) > 1]
    inside = [group for group in copies if len({item.label for item in group}) == 1]
    remarks = []
    if mixed:
        remarks.append(f"{_number(mixed, 'image')} with several labels: {_groups(mixed)}: one of them must be wrong")
    if inside:
        remarks.append(
            f"{_number(inside, 'image')} more than once in a class: {_groups(inside)}: retrieval of these is trivial"
        )
    return remarks


def check_names(items: Sequence[Item], setting: str) -> None:
    """Check that all names are text, as the files that hold them must be.

    Raises:
        SuiteError: a name is no UTF-8.
    """
    for item in items:
        for text in (item.name, item.label, item.source, item.licence):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                shown = text.encode("utf-8", "backslashreplace").decode()
                raise SuiteError(f"{setting}.path: the name {shown} is not UTF-8; rename it") from error


def remarks_on(listing: Listing) -> list[str]:
    """What was found besides images in class folders, and what became of it."""
    remarks = [f"{len(names)} left out as {reason}: {_some(names)}" for reason, names in listing.left_out.items()]
    alike: dict[str, set[str]] = defaultdict(set)
    for item in listing.items:
        alike[" ".join(unicodedata.normalize("NFKC", item.label).casefold().split())].add(item.label)
    twins = [" = ".join(sorted(labels)) for labels in alike.values() if len(labels) > 1]
    if twins:
        remarks.append(
            f"{_number(twins, 'group')} of class names alike but for case, spaces or accents: {_some(twins)}"
        )
    if listing.linked:
        remarks.append(f"{_number(listing.linked, 'folder')} reached by a link: {_some(listing.linked)}")
    if listing.nested:
        remarks.append(f"images in nested folders count for the class of the first folder: {_some(listing.nested)}")
    return remarks


def remarks_on_files(items: Sequence[Item], decoded: Sequence[Decoded]) -> list[str]:
    """Files of which the first frame alone is taken, and those that the library which read them complained of."""
    several = [item.name for item, image in zip(items, decoded, strict=True) if image.frames]
    odd = [f"{item.name} ({image.warning})" for item, image in zip(items, decoded, strict=True) if image.warning]
    remarks = (
        [f"{_number(several, 'file')} with several frames, the first is taken: {_some(several)}"] if several else []
    )
    return [*remarks, *([f"{_number(odd, 'file')} read with a warning: {_some(odd)}"] if odd else [])]


def _groups(groups: Sequence[Sequence[Item]]) -> str:
    return _some([" = ".join(item.name for item in group) for group in groups])


def _number(values: Sequence[object], noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{len(values)} {noun}{plural if len(values) > 1 else ''}"


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
