"""Stanford Online Products (Oh Song et al., CVPR 2016): ``Ebay_train.txt`` and ``Ebay_test.txt``, each with a header line.

A class is a product; its name here is its category and its number, for the files give it none.
"""

from suite.data.archives.annotations import Item, as_number, find_text
from suite.data.archives.members import Contents
from suite.errors import SuiteError

TEXTS = ("Ebay_train.txt", "Ebay_test.txt")
HEADER = ["image_id", "class_id", "super_class_id", "path"]


def items(files: dict[str, Contents]) -> list[Item]:
    """The annotated images of the archive, those of ``Ebay_train.txt`` first.

    Raises:
        SuiteError: a list is missing or malformed, or both list the same class.
    """
    archive = files["images"]
    train, test = (_listed(archive, name) for name in TEXTS)
    common = {item.class_id for item in train} & {item.class_id for item in test}
    if common:
        raise SuiteError(f"{archive.path}: class {min(common)} is in both {TEXTS[0]} and {TEXTS[1]}")
    if train and test and max(item.class_id for item in train) > min(item.class_id for item in test):
        raise SuiteError(f"{archive.path}: the classes of {TEXTS[0]} do not come before those of {TEXTS[1]}")
    return train + test


def _listed(archive: Contents, name: str) -> list[Item]:
    text, root = find_text(archive, name)
    head, *lines = text.splitlines() or [""]
    if head.split() != HEADER:
        raise SuiteError(f"{archive.path}: {name} begins with {head[:80]!r}; allowed: {' '.join(HEADER)}")
    found = []
    for line in filter(str.strip, lines):
        fields = line.split(maxsplit=3)
        if len(fields) != 4:
            raise SuiteError(f"{archive.path}: {name} has the line {line[:80]!r}; allowed: {' '.join(HEADER)}")
        image, label = (as_number(archive, name, field) for field in fields[:2])
        path = (root / fields[3]).as_posix()
        category = fields[3].split("/")[0].removesuffix("_final")
        found.append(Item(image, "images", path, label, f"{category} {label}"))
    return found
