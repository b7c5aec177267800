"""Tasks for worker processes; they stand in a module because a worker finds them by name."""

import os
import signal
import time
from pathlib import Path

import torch

from suite.errors import SuiteError
from suite.processes import guarded


def square(shared, task):
    """The square of a task."""
    return shared + task * task, os.getpid(), torch.get_num_threads()


def refuse(shared, task):
    """Raise what the user is meant to read."""
    raise SuiteError(f"task {task} is wrong")


def die(shared, task):
    """End as if the system had killed this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def linger_guarded(folder, task):
    """As ``linger``, as code of others is run."""
    with guarded("a task"):
        linger(folder, task)


def linger(folder, task):
    """Write this process's id and stay at work for a long time; task 0 ends as soon as another worker has begun."""
    Path(folder, str(os.getpid())).touch()
    while task or len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.05)
