"""Tasks for worker processes; they stand in a module because a worker finds them by name."""

import ctypes
import faulthandler
import os
import resource
import signal
import time
from pathlib import Path

import torch

from suite.errors import SuiteError
from suite.processes import guarded


def square(shared, task):
    """The square of a task."""
    return shared + task * task, os.getpid(), torch.get_num_threads()


def fault_in(times, size):
    """Page faults of arrays of so many bytes, made and freed one after another."""
    torch.ones(size, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(size, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def refuse(shared, task):
    """Raise what the user is meant to read."""
    raise SuiteError(f"task {task} is wrong")


def die(shared, task):
    """End as if the system had killed this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_guarded(how, task):
    """End in a way that no ``except`` sees, in the second task."""
    if task == 1:
        return task
    faulthandler.disable()
    with guarded(f"task {task}"):
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "faulty":
            ctypes.string_at(0)
        ctypes.CDLL(None)._exit(3 if how == "left" else 0)
    return task


def die_slowly(shared, task):
    """As ``die``; its files close a while before its status is told, as on a machine with much else to do."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.closerange(3, 1024)
    time.sleep(0.5)
    die(shared, task)


def linger_or_die_slowly(folder, task):
    """As ``linger_or_die``."""
    linger_or_die(folder, task, die_slowly)


def linger_or_die(folder, task, end=die):
    """Task 2 is killed once task 1 has begun."""
    with guarded(f"task {task}"):
        if task == 1:
            linger(folder, 1)
        while not list(Path(folder).iterdir()):
            time.sleep(0.05)
        end(None, task)


def linger_guarded(folder, task):
    """As ``linger``, as code of others is run."""
    with guarded("a task"):
        linger(folder, task)


def linger(folder, task):
    """Write this process's id and stay at work for a long time; task 0 ends as soon as another worker has begun."""
    Path(folder, str(os.getpid())).touch()
    while task or len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.05)
