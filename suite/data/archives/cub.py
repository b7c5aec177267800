"""CUB-200-2011 (Wah et al., 2011): ``images.txt``, ``image_class_labels.txt`` and ``classes.txt``, numbers from 1.

``train_test_split.txt`` splits the images of each class and is not the zero-shot split; it is not read.
"""

from suite.data.archives.annotations import Item, as_number, find_text, numbered_lines
from suite.data.archives.members import Contents
from suite.errors import SuiteError

TEXTS = ("images.txt", "image_class_labels.txt", "classes.txt")


def items(files: dict[str, Contents]) -> list[Item]:
    """The annotated images of the archive.

    Raises:
        SuiteError: an annotation file is missing or malformed, or lists an image or a class that another one lacks.
    """
    archive = files["images"]
    root = find_text(archive, "images.txt")[1]
    names = dict(numbered_lines(archive, "classes.txt"))
    labels = {
        image: as_number(archive, "image_class_labels.txt", label)
        for image, label in numbered_lines(archive, "image_class_labels.txt")
    }
    paths = dict(numbered_lines(archive, "images.txt"))
    if labels.keys() != paths.keys():
        odd = min(labels.keys() ^ paths.keys())
        raise SuiteError(f"{archive.path}: image {odd} is in only one of images.txt and image_class_labels.txt")
    found = []
    for image, path in paths.items():
        if labels[image] not in names:
            raise SuiteError(f"{archive.path}: image {image} has class {labels[image]}, which classes.txt lacks")
        found.append(Item(image, "images", (root / "images" / path).as_posix(), labels[image], names[labels[image]]))
    return found
