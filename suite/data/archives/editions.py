"""Editions: which archives a benchmark comes in, and what they must hold."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from suite.errors import SuiteError, allowed
from suite.settings.reading import Count, Strict, explain_first
from suite.settings.yaml_files import read_yaml

EDITIONS_FILE = Path(__file__).with_name("editions.yaml")
"""The editions that the field's papers use."""


class PublishedFile(Strict):
    """A file as its publishers gave it out."""

    name: str
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


Form = dict[str, PublishedFile]
"""One way in which a data set was given out: its files by role."""


class Edition(Strict):
    """What a data set must hold.

    Attributes:
        title: its name in papers.
        classes: number of classes; their ids are 1 to ``classes``.
        training_classes: classes 1 to ``training_classes`` train, the others test (the zero-shot split).
        training_images: images of the training classes.
        test_images: images of the test classes.
        forms: ways in which it was given out.
    """

    title: str
    classes: Count
    training_classes: Count
    training_images: Count
    test_images: Count
    forms: dict[str, Form]

    @property
    def images(self) -> int:
        """Number of images."""
        return self.training_images + self.test_images

    def describe_forms(self) -> str:
        """The file names of each form, e.g. ``car_ims.tgz cars_annos.mat, or cars_train.tgz ...``."""
        return ", or ".join(" ".join(file.name for file in form.values()) for form in self.forms.values())


def load_editions(path: Path = EDITIONS_FILE) -> dict[str, Edition]:
    """Read a file of editions, by data set.

    Raises:
        SuiteError: it is missing, no YAML, or does not fit the schema.
    """
    if not path.is_file():
        raise SuiteError(f"file of editions {path} is missing")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise SuiteError(f"{path} holds {type(values).__name__}; allowed: a mapping from data sets to editions")
    editions = {}
    for name, value in values.items():
        try:
            editions[str(name)] = Edition.model_validate(value)
        except ValidationError as error:
            raise SuiteError(explain_first(error, Edition, path, str(name))) from error
    return editions


def edition_of(dataset: str, editions: dict[str, Edition]) -> Edition:
    """The edition of a data set.

    Raises:
        SuiteError: there is none.
    """
    if dataset not in editions:
        raise SuiteError(f"suite data add: unknown benchmark {dataset!r}; allowed: {allowed(editions)}")
    return editions[dataset]
