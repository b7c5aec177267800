"""The executor on a Dask cluster: ``Cluster.execute`` takes and gives what ``suite.processes.in_parallel`` does.

A run that raises is told at the end and cancels nothing. A run whose worker died is computed again, three times. Two runs a
worker are with the scheduler at a time, the others wait here: Dask blames a lost worker on all tasks that it held
(distributed 5234), and its scheduler need not know of a hundred thousand runs.
"""

import heapq
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from distributed import Client, Future, KilledWorker, as_completed

from suite.errors import SuiteError
from suite.hashing import sha256_value
from suite.settings.plans import Regime
from suite.training.cluster.description import Description, describe
from suite.training.cluster.parcels import Packer
from suite.training.cluster.worker import Absent, Admission, Done, Parcel, Raised, run_task

DEATHS = 3
"""So often a run is computed again whose worker died."""
_HELD = 2
"""Runs that are with the scheduler, for each worker: one that runs and one that follows."""
_SENDINGS = 5
_LOOK_SECONDS = 1.0


class RunsRaisedError(SuiteError):
    """Some tasks raised; all others have been given.

    Attributes:
        raised: the tasks, with what they raised.
    """

    def __init__(self, raised: list[tuple[Any, str]]) -> None:
        super().__init__(f"{len(raised)} failed: {raised[0][1]}")
        self.raised = raised


class ClusterLostError(SuiteError):
    """No run can be computed any more: the scheduler is gone, or there are no workers."""


@dataclass(order=True, slots=True)
class _Item:
    """A task that has not ended: ordered by urgency, then by time."""

    urgency: int
    number: int
    parcel: str = field(compare=False)
    task: Any = field(compare=False)
    results: "SimpleQueue[tuple[Any, Any]]" = field(compare=False)
    began: int = field(compare=False, default=0)
    sendings: int = field(compare=False, default=0)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a worker must be.

    Attributes:
        regime: whose code it must have.
        targets: losses in installed modules, whose code it must have, too.
        files: digest and bytes of the user's files.
        allow_versions: whether it may differ.
        resources: that it must have been started with, e.g. ``{"GPU": 1}``.
        patience: seconds to wait for a first one.
    """

    regime: Regime
    targets: list[str]
    files: tuple[str, bytes]
    allow_versions: bool = False
    resources: dict[str, float] = field(default_factory=dict)
    patience: float = 60.0


class Cluster:
    """Runs tasks on a cluster; its methods may be called from several threads.

    Args:
        client: of the cluster.
        demand: what workers must be.
        say: shows a line to the user.

    Raises:
        SuiteError: a worker cannot load this suite.
    """

    def __init__(self, client: Client, demand: Demand, say: Callable[[str], None]) -> None:
        self._client, self._demand, self._say = client, demand, say
        self._lock = threading.RLock()
        self._waiting: list[_Item] = []
        self._held: dict[str, _Item] = {}
        self._items: dict[int, _Item] = {}
        self._running: set[int] = set()
        self._sent: dict[str, Callable[[], bytes]] = {}
        self._count = 0
        self._packer = Packer()
        self._completed = as_completed(with_results=True, raise_errors=False, loop=client.loop)
        self._error: SuiteError | None = None
        self._work = threading.Event()
        self._closed = threading.Event()
        self.workers: set[str] = set()
        """Addresses of the workers that compute."""
        self.refused: dict[str, str] = {}
        """Of those that were refused: what differs."""
        self.expected = describe(demand.regime, demand.targets)
        self._token = f"suite-{sha256_value([self.expected, demand.allow_versions])[:16]}"
        self._topic = self._admission = f"suite-{uuid.uuid4().hex}"
        self._admit()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._collect, self._look)]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> int:
        """Tasks that have begun and not ended."""
        return len(self._running)

    def execute(
        self, function: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[Any], *, urgent: bool = False
    ) -> Iterator[tuple[Any, Any, Description]]:
        """Run ``function(shared, task)`` for each task; yields (task, result, worker) as they finish.

        Args:
            function: a function of a module, which workers find by its name.
            shared: reaches a worker once.
            tasks: picklable.
            urgent: whether others wait for these.

        Yields:
            Tasks with results, and how their workers describe themselves if versions may differ.

        Raises:
            RunsRaisedError: some raised; after all others were given.
            ClusterLostError: the scheduler is gone, or no worker is left.
        """
        if not tasks:
            return
        parcel, parcels = self._packer.pack(function, shared)
        del shared
        self._sent |= parcels
        for digest in parcels:
            self._send(digest)
        results: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        with self._lock:
            for task in tasks:
                self._count += 1
                self._items[self._count] = _Item(int(not urgent), self._count, parcel, task, results)
                heapq.heappush(self._waiting, self._items[self._count])
        self._hand_over()
        raised: list[tuple[Any, str]] = []
        for _ in tasks:
            task, result = results.get()
            if isinstance(result, Exception):
                raise result
            if isinstance(result, Raised):
                raised.append((task, result.text))
            else:
                yield task, result.value, result.worker
        if raised:
            raise RunsRaisedError(raised)

    def close(self) -> None:
        """Take back what was given to the scheduler."""
        self._closed.set()
        self._work.set()
        if self._client.status != "running":
            return
        names = [self._admission, self._demand.files[0], *self._sent]
        try:
            self._client.cancel([Future(key, self._client) for key in list(self._held)], force=True)
            for name in names:
                self._client.unregister_worker_plugin(name)
        except (OSError, ValueError, CancelledError):
            pass  # it is gone, or another driver has taken them back

    def _admit(self) -> None:
        """Ask the present workers what they are; then let them, and those to come, admit themselves."""
        found = self._client.run(describe, self._demand.regime, self._demand.targets, on_error="return")
        for address, each in found.items():
            if isinstance(each, Exception) and not isinstance(each, (OSError, SuiteError)):
                raise SuiteError(f"worker {address} cannot load this suite: {type(each).__name__}: {each}")
        self._client.subscribe_topic(self._topic, self._on_event)
        demand = self._demand
        self._sent[demand.files[0]] = lambda: demand.files[1]
        self._send(demand.files[0])
        admission = Admission(
            self._token,
            self._topic,
            demand.regime,
            demand.targets,
            self.expected,
            allow_versions=demand.allow_versions,
        )
        self._register(admission, self._admission)
        self._count_workers()

    def _send(self, digest: str, *, again: bool = False) -> None:
        self._register(Parcel(digest, self._sent[digest](), again=again), digest)

    def _register(self, plugin: Admission | Parcel, name: str) -> None:
        """Register a plugin. If a worker dies just then, others may have missed it; a task will find out."""
        try:
            self._client.register_plugin(plugin, name=name)
        except OSError as error:
            if self._client.status != "running":
                raise self._lost() from error

    def _hand_over(self) -> None:
        """Hand waiting tasks to the scheduler, as many as the workers need."""
        with self._lock:
            if self._error is not None:
                self._give_up(self._error)
                return
            most = _HELD * len(self.workers)
            handed = []
            while self._waiting and len(self._held) < most:
                item = heapq.heappop(self._waiting)
                key = f"run-{item.number}-{uuid.uuid4().hex}"
                self._held[key] = item
                future = self._client.submit(
                    run_task,
                    item.parcel,
                    self._demand.files[0],
                    item.task,
                    self._topic,
                    item.number,
                    self._admission,
                    key=key,
                    pure=False,
                    retries=0,
                    resources={self._token: 1} | self._demand.resources,
                    priority=-item.urgency,
                )
                handed.append(future)
        if handed:
            self._completed.update(handed)
            self._work.set()

    def _collect(self) -> None:
        """Thread: take what ended."""
        while not self._closed.is_set():
            if self._completed.is_empty():
                self._work.wait(_LOOK_SECONDS)
                self._work.clear()
                continue
            for future, result in self._completed.next_batch():
                self._take(future, result)
            self._hand_over()

    def _take(self, future: Future, result: Any) -> None:
        with self._lock:
            item = self._held.pop(future.key, None)
            if item is None:
                return
            self._running.discard(item.number)
            ended = self._judge(item, future, result)
            if ended is None:
                heapq.heappush(self._waiting, item)
            else:
                del self._items[item.number]
                item.results.put((item.task, ended))

    def _judge(self, item: _Item, future: Future, result: Any) -> Done | Raised | Exception | None:
        """What became of a task: an end, or None if it is to be computed again."""
        if isinstance(result, CancelledError) or future.status in ("cancelled", "lost"):
            if self._client.status != "running" or "connection-lost" in str(getattr(result, "reason", "")):
                self._error = self._lost()
                return self._error
            result = None  # someone restarted the workers
        elif future.status == "error":
            result = result[1]
            if not isinstance(result, KilledWorker):
                return Raised(f"{type(result).__name__}: {' '.join(str(result).split())}")
        elif isinstance(result, Absent):
            item.began -= 1
            item.sendings += 1
            if item.sendings > _SENDINGS:
                return Raised(f"parcel {result.digest[:8]} does not reach worker after {_SENDINGS} attempts")
            self._send(result.digest, again=True)
            return None
        else:
            return result  # type: ignore[no-any-return]
        if item.began > DEATHS:
            return Raised(f"its worker died, {item.began} times")
        return None

    def _on_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """In the client's own thread, where nothing may wait."""
        message = event[1]
        if "began" in message:
            item = self._items.get(message["began"])
            if item is not None:
                item.began += 1
                self._running.add(item.number)
            return
        found = message["admission"]
        worker, differs = found["worker"], found["different"]
        if found["refused"]:
            self.refused[worker] = found["refused"]
            self._say(f"worker {worker} is refused: {found['refused']}")
        elif differs:
            self._say(f"worker {worker} differs, and is allowed to: {differs}")
        if found["memory_limit"]:
            gib = found["memory_limit"] / 2**30
            self._say(f"worker {worker}: Dask will kill it at {gib:.1f} GiB; start it with --memory-limit 0")

    def _look(self) -> None:
        """Thread: see which workers there are."""
        alone_since = time.monotonic()
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                self._count_workers()
            except (OSError, RuntimeError, ValueError, AttributeError, CancelledError):
                if self._client.status != "running":
                    self._give_up(self._lost())
                    return
                continue
            if self.workers or not self._items:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > self._demand.patience:
                self._give_up(self._no_workers())
                return
            self._hand_over()

    def _count_workers(self) -> None:
        wanted = {self._token, *self._demand.resources}
        known = self._client.scheduler_info()["workers"]
        found = {address for address, each in known.items() if wanted <= each["resources"].keys()}
        for address in sorted(self.workers - found):
            if not self._closed.is_set():
                self._say(f"worker {address} is gone")
        self.workers = found

    def _give_up(self, error: SuiteError) -> None:
        with self._lock:
            self._error = error
            for item in self._items.values():
                item.results.put((item.task, error))
            self._items.clear()
            self._waiting.clear()
            self._held.clear()

    def _lost(self) -> ClusterLostError:
        address = self._client.scheduler.address if self._client.scheduler else "the address"
        return ClusterLostError(
            f"the scheduler at {address} is gone; finished runs are kept: start a scheduler and run the command again"
        )

    def _no_workers(self) -> ClusterLostError:
        resources = "".join(f" --resources {name}={amount:g}" for name, amount in self._demand.resources.items())
        start = f"start some with: dask worker --nthreads 1 --memory-limit 0{resources} --scheduler-file FILE"
        told = f"; {len(self.refused)} were refused: {next(iter(self.refused.values()))}" if self.refused else ""
        return ClusterLostError(f"no worker to run on for {self._demand.patience:g} s{told}; {start}")
