"""Killed, out of disk space, or run twice at once: nothing half-written counts as done, and the bytes come out the same."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

from suite.data.archives import shards, space
from suite.data.archives.build import locked
from suite.data.archives.cache import open_cache
from tests.helpers.paths import ROOT
from tests.suite.data.archives import factory

IMAGES, SHARD = 40, 8
"""Images a class, and images a shard: 200 images in 25 shards."""
COUNTS = {"training_images": 2 * IMAGES, "test_images": 3 * IMAGES}


@pytest.fixture
def archives(workplace):
    """Files of a form with 25 small shards."""

    def write(form):
        pictures = factory.images(each=IMAGES)
        return factory.MAKERS[form](workplace / "in", *arguments_of(form, pictures))

    return write


def arguments_of(form, pictures):
    if form == "cub":
        return [factory.cub_files(pictures)]
    return [factory.sop_files(pictures)] if form == "sop" else [pictures]


def start(dataset, files, folder, limit=resource.RLIM_INFINITY):
    """Start ``suite data add`` in a process of its own; ``limit`` caps the size of a file that it may write."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        f"import suite.data.archives.shards as s; s.SHARD_IMAGES = {SHARD}; from suite.cli.main import main; main()"
    )
    editions = factory.write_editions(Path("editions.yaml"), files, **COUNTS)
    arguments = [
        "data",
        "add",
        dataset,
        *map(str, files),
        "--editions",
        str(editions),
        "--no-track",
        "--folder",
        folder,
    ]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "SUITE_WORKERS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, status=0):
    """Wait for a process that must end with this status; what it printed."""
    out, err = process.communicate()
    assert process.returncode == status, err
    return out if status == 0 else err


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def kill_after(process, partial, count):
    """Kill a process without warning as soon as it has finished so many shards."""
    while len(list(partial.glob("shard-*.bin"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(("dataset", "form"), [("cub", "cub"), ("cars", "cars-split"), ("sop", "sop")])
def test_killed_and_resumed_ends_in_the_same_bytes(workplace, archives, dataset, form):
    files = archives(form)
    finish(start(dataset, files, "whole"))
    folder = Path("killed/cache")
    partial = folder / f".{dataset}.partial"
    for count in (2, 9):
        kill_after(start(dataset, files, "killed"), partial, count)
        assert not (folder / dataset).exists()
    (partial / ".shard-00011.bin.1.tmp").write_bytes(b"half")
    out = finish(start(dataset, files, "killed"))
    done = int(out.split("resuming, ")[1].split(" of 25")[0])
    assert 8 <= done < 25
    assert contents(f"killed/cache/{dataset}") == contents(f"whole/cache/{dataset}")
    assert sorted(path.name for path in folder.iterdir()) == [f".{dataset}.lock", dataset]


def test_a_full_disk_is_told_and_what_was_done_is_used(workplace, archives):
    files = archives("cub")
    finish(start("cub", files, "whole"))
    biggest = max(path.stat().st_size for path in Path("whole/cache/cub").glob("*.bin"))
    sizes = [path.stat().st_size for path in sorted(Path("whole/cache/cub").glob("*.bin"))]
    err = finish(start("cub", files, "full", limit=biggest - 1), status=2)
    assert err.count("\n") == 1
    done = next(number for number, size in enumerate(sizes) if size == biggest)
    assert "no room left to write to full/cache/.cub.partial (File too large): free some space" in err
    assert f"{done} of 25 shards are done and kept" in err
    assert not list(Path("full").rglob("*.tmp"))
    assert not Path("full/cache/cub").exists()
    out = finish(start("cub", files, "full"))
    assert (f"resuming, {done} of 25" in out) == (done > 0)
    assert contents("full/cache/cub") == contents("whole/cache/cub")


def test_space_is_asked_for_before_anything_is_written(refused, workplace, monkeypatch):
    usage = namedtuple("usage", "total used free")  # noqa: PYI024
    files = factory.write_cub(workplace / "in")
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: usage(10, 5, 15 * space.BYTES_OF_IMAGE - 1))
    message = refused("cub", files)
    assert "benchmarks has 0.0 GB of free disk space, small cub with its archives needs about 0.0 GB" in message
    assert not list(Path("benchmarks").rglob("*.bin"))
    assert space.cache_bytes(120_053, 256, 0) == 120_053 * space.BYTES_OF_IMAGE
    assert space.cache_bytes(100, 512, 0) == 4 * space.cache_bytes(100, 256, 0)


def test_another_setting_starts_anew_and_replaces_the_cache(added, workplace, archives, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_IMAGES", SHARD)
    files = archives("sop")
    first = added("sop", files, **COUNTS)
    again = added("sop", files, "--short-side", "16", **COUNTS)
    assert max(first.column("height")) == 30
    assert max(again.column("height")) == 16
    assert [path.name for path in sorted(Path("benchmarks/cache").iterdir())] == [".sop.lock", "sop"]


def test_a_shard_that_was_altered_meanwhile_is_written_again(workplace, archives):
    files = archives("cub")
    finish(start("cub", files, "whole"))
    partial = Path("cut/cache/.cub.partial")
    kill_after(start("cub", files, "cut"), partial, 6)
    (partial / "shard-00001.bin").write_bytes(b"short")
    Path("cut/cache/.cub.notes/00002.json").write_text("{")
    finish(start("cub", files, "cut"))
    assert contents("cut/cache/cub") == contents("whole/cache/cub")


def test_two_processes_do_not_make_one_cache(refused, workplace):
    files = factory.write_cub(workplace / "in")
    with locked("cub", Path("benchmarks")):
        assert "another process is adding cub to benchmarks; wait for it" in refused("cub", files)


def test_a_cache_that_lacks_a_file_is_refused(added, workplace):
    from suite.errors import SuiteError

    added("cub", factory.write_cub(workplace / "in"))
    shard = Path("benchmarks/cache/cub/shard-00000.bin")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(SuiteError, match=r"shard-00000\.bin has \d+ bytes, not \d+; delete benchmarks/cache/cub and"):
        open_cache("cub")
    Path("benchmarks/cache/cub/index.parquet").write_bytes(b"")
    with pytest.raises(SuiteError, match="image cache benchmarks/cache/cub is damaged"):
        open_cache("cub")
    with pytest.raises(
        SuiteError, match=r"data set sop has no image cache in benchmarks/cache/sop; make it .*: suite data"
    ):
        open_cache("sop")
