"""Finding the cluster: a scheduler's file or address, or workers on this machine; each mistake is one clear line."""

import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dask
from distributed import Client, LocalCluster, Security
from distributed.comm.core import connect

from suite.errors import SuiteError, shortened

_START = "start one with: dask scheduler --scheduler-file FILE"
_NOTHING = logging.CRITICAL + 1
"""A level of Dask's logs: none is shown."""
_CONNECT_SECONDS = 15.0
_POLL_SECONDS = 0.2
_WRITING_SECONDS = 1.0
"""Within this time a file that was found is whole."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where the cluster is: one of the three.

    Attributes:
        scheduler_file: file that ``dask scheduler --scheduler-file`` writes.
        address: of a scheduler, e.g. ``tcp://node7:8786``.
        local: number of workers on this machine.
        patience: seconds to wait for a scheduler's file, and for workers.
    """

    scheduler_file: Path | None = None
    address: str | None = None
    local: int | None = None
    patience: float = 60.0


@contextmanager
def connected(where: Where) -> Iterator[Client]:
    """A client of the cluster.

    Raises:
        SuiteError: not exactly one place is named, the file is missing or malformed, or no scheduler
            answers.
    """
    given = [each for each in (where.scheduler_file, where.address, where.local) if each is not None]
    if len(given) != 1:
        raise SuiteError("allowed: exactly one of --scheduler-file FILE, --address ADDRESS and --local N")
    for name in ("distributed", *(each for each in logging.root.manager.loggerDict if each.startswith("distributed."))):
        logging.getLogger(name).setLevel(_NOTHING)  # what users need to know is told by the suite
    with ExitStack() as stack:
        if where.local is not None:
            stack.enter_context(dask.config.set({"distributed.scheduler.worker-ttl": None}))
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="suite-grid-"))
            address = stack.enter_context(
                LocalCluster(
                    n_workers=where.local,
                    threads_per_worker=1,
                    memory_limit=0,
                    local_directory=scratch,
                    dashboard_address=":0",
                    silence_logs=_NOTHING,
                )
            ).scheduler_address
        else:
            address = _checked(where) if where.address is not None else _read_address(where)
        source = f", which {where.scheduler_file} names: the file is stale" if where.scheduler_file else ""
        try:
            with ThreadPoolExecutor(1) as other:  # a notebook has a loop of its own in this thread
                other.submit(asyncio.run, _ask(address)).result()
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except Exception as error:  # of many kinds, by what listens there; a timeout is an OSError
            why = "" if isinstance(error, OSError) else f" ({shortened(str(error), 200)})"
            raise SuiteError(f"no scheduler answers at {address}{source}{why}; {_START}") from error
        stack.callback(_close, client)
        yield client


def _close(client: Client) -> None:
    """Where the scheduler has gone, closing may fail too: that tells nothing, and would hide what there is to tell."""
    with suppress(Exception):
        client.close()


def _checked(where: Where) -> str:
    """The address, with the protocol that it may lack.

    Raises:
        SuiteError: it has no port.
    """
    address = where.address or ""
    _, separator, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise SuiteError(f"--address {address!r}; allowed: PROTOCOL://HOST:PORT, e.g. tcp://node7:8786")
    return address if separator else f"tcp://{place}"


async def _ask(address: str) -> None:
    """Ask who answers at an address. Dask's client waits for ever for something else that listens there.

    Raises:
        OSError: nobody, or nobody of Dask.
        ValueError: no such protocol, or no scheduler.
    """
    async with asyncio.timeout(_CONNECT_SECONDS):
        comm = await connect(address, timeout=_CONNECT_SECONDS, **Security().get_connection_args("client"))
        try:
            await comm.write({"op": "identity", "reply": True})
            kind = (await comm.read()).get("type")
        finally:
            comm.abort()
    if kind != "Scheduler":
        raise ValueError(f"a {str(kind).lower()} does")


def _read_address(where: Where) -> str:
    """The address in a scheduler's file, which may be written a little later than this command is started."""
    path = where.scheduler_file
    assert path is not None
    started = time.monotonic()
    if path.is_dir():
        raise SuiteError(f"scheduler file {path} is a folder; {_START}")
    while not path.is_file():
        if time.monotonic() - started > where.patience:
            raise SuiteError(f"scheduler file {path} does not exist after {where.patience:g} s; {_START}")
        time.sleep(_POLL_SECONDS)
    found = time.monotonic()
    while True:
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["address"])
        except (ValueError, KeyError, TypeError) as error:
            if time.monotonic() - found > _WRITING_SECONDS:
                raise SuiteError(f"{path} is no scheduler file: {error!r}; {_START}") from error
        time.sleep(_POLL_SECONDS)
