"""Odd input to a grid, and workers that it does not take: one clear line each."""

import asyncio
import gc
import json
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client

from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.settings.paths import RUNS_FOLDER
from suite.training.cluster.connection import Where, connected
from suite.training.cluster.grid import ALLOWED_TO_DIFFER, run_grid
from suite.training.cluster.selection import Selection
from suite.training.stage import train
from tests.helpers.dask_cluster import DaskCluster
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import features_path, silent
from tests.suite.training.cluster.grids import cached, grid, planned, users, wait_for_workers, write

pytestmark = pytest.mark.usefixtures("features")
LOOP = "suite/training/run/loop.py"


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A scheduler and a worker whose sampler is another."""
    folder = tmp_path_factory.mktemp("others")
    for package in ("suite", "pfml", "baselines"):
        shutil.copytree(ROOT / package, folder / "tree" / package, ignore=shutil.ignore_patterns("__pycache__"))
    loop = folder / "tree" / LOOP
    loop.write_text(loop.read_text() + "\n# edited\n")
    cluster = DaskCluster(folder / "dask", workers=0)
    cluster.add_worker(root=folder / "tree")
    yield cluster
    cluster.close()


def test_a_worker_with_other_code_is_refused_by_name_unless_that_is_allowed(others):
    planned()
    wait_for_workers(others)
    refused = r"no worker to run on for 3 s; 1 refused: code of training \w{8} \(here \w{8}\)"
    with pytest.raises(SuiteError, match=refused):
        grid(others, patience=3.0)
    shutil.copy(ROOT / LOOP, others.folder.parent / "tree" / LOOP)
    with pytest.raises(SuiteError, match=refused):  # it runs what it has loaded
        grid(others, patience=3.0)
    assert cached("contrastive") == []
    done = grid(others, allow_versions=True)
    assert "differs, and is allowed to: code of training" in done.printed
    told = [json.loads(path.read_text())["record"]["versions"][ALLOWED_TO_DIFFER] for path in cached("contrastive")]
    assert len(told) == 6
    assert all(text.startswith("code of training ") for text in told)
    train("emoji", "contrastive", silent())
    read_records([RUNS_FOLDER / "emoji-contrastive/records.jsonl"])


def test_a_worker_of_several_threads_is_refused(tmp_path):
    planned()
    own = DaskCluster(tmp_path / "dask", workers=0)
    try:
        own.add_worker("--nthreads", "2")
        wait_for_workers(own)
        with pytest.raises(SuiteError, match=r"1 refused: it has 2 threads; start it with --nthreads 1; start some"):
            grid(own, patience=2.0)
    finally:
        own.close()


def test_no_workers_at_all(tmp_path):
    planned()
    own = DaskCluster(tmp_path / "dask", workers=0)
    try:
        with pytest.raises(SuiteError, match=r"no worker to run on for 1 s; start some with: dask worker --nthreads 1"):
            grid(own, patience=1.0)
        stale = own.folder / "stale.json"
        stale.write_text(json.dumps({"address": "tcp://127.0.0.1:1"}))
        with pytest.raises(SuiteError, match=r"tcp://127.0.0.1:1, which .* names: the file is stale; start one with"):
            run_grid(Selection(), Where(scheduler_file=stale), silent())
    finally:
        own.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "allowed: exactly one of --scheduler-file FILE, --address ADDRESS and --local N"),
        (["--local", "1", "--address", "tcp://a:1"], "allowed: exactly one of --scheduler-file"),
        (
            ["--address", "tcp://127.0.0.1:1"],
            "no scheduler answers at tcp://127.0.0.1:1; start one with: dask scheduler",
        ),
        (["--address", "magic://a:1"], "no scheduler answers at magic://a:1 (unknown address scheme 'magic'"),
        (["--address", ""], "--address ''; allowed: PROTOCOL://HOST:PORT, e.g. tcp://node7:8786"),
        (["--address", "node7"], "--address 'node7'; allowed: PROTOCOL://HOST:PORT"),
        (["--scheduler-file", "no.json", "--patience", "0"], "scheduler file no.json does not exist after 0 s; start"),
        (["--scheduler-file", "."], "scheduler file . is a folder; start one with"),
        (["--scheduler-file", "params.yaml"], "params.yaml is no scheduler file: "),
        (["--local", "1", "--dataset", "cub"], "params.yaml: --dataset cub is not there; allowed: emoji"),
        (["--local", "1", "--loss", "magic"], "params.yaml: --loss magic is not there; allowed: contrastive"),
        (["--local", "1", "--regime", "finetuned"], "then run: dvc repro pipelines/finetuned/dvc.yaml"),
        (["--local", "1", "--study", "magic"], "--study magic is no study; allowed: paper-values, ablation, crossed"),
        (["--local", "1", "--study", "geometry"], "--study geometry: params.yaml names nothing to run for these data"),
        (
            ["--local", "1", "--study", "splits", "--regime", "published"],
            "--study splits: allowed with --regime frozen, finetuned",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_line(command, arguments, told):
    planned()
    done = command("grid", *arguments)
    assert done.status == 2
    assert done.err.startswith("error: ")
    assert told in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("answer", "told"), [(b"", "; "), (b"HTTP/1.0 400 Bad Request\r\n", " (Unable to allocate ")])
def test_what_is_no_scheduler_is_told(command, answer, told):
    planned()
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = threading.Thread(target=answered, args=(server, answer, ended))
        listening.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = command("grid", "--address", address)
        ended.set()
        listening.join()
    assert done.status == 2
    assert done.err.startswith(f"error: no scheduler answers at {address}{told}")
    assert done.err.count("\n") == 1


def answered(server, answer, ended):
    """Answer the first who connects, and say no more."""
    server.settimeout(60)
    connection, _ = server.accept()
    with connection:
        connection.sendall(answer)
        ended.wait(60)


def test_the_address_of_a_worker_is_told(command, dask):
    planned()
    with connected(Where(address=dask.address)) as client:
        client.wait_for_workers(1, timeout=60)
        worker = next(iter(client.run(str)))
    assert f"no scheduler answers at {worker} (a worker does); start one" in command("grid", "--address", worker).err


def test_a_loop_that_runs_already_does_no_harm(dask):
    """As in a notebook."""

    async def asked():
        with connected(Where(address=dask.address)) as client:
            return client.scheduler.address

    with ThreadPoolExecutor(1) as other:  # where no other test has left a loop
        assert other.submit(asyncio.run, asked()).result() == dask.address


def test_a_client_that_fails_to_close_hides_no_error(dask, monkeypatch):
    """As where the scheduler has gone."""
    gc.collect()  # a client closes once more when it is deleted: those of other tests are to be gone
    close, closed_before = Client.close, []

    def closed(client):
        close(client)
        closed_before.append(client)
        if len(closed_before) == 1:
            raise RuntimeError("closed twice")

    monkeypatch.setattr(Client, "close", closed)
    with pytest.raises(SuiteError, match="the scheduler is gone"), connected(Where(address=dask.address)):
        raise SuiteError("the scheduler is gone")
    assert closed_before


def test_a_plan_or_features_that_are_missing(command):
    planned()
    features_path().unlink()
    assert "error: feature file features/emoji.safetensors is missing" in command("grid", "--local", "1").err
    shutil.rmtree("plan")
    assert "error: plan plan/tuned/emoji-contrastive.json is missing" in command("grid", "--local", "1").err


def test_a_loss_file_by_an_absolute_path_is_refused(command):
    plan = users("return value")
    write(replace(plan, target=str(Path("my_losses/own.py").resolve()) + ":Own"))
    assert "on a cluster, allowed are paths from the project's folder" in command("grid", "--local", "1").err
