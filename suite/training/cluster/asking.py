"""Questions to workers. One that does not answer, because it is stopped or its process hangs, is not waited for.

Dask itself waits for all workers that it is to ask, until it gives one up (``worker-ttl``): minutes, or a day.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, NamedTuple

from distributed import Client, Scheduler
from distributed.scheduler import heartbeat_interval

_SILENT_SECONDS = 30.0
"""A worker that has not been heard of for so long is silent; each tells that it lives every few seconds."""
_LOOK_SECONDS = 1.0
_BEATS = 10
"""Signs of life that a silent worker has left out, at least."""


class Seen(NamedTuple):
    """What the scheduler knows of a worker.

    Attributes:
        resources: their names.
        silent: whether it has not been heard of for long.
    """

    resources: list[str]
    silent: bool


def workers_seen(seconds: float, *, dask_scheduler: Scheduler) -> dict[str, Seen]:
    """The workers of a scheduler, by their addresses. Dask fills in the scheduler.

    ``Client.scheduler_info`` may give no workers at all: a thread of the client renews its answer without them.
    """
    now, workers = time.time(), dask_scheduler.workers
    most = max(seconds, _BEATS * heartbeat_interval(len(workers)))
    return {
        address: Seen([name for name, amount in worker.resources.items() if amount], now - worker.last_seen > most)
        for address, worker in workers.items()
    }


def seen(client: Client) -> dict[str, Seen]:
    """The workers of a cluster, by their addresses.

    Raises:
        OSError: the scheduler does not answer.
    """
    known: dict[str, Seen] = client.run_on_scheduler(workers_seen, _SILENT_SECONDS)
    return known


def silence(worker: str, *, admitted: bool) -> str:
    """What is told of a worker that is silent."""
    why = "Dask gives it up after its worker-ttl, and its runs are computed again"
    return f"worker {worker} has not answered for {_SILENT_SECONDS:g} s; " + (
        why if admitted else "it loads the suite, or is stopped"
    )


def ask(client: Client, workers: Iterable[str] | None, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Ask workers, all of them if None; gives what each answered, or the exception that it raised. Silent ones give nothing.

    Raises:
        OSError: the scheduler does not answer.
    """
    asked = None if workers is None else set(workers)
    while asked := {
        each for each, found in seen(client).items() if not found.silent and (asked is None or each in asked)
    }:
        answers = begin(client, partial(client.run, function, *arguments, workers=sorted(asked), on_error="return"))
        if answered(client, answers, asked):
            found: dict[str, Any] = answers.result()
            return found
    return {}


def begin(client: Client, call: Callable[[], Any]) -> "Future[Any]":
    """Begin a call of a client's method; it goes on beside this thread."""

    async def awaited() -> Any:
        return await call()  # in the client's own thread its methods are to be awaited

    return asyncio.run_coroutine_threadsafe(awaited(), client.loop.asyncio_loop)  # type: ignore[union-attr, unused-ignore]


def answered(client: Client, answers: "Future[Any]", workers: Collection[str]) -> bool:
    """Wait until workers have answered; gives up, and gives False, where one of them falls silent.

    Raises:
        OSError: the scheduler does not answer.
    """
    while not wait([answers], timeout=_LOOK_SECONDS).done:
        if any(found.silent for each, found in seen(client).items() if each in workers):
            answers.cancel()
            return False
    return True
