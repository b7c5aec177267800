"""Whole networks on a worker of a Dask cluster, which has an image cache of its own."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from suite.settings.paths import RUN_CACHE_FOLDER
from tests.suite.training.whole_network import tiny

pytest.importorskip("distributed")

from suite.training.cluster.description import describe
from suite.training.cluster.worker import Admission
from tests.helpers.dask_cluster import DaskCluster, wait_for

RECORDS = Path("benchmarks/runs/cub-pfml/records.jsonl")


def test_a_worker_trains_from_its_own_images_and_gives_the_same_bytes(cub, trained, command):
    recipe = tiny.recipe_file(cub / "mine.yaml")
    tiny.benchmarks({"pfml": {"recipe": "mine.yaml"}}, levels=[0.2], seeds=2)
    trained()
    expected = RECORDS.read_bytes()
    shutil.rmtree(RUN_CACHE_FOLDER)
    dask = DaskCluster(cub / "dask", workers=1)
    try:
        arguments = ("grid", "--regime", "published", "--accelerator", "cpu", "--address", dask.address)
        done = command(*arguments)
        assert done.status == 1
        assert done.err.count("data set cub has no image cache in") == 2
        (home,) = {path.parent for path in (cub / "dask").glob("worker-*/log.txt")}
        shutil.copytree(cub / "benchmarks/cache", home / "benchmarks/cache")
        done = command(*arguments)
        assert done.status == 0, done.err
        assert "grid: 2 runs: 0 from the run cache, 2 computed" in done.out
    finally:
        dask.close()
    assert "2 of 2 runs are in the run cache" in trained()
    assert RECORDS.read_bytes() == expected
    assert recipe.is_file()
    wait_for(lambda: not list(home.rglob("*.pt")))


def test_workers_of_this_machine_are_refused_at_once_for_runs_that_take_a_gpu(cub, command, monkeypatch):
    monkeypatch.setattr("suite.training.cluster.grid.connected", None)  # what starts workers
    tiny.recipe_file(cub / "mine.yaml")
    tiny.benchmarks({"pfml": {"recipe": "mine.yaml"}})
    assert command("plan", "--benchmarks").status == 0
    done = command("grid", "--regime", "published", "--local", "2")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(
        "error: --local 2: a run takes a GPU, which these workers do not have; allowed: --accelerator cpu, or "
        "--scheduler-file FILE with a worker for each GPU: CUDA_VISIBLE_DEVICES=0 dask worker --nthreads 1 "
    )


@pytest.mark.parametrize(
    ("gpus", "resources", "on_gpu", "refused"),
    [
        (2, {"GPU": 1.0}, True, True),
        (1, {"GPU": 1.0}, True, False),
        (2, {"GPU": 1.0}, False, False),
        (2, {}, True, False),
    ],
)
def test_a_worker_that_sees_several_gpus_is_refused(monkeypatch, gpus, resources, on_gpu, refused):
    """All workers of a machine would train on its first GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    told = []
    worker = SimpleNamespace(
        state=SimpleNamespace(nthreads=1, total_resources=resources),
        memory_manager=SimpleNamespace(memory_limit=None),
        address="tcp://a:1",
        log_event=lambda topic, event: told.append(event["admission"]["refused"]),
    )
    admitted = []

    async def admit(self, worker, event):
        admitted.append(event["refused"])

    monkeypatch.setattr(Admission, "_admit", admit)
    described = "frozen", (), ()
    made = Admission("t", "t", described, describe(*described), allow_versions=False, busy_seconds=1.0, on_gpu=on_gpu)
    with ThreadPoolExecutor(1) as thread:  # a browser of another test may have a loop in this one
        thread.submit(asyncio.run, made.setup(worker)).result()
    why = "it sees 2 GPUs and would use one; start one for each, with CUDA_VISIBLE_DEVICES = its number"
    assert (told, admitted) == (([why], []) if refused else ([], [""]))


def test_without_gpus_no_worker_is_found(cub, command):
    tiny.recipe_file(cub / "mine.yaml")
    tiny.benchmarks({"pfml": {"recipe": "mine.yaml"}})
    assert command("plan", "--benchmarks").status == 0
    dask = DaskCluster(cub / "dask", workers=0)
    try:
        done = command("grid", "--regime", "published", "--address", dask.address, "--patience", "1")
    finally:
        dask.close()
    assert done.status == 2
    assert (
        "no worker to run on for 1 s; start some with: dask worker --nthreads 1 --memory-limit 0 --resources GPU=1"
        in done.err
    )
