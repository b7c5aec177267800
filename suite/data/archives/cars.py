"""Cars-196 (Krause et al., 2013) in both forms, which hold the same images under other names.

- pooled: ``car_ims.tgz`` and ``cars_annos.mat``, one row an image with ``relative_im_path``, ``class`` and ``test``;
- train and test: ``cars_train.tgz``, ``cars_test.tgz``, ``car_devkit.tgz`` with ``cars_train_annos.mat`` and
  ``cars_meta.mat``, and ``cars_test_annos_withlabels.mat``; rows with ``fname`` and ``class``.

The flag ``test`` and the division into two archives split the images of each class: not the zero-shot split. Files are
found by their base name, because mirrors put them into other folders. A class name holds a "/" (``Ram C/V Cargo Van Minivan
2012``) that mirrors replace; nothing depends on names here, only on class numbers.
"""

import io
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from suite.data.archives.annotations import Item
from suite.data.archives.members import Contents
from suite.errors import SuiteError, allowed

TRAIN_ANNOTATIONS = "cars_train_annos.mat"
META = "cars_meta.mat"
TEXTS = (TRAIN_ANNOTATIONS, META)


def items(files: dict[str, Contents]) -> list[Item]:
    """The annotated images of either form.

    Raises:
        SuiteError: an annotation file is missing, malformed, or lacks a field.
    """
    if "annotations" in files:
        return _pooled(files["images"], files["annotations"])
    devkit = files["devkit"]
    names = _class_names(devkit, META)
    return [
        *_rows("train_images", files["train_images"], devkit, TRAIN_ANNOTATIONS, "fname", names),
        *_rows("test_images", files["test_images"], files["test_annotations"], None, "fname", names),
    ]


def _pooled(images: Contents, annotations: Contents) -> list[Item]:
    names = _class_names(annotations, None)
    return _rows("images", images, annotations, None, "relative_im_path", names)


def _rows(
    role: str, images: Contents, annotations: Contents, member: str | None, path_field: str, names: list[str]
) -> list[Item]:
    table = _field(annotations, member, "annotations")
    for field in (path_field, "class"):
        if field not in (table.dtype.names or ()):
            raise SuiteError(
                f"{annotations.path}: the annotations have no field {field!r}; fields: {allowed(table.dtype.names or ())}"
            )
    by_name = {PurePosixPath(name).name: name for name in images.names}
    if len(by_name) != len(images.names):
        raise SuiteError(f"{images.path} holds two files of one base name in different folders: no archive of Cars-196")
    found = []
    for count, (path, label) in enumerate(zip(table[path_field].ravel(), table["class"].ravel(), strict=True), 1):
        base = PurePosixPath(str(path)).name
        class_id = _class_id(annotations, label, names)
        found.append(Item(count, role, by_name.get(base, base), class_id, names[class_id - 1]))
    return found


def _class_id(annotations: Contents, label: Any, names: list[str]) -> int:
    try:
        class_id = int(label)
    except (TypeError, ValueError):
        class_id = 0
    if not 1 <= class_id <= len(names):
        raise SuiteError(f"{annotations.path}: class {label!r}; allowed: 1 to {len(names)}, as class_names lists them")
    return class_id


def _class_names(annotations: Contents, member: str | None) -> list[str]:
    names: Iterable[Any] = _field(annotations, member, "class_names").ravel()
    return [str(name) for name in names]


def _field(contents: Contents, member: str | None, field: str) -> Any:
    """A variable of a MATLAB file: of the file itself, or of a member of an archive."""
    import numpy as np
    from scipy.io import loadmat

    found = [name for name in contents.texts if member is None or PurePosixPath(name).name == member]
    if not found:
        what = member or "MATLAB file"
        raise SuiteError(
            f"{contents.path} holds no {what}: it is another archive or a part of one (md5 {contents.md5})"
        )
    try:
        variables = loadmat(io.BytesIO(contents.texts[found[0]]), squeeze_me=True)
    except Exception as error:  # its reader raises whatever the damage leads to
        raise SuiteError(f"{contents.path}: {found[0]} is no readable MATLAB file: {error}") from error
    if field not in variables:
        own = [name for name in variables if not name.startswith("__")]
        raise SuiteError(f"{contents.path}: {found[0]} has no variable {field!r}; variables: {allowed(own)}")
    return np.atleast_1d(variables[field])
