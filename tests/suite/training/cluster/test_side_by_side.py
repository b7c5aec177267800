"""Two commands at the same time in one project: no run and no trial is done twice, and none is spoilt."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from suite.settings.plans import Search, tuned_plan_path
from suite.training.tuning.resolve import resolve_hyperparameters
from tests.helpers.dask_cluster import wait_for
from tests.helpers.synthetic import silent
from tests.suite.training.cluster.grids import cached, from_cache, local, start_driver, users, write

pytestmark = pytest.mark.usefixtures("features")
SLOW = "time.sleep(0.02)\nreturn value"


def test_two_drivers_and_a_stage_share_what_is_to_be_done(dask, one_worker, tmp_path):
    searched = replace(users("return value", "other", seeds=1), noise_levels=(0.0,))
    write(searched, Search({"weight": {"low": 0.1, "high": 0.5}}, {}, trials=3, folds=2))
    plan = users(SLOW, seeds=2)
    logs = [tmp_path / "first.txt", tmp_path / "second.txt", tmp_path / "stage.txt"]
    drivers = [start_driver(dask, log) for log in logs[:2]]
    wait_for(lambda: cached("own") or any(driver.poll() is not None for driver in drivers), 300.0)
    with logs[2].open("wb") as output:
        code = "from suite.cli.main import main; main()"
        stage = subprocess.Popen([sys.executable, "-c", code, "train", "emoji", "own"], stdout=output, stderr=output)
    texts = []
    for process, log in zip([*drivers, stage], logs, strict=True):
        assert process.wait(timeout=300) == 0, log.read_text()
        texts.append(log.read_text())
    told = re.findall(
        r"^(emoji-\w+ noise \S+ seed \d+): R@1|^(emoji other tuned 0 trial \d+):", "".join(texts), re.MULTILINE
    )
    assert len(told) == len(set(told)) == 4 + 1 + 3
    assert "another command is at it; waiting until that ends" in "".join(texts)
    assert from_cache(plan) == local(plan)
    console = silent()
    resolve_hyperparameters("emoji", "other", console)
    assert "resuming, 3 of 3 trials are done" in console.file.getvalue()
    found = tuned_plan_path("emoji", "other").read_bytes()
    resolve_hyperparameters("emoji", "other", silent())  # searches anew, here
    assert tuned_plan_path("emoji", "other").read_bytes() == found
