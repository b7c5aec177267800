"""Parcels: what tasks share, packed once, named by its digest, and opened on workers from their disks.

Large arrays are parcels of their own (pickle's protocol 5, PEP 574), and so is each network. So the features or views of a
data set reach a worker once, for all stages that read them.
"""

import hashlib
import io
import mmap
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from suite.files import replacing
from suite.hashing import user_files

Bytes = NDArray[np.uint8]
_LARGE = 1 << 16
"""Arrays of this many bytes are parcels of their own."""


class AbsentError(Exception):
    """A parcel has not reached this worker."""


class Packer:
    """Packs; an array that was packed before is not read again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}
        self._networks: dict[int, tuple[nn.Module, Bytes]] = {}

    def pack(self, function: Callable[..., Any], shared: Any) -> tuple[str, dict[str, Callable[[], bytes]]]:
        """Pack a function and what its tasks share.

        Returns:
            The digest of the parcel that ``opened`` takes, and all parcels that belong to it, by digest: functions that
            give their bytes.
        """
        parcels: dict[str, Callable[[], bytes]] = {}
        digests: list[str] = []

        def keep_large(buffer: pickle.PickleBuffer) -> bool:
            view = buffer.raw()
            if view.nbytes < _LARGE:
                return True
            digest = self._digest(view)
            digests.append(digest)
            parcels[digest] = view.tobytes
            return False

        stream = io.BytesIO()
        _Pickler(stream, keep_large, self._saved).dump((function, shared))
        content = pickle.dumps((digests, stream.getvalue()))
        digest = hashlib.sha256(content).hexdigest()
        parcels[digest] = lambda: content
        return digest, parcels

    def _digest(self, view: memoryview) -> str:
        owner = view.obj
        if id(owner) not in self._known:
            self._known[id(owner)] = owner, hashlib.sha256(view).hexdigest()
        return self._known[id(owner)][1]

    def _saved(self, network: nn.Module) -> Bytes:
        if id(network) not in self._networks:
            stream = io.BytesIO()
            torch.save(network, stream)
            self._networks[id(network)] = network, np.frombuffer(stream.getvalue(), np.uint8)
        return self._networks[id(network)][1]


class _Pickler(pickle.Pickler):
    """Pickles networks as ``torch.save`` does: pickle's own bytes of a tensor differ from process to process."""

    def __init__(
        self,
        stream: io.BytesIO,
        keep_large: Callable[[pickle.PickleBuffer], bool],
        saved: Callable[[nn.Module], Bytes],
    ) -> None:
        super().__init__(stream, protocol=5, buffer_callback=keep_large)
        self._saved = saved

    def reducer_override(self, value: Any) -> Any:
        """As in ``pickle``."""
        return (_network, (self._saved(value),)) if isinstance(value, nn.Module) else NotImplemented


def _network(content: Bytes) -> nn.Module:
    network: nn.Module = torch.load(io.BytesIO(content.tobytes()), weights_only=False)
    return network


def pack_files(targets: dict[str, str]) -> tuple[str, bytes]:
    """Pack the files of losses that lie in files, with what they import from beside themselves.

    Args:
        targets: by what names them, for error messages.

    Returns:
        The digest, and the parcel that ``lay_out`` takes.

    Raises:
        SuiteError: a file is missing, or lies outside the project.
    """
    here = Path.cwd()
    files: dict[str, bytes] = {}
    for setting, target in targets.items():
        for file in user_files(Path(target.rpartition(":")[0]), setting):
            place = (here / file).relative_to(here) if file.is_absolute() else file
            files[place.as_posix()] = file.read_bytes()
    content = pickle.dumps(sorted(files.items()))
    return hashlib.sha256(content).hexdigest(), content


def store(folder: Path, digest: str, piece: bytes, place: int = 0, count: int = 1) -> bool:
    """Write a piece of a parcel to a worker's folder, unless the parcel is there; after the last one, put them together.

    Returns:
        Whether the parcel is whole.
    """
    if (folder / digest).is_file():
        return True
    paths = [folder / f"{digest}.{each}" for each in range(count)]
    with replacing(paths[place]) as temporary:
        temporary.write_bytes(piece)
    if place < count - 1 or not all(path.is_file() for path in paths):
        return False
    with replacing(folder / digest) as temporary, temporary.open("wb") as stream:
        for path in paths:
            stream.write(path.read_bytes())
    for path in paths:
        path.unlink(missing_ok=True)
    return True


@lru_cache(maxsize=2)
def opened(folder: Path, digest: str) -> tuple[Callable[[Any, Any], Any], Any]:
    """The function, and what its tasks share. Arrays are pages of their file, so they take no memory twice.

    Raises:
        AbsentError: it is not in the folder, or an array that belongs to it.
    """
    digests, payload = pickle.loads(read(folder, digest))  # noqa: S301 - Dask itself sends pickles
    try:
        buffers = [_mapped(folder, each) for each in digests]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AbsentError(digest) from error
    function, shared = pickle.loads(payload, buffers=buffers)  # noqa: S301
    return function, shared


def read(folder: Path, digest: str) -> bytes:
    """The bytes of a parcel.

    Raises:
        AbsentError: it is not in the folder.
    """
    try:
        return (folder / digest).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AbsentError(digest) from error


@lru_cache(maxsize=32)
def _mapped(folder: Path, digest: str) -> mmap.mmap:
    with (folder / digest).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
