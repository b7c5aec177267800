"""What happens on a worker: it is admitted, is given parcels, and runs tasks in a folder of its own."""

import asyncio
import contextlib
import ctypes
import os
import pickle
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from suite.errors import SuiteError, told
from suite.processes import contain_here, limit_threads
from suite.settings.plans import Regime
from suite.training.cluster.description import Description, description_of_worker, differences
from suite.training.cluster.parcels import AbsentError, opened, read, store

GPU = "GPU"
"""Name of the resource of workers that runs of whole networks ask for."""
HOME = Path.cwd()
"""The folder in which the worker was started: this module is loaded before any task runs."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of settings in glibc's ``malloc.h``."""
_SOON_SECONDS = 2.0
"""So long the admission of a worker is waited for before others begin."""
_laid_out = ""
"""Digest of the files that lie in the folder of the tasks."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a task gave, and what differs on its worker from the driver's, if anything."""

    value: Any
    worker: Description


@dataclass(frozen=True, slots=True)
class Raised:
    """A task raised; as text, because a user's exception may not be known where it is read."""

    text: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A worker lacks what a task reads: it joined later, its folder has vanished, or it cannot keep anything there.

    Attributes:
        digest: of the parcel.
        worker: its address.
        unable: why it cannot keep anything, if that is so.
    """

    digest: str
    worker: str
    unable: str = ""


class Admission(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """Admits a worker that computes what the driver would compute: it is given the resource that tasks ask for.

    Args:
        token: name of the resource.
        topic: where events are told.
        described: regime, losses and modules whose code counts, as ``describe`` takes them.
        expected: what the worker is compared with.
        allow_versions: whether one that differs is admitted, too.
        busy_seconds: after which a worker that others keep from being admitted is told.
        on_gpu: whether each run takes the GPU of its worker: one with several would leave all but the first alone.
    """

    admission: "asyncio.Task[None] | None" = None

    def __init__(
        self,
        token: str,
        topic: str,
        described: tuple[Regime, tuple[str, ...], tuple[str, ...]],
        expected: Description,
        *,
        allow_versions: bool,
        busy_seconds: float,
        on_gpu: bool = False,
    ) -> None:
        self.token, self.topic, self.described = token, topic, described
        self.expected, self.allow_versions, self.busy_seconds = expected, allow_versions, busy_seconds
        self.on_gpu = on_gpu
        self.found: Description = {}

    async def setup(self, worker: Worker) -> None:
        """Compare, then admit or refuse; either is told to the driver."""
        try:
            self.found = await asyncio.to_thread(description_of_worker, *self.described)
            different = differences(self.expected, self.found)
        except SuiteError as error:
            different = str(error)
        refused = different if different and not self.allow_versions else ""
        if worker.state.nthreads != 1:
            refused = f"it has {worker.state.nthreads} threads; start it with --nthreads 1"
        elif self.on_gpu and worker.state.total_resources.get(GPU) and (gpus := await asyncio.to_thread(_gpus)) > 1:
            refused = (
                f"it sees {gpus} GPUs and would use one; start one for each, with CUDA_VISIBLE_DEVICES = its number"
            )
        limit = worker.memory_manager.memory_limit
        event = {"worker": worker.address, "refused": refused, "different": different, "memory_limit": limit or 0}
        if refused:
            worker.log_event(self.topic, {"admission": event})
            return
        self.admission = asyncio.create_task(self._admit(worker, event))  # one that nobody holds may be collected
        await asyncio.wait([self.admission], timeout=_SOON_SECONDS)

    async def _admit(self, worker: Worker, event: dict[str, Any]) -> None:
        """Admit a worker as soon as its thread is free: a run of a driver that has gone may be there, and never end."""
        free = asyncio.wrap_future(worker.executors["default"].submit(int))
        if not (await asyncio.wait([free], timeout=self.busy_seconds))[0]:
            worker.log_event(self.topic, {"busy": worker.address})
            await free
        if worker.plugins.get(self.topic) is self:
            await worker.scheduler.log_event(topic=self.topic, msg={"admission": event})
            await worker.set_resources(**{self.token: 1})


def _gpus() -> int:
    """How many GPUs this process sees, by ``CUDA_VISIBLE_DEVICES``."""
    import torch

    return torch.cuda.device_count()


def keep_piece(digest: str, place: int, count: int, piece: bytes, *, dask_worker: Worker) -> bool:
    """Keep a piece of a parcel on the worker's disk; gives whether the parcel is whole then. Dask fills in the worker."""
    return store(_folder(dask_worker), digest, piece, place, count)


def kept(*, dask_worker: Worker) -> list[str]:
    """Digests of the parcels on the worker's disk. Dask fills in the worker."""
    return [path.name for path in _folder(dask_worker).glob("*") if path.is_file() and not path.suffix]


def run_task(parcel: str, files: str, task: Any, topic: str, number: int) -> Done | Raised | Absent:
    """Run a task where the files of the user's losses lie; what it raises is given as text.

    Args:
        parcel: digest of the function and of what its tasks share.
        files: digest of the user's files.
        task: the task.
        topic: where its beginning is told, and name of the plugin that admitted this worker.
        number: by which the driver knows it.
    """
    worker = get_worker()
    _tell(worker, topic, {"began": number})
    folder = _folder(worker)
    limit_threads()
    _keep_freed_memory()
    contain_here()
    try:
        _lay_out(folder, files)
    except AbsentError as error:
        return Absent(str(error), worker.address)
    except OSError as error:
        return Absent(parcel, worker.address, unable=cannot_keep(error))
    try:
        function, shared = opened(folder, parcel)
        value = function(shared, task)
    except AbsentError as error:
        return Absent(str(error), worker.address)
    except (Exception, SystemExit) as error:
        if not _project(folder).is_dir():  # somebody has removed it under the run
            return Absent(parcel, worker.address)
        text = " ".join(str(error).split()) if isinstance(error, SuiteError) else told(error)
        return Raised(f"{text} (worker {worker.address})")
    plugin = worker.plugins.get(topic)
    return Done(value, plugin.found if isinstance(plugin, Admission) and plugin.allow_versions else {})


def _tell(worker: Worker, topic: str, event: dict[str, Any]) -> None:
    """Tell the driver, from a task. ``Worker.log_event`` sends later: a task that kills its worker would lose that."""
    telling = asyncio.run_coroutine_threadsafe(
        worker.scheduler.log_event(topic=topic, msg=event),
        worker.loop.asyncio_loop,  # type: ignore[attr-defined, unused-ignore]
    )
    with contextlib.suppress(Exception):  # the scheduler is gone: nobody waits for this task
        telling.result(timeout=_SOON_SECONDS)


def cannot_keep(error: OSError) -> str:
    """Why a worker is no place for runs, in words."""
    return f"it cannot keep what runs read: {error.strerror}: {error.filename}"


@cache
def _keep_freed_memory() -> None:
    """Keep what was freed for the next batch; where the C library is not glibc, nothing is to be done.

    Dask's nanny sets ``MALLOC_TRIM_THRESHOLD_``, by which glibc gives freed memory back at once and each batch faults it in
    again.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that glibc itself goes up to
        library.mallopt(_TRIM_THRESHOLD, 64 << 20)


def _folder(worker: Worker) -> Path:
    return Path(worker.local_directory) / "suite"


def _project(folder: Path) -> Path:
    return folder / "project"


def _lay_out(folder: Path, files: str) -> None:
    """Make the folder of the tasks the current one, with these files and no others below it."""
    global _laid_out  # noqa: PLW0603 - a process has one current folder
    project = _project(folder)
    if files == _laid_out and project.is_dir():
        os.chdir(project)
        return
    content = pickle.loads(read(folder, files))  # noqa: S301 - Dask itself sends pickles
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    for name, text in content:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(text)
    os.chdir(project)
    for name, module in list(sys.modules.items()):  # files beside a loss may have been edited since
        if str(getattr(module, "__file__", None)).startswith(f"{project.resolve()}{os.sep}"):
            del sys.modules[name]
    _laid_out = files
