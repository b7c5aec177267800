"""Which file of a data set each given file is: by its MD5, else by its name, else because there is only one."""

import re
from dataclasses import dataclass

from suite.data.archives.editions import Edition, Form, PublishedFile
from suite.data.archives.members import Contents
from suite.errors import SuiteError


@dataclass(frozen=True, slots=True)
class Identified:
    """The files of one form of a data set.

    Attributes:
        form: name of the form.
        files: what was given, by role.
        altered: for each file whose MD5 is not the published one, a line that says so.
    """

    form: str
    files: dict[str, Contents]
    altered: list[str]


def identify(dataset: str, editions: dict[str, Edition], given: list[Contents]) -> Identified:
    """Give each file its role and find the form that they make up.

    Raises:
        SuiteError: a file belongs to another data set, has no role, or the files are not those of one form.
    """
    edition = editions[dataset]
    files: dict[str, Contents] = {}
    altered = []
    for contents in given:
        _refuse_other_data_sets(dataset, editions, contents)
        role, published = _role_of(edition, contents)
        if role in files:
            raise SuiteError(f"{files[role].path} and {contents.path} are both taken for {published.name}; give one")
        files[role] = contents
        if contents.md5 != published.md5:
            altered.append(
                f"{contents.path} is not the published {published.name}: its md5 is {contents.md5}, "
                f"published is {published.md5}"
            )
            if contents.flaw:
                raise SuiteError(f"{contents.path} is truncated or altered: {contents.flaw}; fetch or copy it again")
    form = next((name for name, form in edition.forms.items() if set(form) == set(files)), None)
    if form is None:
        raise SuiteError(
            f"{edition.title} takes {edition.describe_forms()}; got {' '.join(contents.path.name for contents in given)}"
        )
    return Identified(form, files, altered)


def _refuse_other_data_sets(dataset: str, editions: dict[str, Edition], contents: Contents) -> None:
    for other, edition in editions.items():
        if other != dataset:
            for file in _files(edition):
                if file.md5 == contents.md5:
                    raise SuiteError(
                        f"{contents.path} is {file.name} of {edition.title} by its md5; add it with: suite data add {other}"
                    )


def _role_of(edition: Edition, contents: Contents) -> tuple[str, PublishedFile]:
    roles: Form = {role: file for form in edition.forms.values() for role, file in form.items()}
    for role, file in roles.items():
        if file.md5 == contents.md5:
            return role, file
    for role, file in roles.items():
        if _stem(file.name) == _stem(contents.path.name):
            return role, file
    if len(roles) == 1:
        return next(iter(roles.items()))
    raise SuiteError(
        f"{contents.path} is none of the files of {edition.title} by md5 or name; allowed names: "
        + ", ".join(file.name for file in roles.values())
    )


def _files(edition: Edition) -> list[PublishedFile]:
    return [file for form in edition.forms.values() for file in form.values()]


def _stem(name: str) -> str:
    """A file name without the endings of archives, and without the ``(1)`` that browsers add."""
    plain = re.sub(r"\s*\(\d+\)", "", name.lower())
    return re.sub(r"(\.(tar|gz|tgz|bz2|xz|zip|mat))+$", "", plain)
