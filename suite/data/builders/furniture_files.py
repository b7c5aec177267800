"""Unpacking the files of a 3D model, with the two repairs which VTK's OBJ importer needs.

The importer gives a whole file up at a face of fewer than three corners, and ends the process at a
material's property that stands before the first material. Such lines are blanked; they draw nothing.
"""

import re
import zipfile
from pathlib import Path, PurePosixPath

from suite.data.builders.furniture_catalog import Model

_DEGENERATE_FACE = re.compile(rb"(?m)^f(?:[ \t]+[\d/-]+){0,2}[ \t]*\r?$")
_FIRST_MATERIAL = re.compile(rb"(?m)^[ \t]*newmtl\b")


def repaired_obj(obj: bytes) -> bytes:
    """Blank the faces of fewer than three corners in an OBJ file."""
    return _DEGENERATE_FACE.sub(b"", obj)


def repaired_mtl(mtl: bytes) -> bytes:
    """Cut what stands before the first material of an MTL file; empty where there is no material."""
    found = _FIRST_MATERIAL.search(mtl)
    return mtl[found.start() :] if found else b""


def extract(model: Model, folder: Path, target: Path) -> Path:
    """Unpack the folder of a model: OBJ and MTL files, repaired, and textures.

    Args:
        model: the model.
        folder: folder of the .sh3f files.
        target: folder to unpack into.

    Returns:
        Path of the OBJ file; its MTL file has the same name up to the ending.
    """
    parent = str(PurePosixPath(model.member).parent) + "/"
    with zipfile.ZipFile(folder / f"{model.collection}.sh3f") as archive:
        archive.extractall(target, [name for name in archive.namelist() if name.startswith(parent)])
    obj = target / model.member
    obj.write_bytes(repaired_obj(obj.read_bytes()))
    mtl = obj.with_suffix(".mtl")
    mtl.write_bytes(repaired_mtl(mtl.read_bytes()))
    return obj
