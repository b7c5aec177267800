"""Work that one process does at a time."""

import io
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from suite.files import alone
from suite.settings.paths import LOCKS_FOLDER
from suite.settings.plans import Search
from suite.training.alone import alone_in_searches
from tests.helpers.dask_cluster import wait_for
from tests.helpers.locks import taken_elsewhere
from tests.helpers.synthetic import frozen_plan, silent

pytestmark = pytest.mark.usefixtures("workplace")
WORK = LOCKS_FOLDER / "emoji-pfml.lock"


@pytest.mark.parametrize("end", ["its end", "a kill"])
def test_another_process_is_waited_for_and_that_is_told(end):
    console, taken = silent(), threading.Event()

    def take():
        with alone(WORK, console):
            taken.set()

    with taken_elsewhere(WORK) as process:
        waiting = threading.Thread(target=take)
        waiting.start()
        told = "emoji-pfml: another command is at it; waiting until that ends\n"
        wait_for(lambda: console.file.getvalue() == told)
        assert not taken.is_set()
        with alone(LOCKS_FOLDER / "emoji-cpml.lock", console):
            pass
        process.kill() if end == "a kill" else process.stdin.close()
        waiting.join(60)
    assert taken.is_set()
    assert console.file.getvalue() == told


def test_threads_of_one_process_share_it():
    with alone(WORK, silent()):
        with alone(WORK, silent()):
            pass
        assert (
            subprocess.run(
                [sys.executable, "-c", "from filelock import FileLock; FileLock('emoji-pfml.lock').acquire(timeout=0)"],
                cwd=LOCKS_FOLDER,
                capture_output=True,
                check=False,
            )
            .stderr.rstrip()
            .splitlines()[-1]
            .startswith(b"filelock._error.Timeout")
        )
    with taken_elsewhere(WORK):
        pass


def test_where_no_lock_can_be_kept_nothing_is_waited_for():
    Path("run_cache").write_text("no folder")
    console = Console(file=io.StringIO())
    with alone(WORK, console):
        pass
    assert console.file.getvalue() == ""


def test_searches_are_told_apart_by_all_that_their_trials_are_named_by():
    plan, search = frozen_plan("pfml", "pfml:PotentialFieldLoss"), Search({}, {}, trials=1, folds=2)
    planned = [(plan, None), (plan, search), (replace(plan, track="tuned_under_noise"), replace(search, number=2))]
    with alone_in_searches(planned, silent()), alone_in_searches(planned[1:2], silent(), "split 1"):
        found = sorted(path.stem for path in LOCKS_FOLDER.iterdir())
    assert found == [
        "tuning-emoji-pfml-tuned-0",
        "tuning-emoji-pfml-tuned_under_noise-2",
        "tuning-split-1-emoji-pfml-tuned-0",
    ]
