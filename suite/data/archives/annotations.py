"""What the annotations of an archive say: one item an image, whatever the data set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from suite.data.archives.members import Contents
from suite.errors import SuiteError


@dataclass(frozen=True, slots=True)
class Item:
    """An annotated image.

    Attributes:
        image_id: its number in the annotations, from 1.
        archive: role of the archive that holds it.
        name: name of its file in that archive.
        class_id: class in the annotations, from 1.
        class_name: name of the class.
    """

    image_id: int
    archive: str
    name: str
    class_id: int
    class_name: str


Parser = Callable[[dict[str, Contents]], list[Item]]
"""From the files of a form, by role, to the annotated images."""


def find_text(contents: Contents, name: str) -> tuple[str, PurePosixPath]:
    """The text of an annotation file and the folder that it lies in; the one nearest to the root, where there are several.

    Raises:
        SuiteError: there is none.
    """
    found = sorted(contents.texts, key=lambda path: (path.count("/"), path))
    found = [path for path in found if PurePosixPath(path).name == name]
    if not found:
        raise SuiteError(
            f"{contents.path} holds no {name}: it is another archive or a part of one (md5 {contents.md5})"
        )
    return contents.texts[found[0]].decode("utf-8-sig", errors="replace"), PurePosixPath(found[0]).parent


def numbered_lines(contents: Contents, name: str) -> Iterator[tuple[int, str]]:
    """Lines ``NUMBER REST`` of an annotation file.

    Raises:
        SuiteError: the file is missing, or a line begins with no number, or with a number that was there before.
    """
    text, _ = find_text(contents, name)
    seen: set[int] = set()
    for count, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        number, _, rest = line.strip().partition(" ")
        if not number.isdecimal() or not rest or int(number) in seen:
            raise SuiteError(
                f"{contents.path}: {name}, line {count} is {line[:80]!r}; allowed: a new number and a value"
            )
        seen.add(int(number))
        yield int(number), rest.strip()


def as_number(contents: Contents, name: str, text: str) -> int:
    """A whole number of an annotation file.

    Raises:
        SuiteError: it is none.
    """
    if not text.isdecimal():
        raise SuiteError(f"{contents.path}: {name} has {text[:80]!r} where a whole number is expected")
    return int(text)
