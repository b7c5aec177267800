"""Views: the same bytes for any number of workers and after a kill; stale, incomplete and altered ones are refused."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from suite.data.table import read_table
from suite.errors import SuiteError
from suite.hashing import code_files, sha256_file
from suite.settings.finetuned import ViewPlan
from suite.settings.params import BackboneSettings
from suite.training.backbone import load_backbone
from suite.training.finetuned import images, making, maps, views
from suite.training.finetuned.changes import changes as changes_of
from suite.training.finetuned.making import write_views
from suite.training.finetuned.views import load_views, views_folder
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import silent, write_images

DATA = Path("emoji.parquet")
FOLDER = views_folder("emoji")


@pytest.fixture
def table(workplace, one_worker):
    """8 classes of 5 images; half of them train."""
    write_images(DATA, classes=8, images=5)
    return read_table(DATA)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(BackboneSettings())


def plan(**changes):
    made = ViewPlan("emoji", sha256_file(DATA), None, BackboneSettings(), "blocks.4.2", 2, 0.5, True, 0.1)
    return replace(made, **changes)


def written():
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def make(table, backbone, **changes):
    console = silent()
    write_views(plan(**changes), table, backbone, console)
    return console.file.getvalue()


def test_the_same_bytes_for_any_number_of_workers(table, backbone, monkeypatch):
    for module in (making, maps):
        monkeypatch.setattr(module, "BLOCK", 3)
    text = make(table, backbone)
    assert "views of emoji: 80 maps of 112 x 2 x 2, 0 MB" in text
    first = written()
    assert set(first) == {"0.npy", "1.npy", "2.npy", "features.npy", "manifest.json"}
    for path in FOLDER.iterdir():
        path.unlink()
    monkeypatch.setenv("SUITE_WORKERS", "2")
    make(table, backbone)
    assert written() == first


def test_maps_and_features_are_those_of_the_images(table, backbone):
    make(table, backbone)
    views = load_views(plan(), table, backbone)
    assert [each.shape for each in views.maps] == [(40, 112, 2, 2), (20, 112, 2, 2), (20, 112, 2, 2)]
    assert (views.count, views.num_training_classes) == (3, 4)
    rows = np.arange(40)
    assert np.array_equal(np.concatenate([views.training_rows, views.test_rows]), rows)
    expected = backbone.features(table.decode(rows))
    with torch.inference_mode():
        found = views.blocks(views.plain(rows)).numpy()
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 0.01 * scale  # float16 in between
    assert np.abs(views.features - expected[:20]).max() < 0.01 * scale
    places, numbers = np.array([0, 7, 7, 19]), np.array([2, 0, 1, 2])
    drawn = views.drawn(places, numbers)
    for place, number, found in zip(places, numbers, drawn, strict=True):
        assert np.array_equal(views.maps[number][place], found.numpy())
    assert not np.array_equal(views.maps[1], views.maps[2])
    assert not np.array_equal(views.maps[0][:20], views.maps[1])


def test_rows_of_training_images_need_not_come_first(table, backbone):
    order = np.random.default_rng(0).permutation(40)
    mixed = replace(table, images=[table.images[i] for i in order], labels=table.labels[order])
    make(mixed, backbone)
    views = load_views(plan(), mixed, backbone)
    assert set(views.labels[views.training_rows]) == {0, 1, 2, 3}
    places = np.arange(20)
    plain = views.plain(views.training_rows[places])
    assert torch.equal(views.drawn(places, np.zeros(20, int)), plain)
    with torch.inference_mode():
        features = views.blocks(plain).numpy()
    assert np.abs(views.features - features).max() < 0.01 * np.abs(features).max()


def test_a_view_without_changes_but_mirrored(table, backbone):
    """Half of the images are the plain ones where nothing but mirroring changes them."""

    def same(**settings):
        pixels = np.asarray(table.decode(np.arange(20)))
        change = changes_of(plan(crop=1.0, colour=0.0, **settings), 32)
        torch.manual_seed(0)
        seen = []
        for image in pixels:
            fitting = Image.fromarray(image)
            change.transforms[0] = lambda given: given  # the crop, which never shows a whole square
            seen.append(np.asarray(change(fitting)))
        return [
            "plain" if np.array_equal(new, old) else "mirrored" if np.array_equal(new, old[:, ::-1]) else "other"
            for new, old in zip(seen, pixels, strict=True)
        ]

    assert set(same(flip=False)) == {"plain"}
    mirrored = same(flip=True)
    assert set(mirrored) == {"plain", "mirrored"}
    assert 4 <= mirrored.count("mirrored") <= 16


def test_each_setting_changes_the_views(table, backbone):
    found = {}
    for changes in ({}, {"crop": 0.9}, {"flip": False}, {"colour": 0.5}):
        make(table, backbone, **changes)
        found[str(changes)] = (FOLDER / "1.npy").read_bytes()
    assert len(set(found.values())) == 4


def test_what_is_done_is_not_done_again_and_what_lacks_is_made(table, backbone, monkeypatch):
    make(table, backbone)
    whole, stamps = written(), {path.name: path.stat().st_mtime_ns for path in FOLDER.iterdir()}
    (FOLDER / "2.npy").unlink()
    (FOLDER / "1.npy").write_bytes(whole["1.npy"][:-10])
    make(table, backbone)
    assert written() == whole
    assert (FOLDER / "0.npy").stat().st_mtime_ns == stamps["0.npy"]
    monkeypatch.setattr(making, "in_parallel", None)
    make(table, backbone)


def test_a_killed_making_resumes_to_the_same_bytes(table, backbone):
    make(table, backbone, views=6)
    whole = written()
    for path in FOLDER.iterdir():
        path.unlink()
    code = (
        "from tests.suite.training.finetuned.test_views import *\n"
        "write_views(plan(views=6), read_table(DATA), load_backbone(BackboneSettings()), silent())"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    maker = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while not (FOLDER / "1.npy").exists() and maker.poll() is None:
        time.sleep(0.005)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert len(list(FOLDER.glob("*.npy"))) < 8
    for name in (".manifest.json.1.tmp", ".2.npy.1.tmp"):  # as a kill in the middle of a file leaves them
        (FOLDER / name).write_bytes(b"half")
    make(table, backbone, views=6)
    assert written() == whole


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"crop": 0.6}, "plan.crop"),
        ({"views": 3}, "plan.views"),
        ({"cut": "blocks.5.0"}, "plan.cut, standing_sha256, blocks_sha256"),
    ],
)
def test_stale_views_are_refused(table, backbone, changes, named):
    make(table, backbone)
    with pytest.raises(SuiteError) as caught:
        load_views(plan(**changes), table, backbone)
    assert str(caught.value) == (
        f"views {FOLDER} are stale: {named} changed since they were made; make them with: suite views emoji"
    )


def refused(table, backbone, named):
    """Views that were made of something else: refused by name, and made anew."""
    with pytest.raises(SuiteError, match=rf"views {FOLDER} are stale: {named} changed since they were made; make them"):
        load_views(plan(), table, backbone)
    make(table, backbone)
    load_views(plan(), table, backbone)


@pytest.mark.parametrize("name", ["numpy", "pillow", "timm", "torch", "torchvision"])
def test_views_of_another_library_are_refused(table, backbone, monkeypatch, name):
    make(table, backbone)
    version = views.version
    monkeypatch.setattr(views, "version", lambda of: "0" if of == name else version(of))
    refused(table, backbone, rf"versions\.{name}")


def test_views_of_other_code_are_refused(table, backbone, monkeypatch):
    make(table, backbone)
    monkeypatch.setattr(views, "sha256_code", lambda path: f"another {path.name}")
    refused(table, backbone, r"code_sha256\.maps\.py")


@pytest.mark.parametrize(("name", "place"), [("conv_stem", "standing"), ("conv_head", "blocks")])
def test_views_of_other_weights_are_refused(table, backbone, name, place):
    make(table, backbone)
    other = replace(backbone, model=copy.deepcopy(backbone.model))
    with torch.no_grad():
        getattr(other.model, name).weight.mul_(1.01)
    refused(table, other, f"{place}_sha256")


def test_their_code_is_all_that_decides_their_bytes():
    """The changes of images, the streams of random numbers and the layers among it; how files are written is not."""
    named = {file.relative_to(ROOT / "suite").as_posix() for file in code_files(Path(maps.__file__))}
    assert {"training/finetuned/changes.py", "training/finetuned/layers.py", "randomness.py", "data/table.py"} <= named
    assert not named & {"processes.py", "progress.py", "training/finetuned/making.py"}


def test_the_stage_depends_on_all_code_that_decides_them():
    stage = yaml.safe_load((ROOT / "pipelines/finetuned/dvc.yaml").read_text())["stages"]["views"]
    needed = {
        file.relative_to(ROOT).as_posix()
        for module in (maps, images)
        for file in code_files(Path(module.__file__))
        if file.name != "__init__.py"
    }
    assert needed - set(stage["deps"]) == set()


def test_values_that_float16_cannot_hold_are_refused(table, backbone):
    loud = replace(backbone, model=copy.deepcopy(backbone.model))
    with torch.no_grad():
        for name, value in loud.model.blocks[4][2].named_parameters():
            if "bn3" in name or "conv_pwl" in name:
                value.mul_(1e6)
    with pytest.raises(SuiteError) as caught:
        make(table, loud)
    assert str(caught.value) == (
        "pipelines/finetuned/params.yaml: recipe.cut: maps or features hold a value that is not finite in float16, whose "
        "greatest is 65504; allowed: a cut after another block, or another backbone in params.yaml"
    )
    assert not list(FOLDER.glob("*.npy"))


@pytest.mark.parametrize("name", ["0.npy", "2.npy", "features.npy"])
def test_views_that_lack_or_were_cut_short_are_refused(table, backbone, name):
    with pytest.raises(SuiteError, match=rf"views {FOLDER} are missing; make them with: suite views emoji"):
        load_views(plan(), table, backbone)
    make(table, backbone)
    content = (FOLDER / name).read_bytes()
    for altered in (content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        (FOLDER / name).write_bytes(altered)
        with pytest.raises(SuiteError, match=rf"views {FOLDER}/{name} were cut short or altered; make them with"):
            load_views(plan(), table, backbone)
    (FOLDER / name).unlink()
    with pytest.raises(SuiteError, match=rf"views {FOLDER} are incomplete: {name} is missing; make them with"):
        load_views(plan(), table, backbone)


@pytest.mark.parametrize("files", [None, "[]"])
def test_a_manifest_of_another_shape_is_made_anew(table, backbone, files):
    make(table, backbone)
    path = FOLDER / "manifest.json"
    whole = path.read_bytes()
    path.write_text(files or json.dumps(json.loads(whole) | {"files": None}))
    make(table, backbone)
    assert path.read_bytes() == whole


def test_a_disk_with_too_little_room_is_noticed_before(table, backbone, monkeypatch):
    monkeypatch.setattr(making.shutil, "disk_usage", lambda _: SimpleNamespace(free=80 * 112 * 4 * 2))
    with pytest.raises(
        SuiteError, match=r"recipe\.views = 2: the views of emoji take 0 MB, the disk has 0 MB left; all"
    ):
        make(table, backbone)
    assert not list(FOLDER.glob("*"))


def test_a_digest_covers_all_files(table, backbone):
    make(table, backbone)
    first = load_views(plan(), table, backbone).sha256
    make(table, backbone, colour=0.3)
    assert load_views(plan(colour=0.3), table, backbone).sha256 != first
