"""Archives under the real DVC."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.suite.data.archives import factory


def dvc(*arguments):
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repository(workplace):
    """A DVC repository with a remote, as the project has one."""
    dvc("init", "--quiet", "--no-scm")
    dvc("remote", "add", "--quiet", "--default", "embedded", "store")
    return workplace


def test_archives_are_tracked_and_images_are_not(add, repository):
    files = factory.cars_pooled(repository / "in")
    walk = add("cars", files, track=True)
    assert walk.status == 0, walk.err
    folder = Path("benchmarks/archives")
    assert walk.out.count("dvc add ") == 2
    assert sorted(path.name for path in folder.glob("*.dvc")) == ["car_ims.tgz.dvc", "cars_annos.mat.dvc"]
    for file in files:
        [out] = yaml.safe_load((folder / f"{file.name}.dvc").read_text())["outs"]
        assert out["md5"] == factory.md5(file) == factory.md5(folder / file.name)
        assert out["push"] is False
    assert dvc("status").strip() == "Data and pipelines are up to date."
    dvc("push", "--quiet")
    assert not list(Path("store").rglob("*")) if Path("store").exists() else True
    # Archives come back from DVC's cache; the image cache is nothing that DVC knows.
    (folder / "car_ims.tgz").unlink()
    dvc("checkout", "--quiet")
    assert factory.md5(folder / "car_ims.tgz") == factory.md5(files[0])
    assert not list(Path("benchmarks/cache").rglob("*.dvc"))


def test_adding_again_from_the_archives_folder_does_nothing_more(add, repository):
    [path] = factory.write_sop(repository / "in")
    add("sop", [path], track=True)
    tracked = Path("benchmarks/archives/Stanford_Online_Products.zip")
    walk = add("sop", [tracked], track=True)
    assert walk.status == 0
    assert "dvc add" not in walk.out


def test_a_file_of_another_name_gets_the_published_one_if_it_is_the_published_one(add, repository):
    [path] = factory.write_cub(repository / "in")
    copy = path.rename(repository / "in" / "birds (3).tgz")
    (repository / "CUB_200_2011.tgz").write_bytes(copy.read_bytes())
    assert add("cub", [copy], published=[repository / "CUB_200_2011.tgz"], track=True).status == 0
    assert Path("benchmarks/archives/CUB_200_2011.tgz.dvc").is_file()


def test_another_file_in_its_place_is_not_overwritten(add, repository):
    files = factory.write_cub(repository / "in")
    place = Path("benchmarks/archives/CUB_200_2011.tgz")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    walk = add("cub", files, track=True)
    assert walk.status == 2
    assert f"{place} already exists and differs from {files[0]}; move one of them away" in walk.err
    assert place.read_bytes() == b"mine"
    place.write_bytes(bytes(files[0].stat().st_size))
    assert "already exists and differs from the one that was verified" in add("cub", files, track=True).err


def test_outside_a_repository_nothing_is_begun(refused, workplace):
    message = refused("cub", factory.write_cub(workplace / "in"), track=True)
    assert (
        "benchmarks lies in no DVC repository: run from the project's root, or leave DVC out with --no-track" in message
    )
    assert not Path("benchmarks").exists()
