"""The regime in which the network learns, on a cluster: searches and runs give what they give on this machine."""

import shutil
from pathlib import Path

import pytest

from suite.training.cluster.grid import _learns_whole
from tests.helpers.synthetic import frozen_plan
from tests.helpers.views import FINETUNED_RECIPE, finetuned_plan
from tests.suite.training.finetuned.birds import FOLDER, REGIME, make_project, suite, trained, tuned, write_params


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with views of 8 classes of own images."""
    path = tmp_path_factory.mktemp("project")
    make_project(path)
    return path


def test_searches_and_runs_give_the_bytes_of_the_local_executor(dask, project, tmp_path, monkeypatch):
    monkeypatch.setattr("suite.training.cluster.parcels._LARGE", 1 << 10)  # the views of a few small images are small
    monkeypatch.setattr("suite.training.cluster.deliveries._PIECE", 1 << 20)  # the network goes in several pieces
    path = Path(shutil.copytree(project, tmp_path / "copy"))
    before = parcels(dask)
    printed = suite(path, "grid", *REGIME, "--address", dask.address)
    assert "grid: 4 runs: 0 from the run cache, 4 computed, 0 failed, 0 not run" in printed
    assert printed.count("birds multi_similarity tuned 0 trial ") == printed.count("tuned 1 trial ") == 2
    sent = check_views_lie_once_on_each_worker(dask, before, path)
    assert "4 from the run cache, 0 computed" in suite(path, "grid", *REGIME, "--address", dask.address)
    assert parcels(dask) == before | sent, "something was sent again by a driver that was started again"
    assert "4 from the run cache, 0 computed" in suite(path, "grid", "--local", "2", *REGIME)  # as on docs/cluster.md
    assert "trial" not in suite(path, "tune", "birds", "multi_similarity", *REGIME)
    assert "4 of 4 runs are in the run cache" in suite(path, "train", "birds", "multi_similarity", *REGIME)
    here = Path(shutil.copytree(project, tmp_path / "here"))
    assert tuned(here) == tuned(path)
    assert trained(here) == trained(path)


STUDIES = {
    "ablation": {"birds": {"alpha": [0]}},
    "crossed": {"values": {"delta": [0.3]}, "searched": ["learning_rate"], "trials": 1, "folds": 2},
    "fresh_seeds": {"losses": {"pfml": {}}, "count": 1},
    "geometry": {"datasets": {"birds": {}}, "losses": {"pfml": {}}, "deltas": [0.2], "trials": 1, "folds": 2},
    "tuning": {"trials": 1, "folds": 2, "held_out": 1},
}


def test_studies_find_their_trials_and_runs_done(dask, project, tmp_path):
    path = Path(shutil.copytree(project, tmp_path / "copy"))
    write_params(path, losses=("pfml",), seeds=1, levels=[0], **STUDIES)
    suite(path, "plan", *REGIME)
    suite(path, "tune", "birds", "pfml", *REGIME)
    studies = [word for study in ("ablation", "crossed", "fresh-seeds", "geometry") for word in ("--study", study)]
    printed = suite(path, "grid", *REGIME, *studies, "--address", dask.address)
    assert "grid: 5 runs: 0 from the run cache, 5 computed, 0 failed, 0 not run" in printed
    for command, what, runs in (
        ("ablation", "alpha", 1),
        ("crossed", "delta", 1),
        ("fresh-seeds", "pfml", 1),
        ("geometry", "pfml", 2),
    ):
        done = suite(path, command, "birds", what, *REGIME)
        assert f"{runs} of {runs} runs are in the run cache" in done
        assert "trial 0:" not in done
    refused = suite(path, "grid", *REGIME, "--study", "splits", "--address", dask.address, status=2)
    assert "--study splits: pipelines/finetuned/params.yaml names nothing to run" in refused


def parcels(dask):
    """Files of parcels on the workers' disks, with their sizes."""
    return {
        path: path.stat().st_size
        for path in dask.folder.rglob("*")
        if len(path.name) == 64 and path.parent.name == "suite"
    }


def check_views_lie_once_on_each_worker(dask, before, path):
    """Each file of views is one parcel a worker, and the network another; what else is sent is small."""
    files = [
        file.stat().st_size - 128 for file in (path / FOLDER / "views/birds").glob("*.npy")
    ]  # without their header
    sent = {file: size for file, size in parcels(dask).items() if file not in before}
    for folder in {file.parent for file in sent}:
        sizes = sorted((size for file, size in sent.items() if file.parent == folder), reverse=True)
        network, *others = sizes
        assert network > 1 << 20
        for size in files:
            others.remove(size)
        assert sum(others) < 100_000, others
    return sent


@pytest.mark.parametrize(("whole", "gpu"), [(False, False), (True, True), ("on_cpu", False)])
def test_a_whole_network_needs_a_gpu_unless_it_learns_on_the_cpu(whole, gpu):
    recipe = FINETUNED_RECIPE.model_copy(update={"whole_network": whole})
    assert _learns_whole(finetuned_plan(recipe=recipe)) is gpu
    assert not _learns_whole(frozen_plan())
