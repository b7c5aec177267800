"""Whole networks on a worker of a Dask cluster, which has an image cache of its own."""

import shutil
from pathlib import Path

import pytest

from suite.settings.paths import RUN_CACHE_FOLDER
from tests.suite.training.whole_network import tiny

pytest.importorskip("distributed")

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
