"""Commands on a full disk: one line that names the file, nothing half-written, and they go on once there is room."""

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from suite.data import catalog
from suite.hashing import sha256_file
from suite.losses.influence import kept
from suite.training import features
from suite.training.backbone import Backbone
from tests.odd_inputs.project import settings, tree, write_settings

COMMANDS = {
    "plan": ("plan",),
    "features": ("features", "emoji"),
    "tune": ("tune", "emoji", "mine"),
    "train": ("train", "emoji", "mine"),
    "leaderboard": ("leaderboard",),
    "claims": ("claims",),
    "times": ("times",),
    "influence": ("influence",),
    "site": ("site",),
}
MADE = ("run_cache/", "user/", "user_data/", "results/", "runs/", "times/", "frozen/")
"""Where whole files may be new after a command that failed: what it had finished."""
RENEWED = "user/"
"""What a command may have renewed before."""


class Means(nn.Module):
    """A network that is quick: means of the colours of a few places."""

    def forward(self, pixels):
        return torch.nn.functional.adaptive_avg_pool2d(pixels, 3).flatten(1)


@contextmanager
def no_file_longer_than(size):
    """A file that grows beyond it cannot be written, in this process and in those that it forks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def full_disk(_):
    """Nothing is left of the disk."""
    with Path("filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    try:
        yield
    finally:
        Path("filler").unlink()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own for the current folder; only the superuser may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = (
        mounted
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("no right to mount a small disk; the limit on files stands in for it")
    yield folder
    os.chdir(tmp_path)
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def placed(project, monkeypatch, one_worker):
    """Put the project into the current folder."""

    def place():
        shutil.copytree(project, Path(), symlinks=True, dirs_exist_ok=True)
        digest = sha256_file(project / "data/emoji.parquet")
        monkeypatch.setitem(catalog.EMBEDDED, "emoji", catalog.EmbeddedDataset(digest, ""))
        monkeypatch.setattr(kept, "DISTANCES", (0.1, 1.0))
        monkeypatch.setattr(features, "load_backbone", lambda _: Backbone(Means(), 27, (0.5,) * 3, (0.5,) * 3))

    return place


def check(command, typed, refusing, size, word):
    """Type a command while writing is refused, and again."""
    before = tree()
    with refusing(size):
        status, _, err = command(*typed)
    assert status == 2, err
    assert err.count("\n") == 1, err
    assert err.startswith("error: ")
    assert f"{word}; what was finished before is kept; make room or give permission, then run the same command" in err
    after = tree()
    assert not [name for name in after if name.endswith(".tmp") or "/.site" in name or "/.plan" in name]
    changed = [name for name in before if after.get(name) != before[name] and not name.startswith(RENEWED)]
    assert [
        name for name in changed if name in after or not name.startswith("tuned/")
    ] == []  # it clears its folder first
    assert [name for name in after if name not in before and not name.startswith(MADE)] == []
    status, _, err = command(*typed)
    assert (status, err) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_cannot_grow(command, placed, name):
    placed()
    check(command, COMMANDS[name], no_file_longer_than, 150, "File too large")


@pytest.mark.parametrize("name", ["plan", "train", "site"])
def test_a_disk_without_room(command, placed, small_disk, monkeypatch, name):
    monkeypatch.chdir(small_disk)
    placed()
    if name == "plan":
        write_settings(settings() | {"seeds": 4})
    check(command, COMMANDS[name], full_disk, 0, "No space left on device")
