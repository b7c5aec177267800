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
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker, as_completed

from suite.errors import SuiteError
from suite.training.cluster.deliveries import DeliveryError
from suite.training.cluster.description import Description
from suite.training.cluster.items import DEATHS, Item, ended
from suite.training.cluster.worker import Absent, Raised, run_task
from suite.training.cluster.workers import Demand, Workers

if TYPE_CHECKING:
    from distributed import Future

_HELD = 2
"""Runs that are with the scheduler, for each worker: one that runs and one that follows."""
_SENDINGS = 5
"""So often a parcel is brought to a worker that does not have it."""
_LOOK_SECONDS = 1.0
_LOADING_SECONDS = 300.0
"""So long a worker may load the suite before it counts as none; on a slow shared disk it takes long."""


class Cluster:
    """Runs tasks on a cluster; its methods may be called from several threads.

    Args:
        client: of the cluster.
        demand: what workers must be.
        say: shows a line to the user.

    Attributes:
        workers: of the cluster.

    Raises:
        SuiteError: a worker cannot load this suite.
    """

    def __init__(self, client: Client, demand: Demand, say: Callable[[str], None]) -> None:
        self._client, self._demand = client, demand
        self._lock = threading.RLock()
        self._items: dict[int, Item] = {}
        self._waiting: list[Item] = []
        self._held: dict[Any, Item] = {}
        self._count = 0
        self._error: SuiteError | None = None
        self._work, self._closed = threading.Event(), threading.Event()
        self._completed = as_completed(with_results=True, raise_errors=False, loop=client.loop)
        self.workers = Workers(client, demand, say, self._on_began, self._on_gone)
        self._absent: SimpleQueue[tuple[Item, Absent] | None] = SimpleQueue()
        for each in (self._collect, self._look, self._deliver):
            threading.Thread(target=each, daemon=True).start()

    def running(self) -> list[Item]:
        """Tasks that have begun and not ended, the longest first."""
        with self._lock:
            found = [item for item in self._held.values() if item.since is not None]
        return sorted(found, key=lambda item: item.since or 0.0)

    def execute(
        self,
        function: Callable[[Any, Any], Any],
        shared: Any,
        tasks: Sequence[Any],
        *,
        urgent: bool = False,
        name: Callable[[Any], str] = str,
        on_raised: Callable[[Any, str], None] = lambda *_: None,
    ) -> Iterator[tuple[Any, Any, Description]]:
        """Run ``function(shared, task)`` for each task; yields (task, result, worker) as they finish.

        Args:
            function: a function of a module, which workers find by its name.
            shared: reaches a worker once.
            tasks: picklable.
            urgent: whether others wait for these.
            name: gives what a task is called.
            on_raised: called with a task that raised, and with what.

        Yields:
            Tasks with results, and how their workers describe themselves if versions may differ.

        Raises:
            RunsRaisedError: some raised; after all others were given.
            ClusterLostError: the scheduler is gone, or no worker is left.
        """
        if not tasks:
            return
        parcel = self.workers.pack(function, shared)
        results: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        with self._lock:
            items = [
                Item(int(not urgent), self._count + each, parcel, task, name, results)
                for each, task in enumerate(tasks)
            ]
            self._count += len(items)
            self._items |= {item.number: item for item in items}
            for item in items:
                heapq.heappush(self._waiting, item)
        self._hand_over()
        try:
            yield from ended(results, len(tasks), on_raised)
        except BaseException:  # those that nobody waits for any more are not begun
            with self._lock:
                for item in [item for item in self._waiting if item.results is results]:
                    self._waiting.remove(item)
                    del self._items[item.number]
                heapq.heapify(self._waiting)
            raise

    def close(self) -> None:
        """Take back what was given to the scheduler."""
        self._closed.set()
        self._work.set()
        self._absent.put(None)
        self.workers.something_happened.set()
        if self._client.status == "running":
            self._count_deaths()
            self.workers.dismiss()

    def _hand_over(self) -> None:
        """Hand waiting tasks to the scheduler, as many as the workers need."""
        handed = []
        with self._lock:
            if self._error is not None:
                self._give_up(self._error)
            while self._waiting and len(self._held) < _HELD * len(self.workers.addresses):
                item = heapq.heappop(self._waiting)
                key = f"run-{item.number}-{uuid.uuid4().hex}"
                self._held[key] = item
                item.future = self._client.submit(
                    run_task,
                    item.parcel,
                    self._demand.files[0],
                    item.task,
                    self.workers.topic,
                    item.number,
                    key=key,
                    pure=False,
                    retries=0,
                    resources=self.workers.resources,
                    priority=-item.urgency,
                )
                handed.append(item.future)
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

    def _take(self, future: "Future[Any]", result: Any) -> None:
        with self._lock:
            item = self._held.pop(future.key, None)
            if item is None:
                return
            self._count_deaths()
            if isinstance(result, CancelledError) or future.status in ("cancelled", "lost"):
                ended = self._after_cancellation(item, result)
            elif future.status == "error":
                ended = self._after_error(item, result[1])
            elif isinstance(result, Absent):
                item.stop()
                item.missed[result.worker] = item.missed.get(result.worker, 0) + 1
                self._absent.put((item, result))
                return
            else:
                ended = result
            self._end(item, ended)

    def _end(self, item: Item, ended: Any) -> None:
        """Give an end, or let the task wait for another attempt if there is none."""
        if ended is None:
            heapq.heappush(self._waiting, item)
        else:
            del self._items[item.number]
            item.results.put((item.task, ended))

    def _count_deaths(self) -> None:
        """Tell what ran on workers that have gone, and count it: a run is given up once all its deaths are told."""
        with self._lock:
            for item in self.workers.gone():
                item.deaths += 1

    def _take_back(self, *, all_of_them: bool = False) -> None:
        """Take back runs that have killed their workers; Dask itself would start them again.

        All, where all workers have gone: Dask would not give what it held then to workers that are admitted later.
        """
        with self._lock:
            self._count_deaths()
            found = {key: item for key, item in self._held.items() if all_of_them or item.deaths > DEATHS}
            for key, item in found.items():
                del self._held[key]
                item.stop()  # it may have begun on a worker that has come since
                self._end(item, item.after_death())
        if found:
            self._client.cancel([item.future for item in found.values()], force=True)

    def _after_cancellation(self, item: Item, result: Any) -> Raised | SuiteError | None:
        """The scheduler is gone, or someone restarted its workers."""
        if self._client.status != "running" or "connection-lost" in str(getattr(result, "reason", "")):
            self._error = self.workers.lost()
            return self._error
        item.die()
        return item.after_death()

    def _after_error(self, item: Item, error: BaseException) -> Raised | None:
        """The worker died, or the result could not be read."""
        if isinstance(error, KilledWorker):
            if item.die():
                self.workers.fell(error.last_worker.address, item.told())
            item.blamed += 1
            return item.after_death()
        return Raised(f"{type(error).__name__}: {' '.join(str(error).split())}")

    def _deliver(self) -> None:
        """Thread: bring parcels to workers that joined later; their tasks wait meanwhile."""
        while (found := self._absent.get()) is not None:
            item, (absent, worker) = found[0], (found[1], found[1].worker)
            try:
                self.workers.bring(absent, again=item.missed[worker] > 1)
            except DeliveryError as error:
                self.workers.refuse(worker, str(error))
            except Exception as error:  # Dask raises many kinds where a connection ends
                if self._client.status != "running" or not isinstance(error, (OSError, ValueError)):
                    self._give_up(self.workers.lost())
                    return
            where = f"worker {worker}, or vanishes there"
            missed = Raised(f"parcel {absent.digest[:8]} does not reach {where}; sent {_SENDINGS} times")
            with self._lock:
                if item.number in self._items:
                    self._end(item, missed if item.missed[worker] > _SENDINGS else None)
            self._hand_over()

    def _on_began(self, number: int) -> None:
        if (item := self._items.get(number)) is not None:
            item.begin()

    def _on_gone(self, keys: set[str]) -> list[Item]:
        """In the thread of ``_on_began``, so that an attempt that follows does not count as the one that ended."""
        return [item for key in sorted(keys) if (item := self._held.get(key)) and item.stop()]

    def _look(self) -> None:
        """Thread: see which workers there are."""
        alone_since = time.monotonic()
        while not self._closed.is_set():
            self.workers.something_happened.wait(_LOOK_SECONDS)
            self.workers.something_happened.clear()
            before = self.workers.addresses
            try:
                self._take_back()
                self.workers.count()
                if before.isdisjoint(self.workers.addresses) and self._held:
                    self._take_back(all_of_them=True)
            except Exception as error:  # Dask raises many kinds where a connection ends
                if self._client.status == "running" and isinstance(error, OSError):
                    continue
                self._give_up(self.workers.lost())
                return
            if self.workers.addresses or self.workers.busy or not self._items:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > self._demand.patience + (
                _LOADING_SECONDS if self.workers.loading else 0
            ):
                self._give_up(self.workers.missing())
                return
            self._hand_over()

    def _give_up(self, error: SuiteError) -> None:
        with self._lock:
            self._error = error
            for item in self._items.values():
                item.results.put((item.task, error))
            self._items.clear()
            self._waiting.clear()
            self._held.clear()
