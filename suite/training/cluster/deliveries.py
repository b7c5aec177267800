"""Deliveries: parcels reach each worker once, in pieces and a few workers at a time.

All goes through the scheduler, which copies a message for each worker that it sends it to. So its memory is that of a few
pieces, however many workers there are and however large a parcel is. A worker that joins later finds at its first task what
it lacks, and is brought that.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from distributed import Client

from suite.training.cluster.asking import ask
from suite.training.cluster.parcels import Packer
from suite.training.cluster.worker import cannot_keep, keep_piece, kept

_PIECE = 4 << 20
"""Bytes of a piece, at most."""
_AT_ONCE = 64 << 20
"""Bytes that the scheduler sends at the same time, to several workers together."""


class DeliveryError(Exception):
    """A worker cannot keep a parcel: its disk is full, or may not be written."""


class Deliveries:
    """What has been packed, and who has it; its methods may be called from several threads.

    Args:
        client: of the cluster.
        files: digest and bytes of the user's files, which every task needs.
    """

    def __init__(self, client: Client, files: tuple[str, bytes]) -> None:
        self._client, self._files = client, files[0]
        self._packer, self._lock = Packer(), threading.Lock()
        self._contents: dict[str, Callable[[], bytes]] = {files[0]: lambda: files[1]}
        self._belonging: dict[str, list[str]] = {}
        self._holders: dict[str, set[str]] = {}
        self._asked: set[str] = set()
        self._unable: dict[str, str] = {}

    def pack(self, function: Callable[..., Any], shared: Any, workers: Iterable[str]) -> str:
        """Pack a function and what its tasks share, and bring that to workers; gives the parcel's digest.

        Raises:
            OSError: the scheduler is gone.
        """
        with self._lock:  # two stages may share an array
            digest, parcels = self._packer.pack(function, shared)
            self._belonging[digest] = [each for each in parcels if each != digest]
            self._contents = parcels | self._contents
            self._bring(digest, set(workers))
        return digest

    def bring(self, digest: str, worker: str, *, again: bool = False) -> None:
        """Bring a worker a parcel and all that it needs besides, as far as it lacks them, or all of it again.

        Raises:
            DeliveryError: the worker cannot keep it.
            OSError: the scheduler is gone.
        """
        with self._lock:
            if again:
                for holders in self._holders.values():
                    holders.discard(worker)
            self._bring(digest, {worker})
            if worker in self._unable:
                raise DeliveryError(self._unable.pop(worker))

    def _bring(self, digest: str, workers: set[str]) -> None:
        self._ask(workers - self._asked)
        for each in (self._files, *self._belonging.get(digest, ()), digest):
            holders = self._holders.setdefault(each, set())
            if lacking := sorted(workers - holders):
                pieces = list(_pieces(self._contents[each]()))
                together = max(1, _AT_ONCE // max(1, len(pieces[0])))
                for start in range(0, len(lacking), together):
                    holders |= self._send(each, pieces, lacking[start : start + together])

    def _ask(self, workers: set[str]) -> None:
        """Ask workers what they have, from another driver or from before this one was started again."""
        found = ask(self._client, workers, kept) if workers else {}
        for worker, digests in found.items():
            if isinstance(digests, list):
                self._asked.add(worker)
                for digest in digests:
                    self._holders.setdefault(digest, set()).add(worker)

    def _send(self, digest: str, pieces: list[bytes], workers: list[str]) -> set[str]:
        """Send a parcel; gives the workers that have it then. One that dies meanwhile is none of them."""
        whole: dict[str, Any] = {}
        for place, piece in enumerate(pieces):
            if workers:
                arguments = digest, place, len(pieces), piece
                whole = ask(self._client, workers, keep_piece, *arguments)
                self._unable |= {
                    worker: cannot_keep(each)
                    for worker, each in whole.items()
                    if isinstance(each, OSError) and each.filename  # no file's name: the connection has ended
                }
                workers = [worker for worker in workers if isinstance(whole.get(worker), bool)]
        return {worker for worker in workers if whole[worker]}


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[start : start + _PIECE] for start in range(0, max(1, len(content)), _PIECE))
