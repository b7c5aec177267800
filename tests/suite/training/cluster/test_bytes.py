"""Records of a grid are the local executor's, byte for byte: runs, searches, losses of users."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from suite.settings.plans import Search, tuned_plan_path
from suite.training.stage import train
from suite.training.tuning.resolve import resolve_hyperparameters
from tests.helpers.synthetic import frozen_plan, silent
from tests.suite.training.cluster.grids import LEVELS, from_cache, grid, local, planned, users, write

pytestmark = pytest.mark.usefixtures("features")
TARGETS = {
    "contrastive": "pytorch_metric_learning.losses:ContrastiveLoss",
    "mined": "pytorch_metric_learning.losses:TripletMarginLoss + pytorch_metric_learning.miners:MultiSimilarityMiner",
}


def test_the_bytes_are_those_of_the_local_executor(dask, one_worker):
    expected = {loss: local(planned(loss, target)) for loss, target in TARGETS.items()}
    done = grid(dask)
    assert done.failures == []
    assert "12 computed, 0 failed, 0 not run" in done.printed
    for loss, target in TARGETS.items():
        assert from_cache(planned(loss, target)) == expected[loss]
    assert "12 from the run cache, 0 computed" in grid(dask).printed


def test_the_dashboard_is_told_and_a_line_for_each_run(dask):
    planned()
    printed = grid(dask).printed
    assert f"scheduler {dask.address}, dashboard http://" in printed
    assert printed.count("emoji-contrastive noise 0.4 seed ") == 3


def test_a_search_runs_on_the_cluster_and_tune_finds_its_trials(dask, one_worker):
    search = Search({"pos_margin": {"low": 0.0, "high": 0.5}}, {}, trials=3, folds=2)
    write(replace(frozen_plan(seeds=1), noise_levels=LEVELS), search)
    resolve_hyperparameters("emoji", "contrastive", silent())
    expected = tuned_plan_path("emoji", "contrastive").read_bytes()
    for folder in ("tuned", "searches"):
        shutil.rmtree(folder)
    done = grid(dask)
    assert done.failures == []
    assert done.printed.count("emoji contrastive tuned 0 trial") == 3
    console = silent()
    resolve_hyperparameters("emoji", "contrastive", console)
    assert "resuming, 3 of 3 trials are done" in console.file.getvalue()
    assert tuned_plan_path("emoji", "contrastive").read_bytes() == expected
    console = silent()
    train("emoji", "contrastive", console)
    assert "2 of 2 runs are in the run cache" in console.file.getvalue()
    again = grid(dask)  # what tune has found is taken
    assert "trial" not in again.printed
    assert "2 from the run cache" in again.printed


def test_loss_files_are_sent_with_what_they_import_and_sent_anew_after_an_edit(dask, one_worker):
    helper = Path("my_losses/weights.py")
    helper.parent.mkdir()
    body = "from weights import WEIGHT\nreturn value * WEIGHT"
    found = []
    for weight in (1.0, 0.5):
        helper.write_text(f"WEIGHT = {weight}\n")
        plan = users(body)
        expected = local(plan)
        assert grid(dask).failures == []
        assert from_cache(plan) == expected
        found.append(expected)
    assert found[0] != found[1]
