"""The driver's side of the workers: which there are, which are refused, and what has been sent to them."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from distributed import Client, Scheduler

from suite.errors import SuiteError
from suite.settings.plans import Regime
from suite.training.cluster.asking import answered, ask, begin, seen, silence
from suite.training.cluster.deliveries import Deliveries, DeliveryError
from suite.training.cluster.description import describe, description_of_worker
from suite.training.cluster.items import Item
from suite.training.cluster.worker import GPU, Absent, Admission


def withdraw(address: str, token: str, *, dask_scheduler: Scheduler) -> None:
    """Give a worker no more tasks that ask for a resource. Dask fills in the scheduler."""
    if address in dask_scheduler.workers:
        dask_scheduler.add_resources(address, {token: 0})


_BUSY_SECONDS = 30.0
"""A worker that is at a run of another command for so long is told."""
_DISMISSAL_SECONDS = 5.0
_MOST_TOLD = 3
"""Tasks that are named where many workers have gone."""


class ClusterLostError(SuiteError):
    """No run can be computed any more: the scheduler is gone, or there are no workers."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a worker must be.

    Attributes:
        regime: whose code it must have.
        targets: losses in installed modules, whose code it must have, too.
        files: digest and bytes of the user's files.
        modules: whose functions tasks call, besides that of the runs of the regime; their code counts, too.
        allow_versions: whether it may differ.
        resources: that it must have been started with, e.g. ``{"GPU": 1}``.
        patience: seconds to wait for a first one.
    """

    regime: Regime
    targets: list[str]
    files: tuple[str, bytes]
    modules: list[str] = field(default_factory=list)
    allow_versions: bool = False
    resources: dict[str, float] = field(default_factory=dict)
    patience: float = 60.0


class Workers:
    """The workers of a cluster.

    Args:
        client: of the cluster.
        demand: what they must be.
        say: shows a line to the user.
        on_began: called with the number of a task that has begun, in the client's own thread.
        on_gone: called with the keys of tasks that a worker held that has gone, in the client's own thread; gives those that
            ran there.

    Attributes:
        expected: what they are compared with.
        topic: where they tell what happens.
        addresses: of those that compute.
        loading: those that load the suite, and are neither admitted nor refused yet.
        busy: those that will be admitted when a run of another command there ends.
        something_happened: set when one has gone.

    Raises:
        SuiteError: a worker cannot load this suite.
    """

    def __init__(
        self,
        client: Client,
        demand: Demand,
        say: Callable[[str], None],
        on_began: Callable[[int], None],
        on_gone: Callable[[set[str]], list[Item]],
    ) -> None:
        self._client, self._demand, self._say = client, demand, say
        self._on_began, self._on_gone = on_began, on_gone
        self._deliveries = Deliveries(client, demand.files)
        self._refused: dict[str, str] = {}
        self._admitted: set[str] = set()
        self._silent: set[str] = set()
        self._fallen: set[str] = set()
        self._departed: set[str] = set()
        self._gone: SimpleQueue[tuple[str, list[Item]]] = SimpleQueue()
        self._dismissed = False
        self._described = demand.regime, tuple(demand.targets), tuple(demand.modules)
        self.expected = describe(*self._described)
        self.topic = f"suite-{uuid.uuid4().hex}"
        self._token = self.topic  # of this driver alone: another one's admission says nothing of a worker's thread now
        self.addresses: set[str] = set()
        self.loading: set[str] = set()
        self.busy: set[str] = set()
        self.something_happened = threading.Event()
        self._check_loading()
        client.subscribe_topic(self.topic, self._on_event)
        client.subscribe_topic("all", self._on_scheduler_event)
        admission = Admission(
            self._token,
            self.topic,
            self._described,
            self.expected,
            allow_versions=demand.allow_versions,
            busy_seconds=_BUSY_SECONDS,
            on_gpu=GPU in demand.resources,
        )
        try:
            admitting = begin(client, partial(client.register_plugin, admission, name=self.topic))
            if answered(client, admitting, seen(client)):
                admitting.result()
        except OSError as error:  # or a worker has died just then
            if client.status != "running":
                raise self.lost() from error
        self.count()

    @property
    def resources(self) -> dict[str, float]:
        """What tasks ask for."""
        return {self._token: 1} | self._demand.resources

    def pack(self, function: Callable[..., Any], shared: Any) -> str:
        """Send a function and what its tasks share, as far as it has not been sent; gives the parcel's digest.

        Raises:
            ClusterLostError: the scheduler is gone.
        """
        try:
            return self._deliveries.pack(function, shared, self.addresses)
        except OSError as error:
            raise self.lost() from error

    def bring(self, absent: Absent, *, again: bool) -> None:
        """Send a worker what it lacks of a parcel and of all that belongs to it.

        Raises:
            DeliveryError: the worker cannot keep it.
            OSError: the scheduler is gone.
        """
        if absent.unable:
            raise DeliveryError(absent.unable)
        self._deliveries.bring(absent.digest, absent.worker, again=again)

    def count(self) -> None:
        """See which workers there are.

        Raises:
            OSError: the scheduler does not answer.
        """
        wanted, known = self.resources.keys(), seen(self._client)
        self.busy &= known.keys()
        self.loading = known.keys() - self._admitted - self._refused.keys() - self.busy
        untold = self.addresses - known.keys() - self._departed  # they go when the scheduler has told what they held
        self.addresses = untold | {address for address, found in known.items() if wanted <= set(found.resources)}
        silent = {address for address, found in known.items() if found.silent}
        for address in sorted(silent - self._silent):
            self._say(silence(address, admitted=address in self._admitted))
        self._silent |= silent

    def gone(self) -> list[Item]:
        """Tell of the workers that have gone since the last call; gives what ran there, once for each of them."""
        told, died = list[tuple[str, list[str]]](), list[Item]()
        while not self._gone.empty():
            address, ran = self._gone.get()
            died += ran
            if address in self._admitted - self._fallen and not self._dismissed:
                told.append((address, [item.told() for item in ran]))
        if len(told) > _MOST_TOLD:
            told = [(f"{len(told)} workers are gone: {told[0][0]}, ...", [name for _, names in told for name in names])]
        else:
            told = [(f"worker {address} is gone", names) for address, names in told]
        for who, names in told:
            what = ", ".join(names[:_MOST_TOLD]) + (", ..." if names[_MOST_TOLD:] else "")
            self._say(f"{who}; {what} ran there" if names else who)
        return died

    def fell(self, worker: str, run: str) -> None:
        """Tell of a worker that has gone, and what ran there; Dask gives up a run before it tells of the worker."""
        self._fallen.add(worker)
        self._say(f"worker {worker} is gone; {run} ran there")

    def refuse(self, worker: str, why: str) -> None:
        """Give a worker that was admitted no more tasks."""
        if worker in self._refused:  # several runs lacked something there
            return
        self._refused[worker] = why
        self._say(f"worker {worker} is refused: {why}")
        self._client.run_on_scheduler(withdraw, worker, self._token)
        self.count()

    def lost(self) -> ClusterLostError:
        """What to raise where the scheduler is gone."""
        return ClusterLostError(
            "the scheduler is gone; finished runs are kept: start scheduler and workers, and run the command again"
        )

    def missing(self) -> ClusterLostError:
        """What to raise where no worker has come."""
        resources = "".join(f" --resources {name}={amount:g}" for name, amount in self._demand.resources.items())
        start = f"start some with: dask worker --nthreads 1 --memory-limit 0{resources} --scheduler-file FILE"
        told = f"; {len(self._refused)} refused: {next(iter(self._refused.values()))}" if self._refused else ""
        told += f"; {len(self.loading)} still load the suite" if self.loading else ""
        return ClusterLostError(f"no worker to run on for {self._demand.patience:g} s{told}; {start}")

    def dismiss(self) -> None:
        """Take back what the scheduler holds for workers that will come."""
        self._dismissed = True
        taking = begin(self._client, partial(self._client.unregister_worker_plugin, self.topic))
        wait([taking], timeout=_DISMISSAL_SECONDS)  # what comes of it is of no use any more

    def _check_loading(self) -> None:
        """Workers that cannot load the suite would fail at the first plugin, and so would those that come later."""
        found = ask(self._client, None, description_of_worker, *self._described)
        for address, each in found.items():
            if isinstance(each, Exception) and not isinstance(each, (OSError, SuiteError)):
                raise SuiteError(f"worker {address} cannot load this suite: {type(each).__name__}: {each}")

    def _on_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """In the client's own thread, where nothing may wait."""
        message = event[1]
        if "began" in message:
            self._on_began(message["began"])
            return
        if "busy" in message:
            self.busy.add(message["busy"])
            self._say(
                f"worker {message['busy']} is still at a run of another command; it is taken when that ends; if it never "
                "does, start the worker anew"
            )
            return
        found = message["admission"]
        worker, differs = found["worker"], found["different"]
        if not found["refused"]:
            self._admitted.add(worker)
            self._fallen.discard(worker)
            self._departed.discard(worker)
        self.busy.discard(worker)
        if found["refused"]:
            self._refused[worker] = found["refused"]
            self._say(f"worker {worker} is refused: {found['refused']}")
        elif differs:
            self._say(f"worker {worker} differs, and is allowed to: {differs}")
        if found["memory_limit"]:
            gib = found["memory_limit"] / 2**30
            self._say(f"worker {worker}: Dask will kill it at {gib:.1f} GiB; start it with --memory-limit 0")

    def _on_scheduler_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """In the client's own thread: what the scheduler logs of the whole cluster."""
        message = event[1]
        if message.get("action") == "remove-worker":
            held = set(message["processing-tasks"])
            self._gone.put((message["worker"], self._on_gone(held)))
            self._departed.add(message["worker"])
            self.something_happened.set()
