"""Whether annotations and files are those of an edition: counts, classes, split, and rows beside files."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from suite.data.archives.annotations import Item
from suite.data.archives.editions import Edition
from suite.data.archives.members import Contents
from suite.errors import SuiteError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Unusable:
    """An annotated image that cannot be used.

    Attributes:
        archive: role of the archive that should hold it.
        name: name of its file.
        reason: why not.
    """

    archive: str
    name: str
    reason: str


def check_counts(edition: Edition, items: list[Item]) -> None:
    """Compare classes and images with the edition.

    Raises:
        SuiteError: class numbers are not 1 to C, or a part of the split has another number of images.
    """
    classes = sorted({item.class_id for item in items})
    if classes != list(range(1, edition.classes + 1)):
        raise SuiteError(
            f"{edition.title}: the annotations have {len(classes):,} classes, numbered {min(classes, default=0)} to "
            f"{max(classes, default=0)}; allowed: {edition.classes:,}, numbered from 1"
        )
    training = sum(item.class_id <= edition.training_classes for item in items)
    for part, found, expected in (
        ("training", training, edition.training_images),
        ("test", len(items) - training, edition.test_images),
    ):
        if found != expected:
            raise SuiteError(
                f"{edition.title}: the annotations list {found:,} images of the {part} classes; allowed: {expected:,}"
            )


def compare_with_files(items: list[Item], files: dict[str, Contents]) -> tuple[list[Unusable], list[str]]:
    """Annotated images without a file, and image files without an annotation.

    Raises:
        SuiteError: two rows name the same file.
    """
    there = {(role, name) for role, contents in files.items() for name in contents.names}
    listed: dict[tuple[str, str], Item] = {}
    for item in items:
        other = listed.setdefault((item.archive, item.name), item)
        if other is not item:
            raise SuiteError(
                f"{files[item.archive].path}: images {other.image_id} and {item.image_id} are both {item.name}"
            )
    missing = [Unusable(*key, "no such file in the archive") for key in listed if key not in there]
    spare = sorted(name for role, name in there - listed.keys() if _is_image(name))
    return missing, spare


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def check_unusable(unusable: list[Unusable], limit: int, title: str) -> None:
    """Stop where more images than allowed cannot be used.

    Raises:
        SuiteError: there are more than ``limit``; the message counts them and names the first.
    """
    if len(unusable) > limit:
        raise SuiteError(
            f"{title}: at least {len(unusable)} annotated images cannot be used: {describe(unusable)}; "
            f"allowed by --max-unusable: {limit}"
        )


def describe(unusable: list[Unusable]) -> str:
    """The first few, by name and reason."""
    shown = "; ".join(f"{each.name} ({each.reason})" for each in unusable[:_SHOWN])
    return shown + (" and others" if len(unusable) > _SHOWN else "")
