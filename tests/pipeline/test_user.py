"""The pages on a user's losses and data, followed word by word in a clone, through real dvc."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.pipeline.conftest import ROOT, Clone
from tests.pipeline.test_smoke import edit_params, stages_run

AROUND = {"plan", "leaderboard", "claims", "ablation-tables", "times", "influence", "site"}


def blocks(page):
    """The fenced blocks of a page: language and text."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def follow(project, page):
    """Put each yaml block into params.yaml and run each command; gives command and stages that ran, in order."""
    done = []
    for language, text in blocks(page):
        if language == "yaml":
            new = yaml.safe_load(text)
            edit_params(project, lambda params, new=new: [params[key].update(new[key]) for key in new])
        else:
            assert language == "sh"
            done += [(line, stages_run(project.run("sh", "-c", line).stdout)) for line in text.splitlines()]
    return done


def stages_of(*losses, dataset="emoji"):
    """All stages of these losses."""
    return {f"train@{dataset}-{loss}" for loss in losses} | tuned(*losses, dataset=dataset)


def tuned(*losses, dataset="emoji"):
    return {f"tune@{dataset}-{loss}" for loss in losses}


def leaderboard(project):
    with (project.path / "results/leaderboard.csv").open() as file:
        return {(row["dataset"], row["loss"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def project(reproduced):
    """A clone with its smoke results, and a folder of pictures."""
    shutil.copytree(reproduced.path, reproduced.path.with_name("board"), symlinks=True)
    random = np.random.default_rng(0)
    for label in range(22):
        for number in range(4):
            file = reproduced.path / f"photos/bird{label}/{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.normal(np.random.default_rng(label).integers(0, 256, 3), 30, (40, 40, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file)
    return reproduced


def test_a_loss_gets_its_row_as_the_page_says(project):
    commands = follow(project, "adding-a-loss.md")
    assert [line for line, _ in commands] == [
        "suite new-loss my_loss",
        "suite check my_loss.py:MyLoss",
        "suite losses",
        "dvc repro",
        "suite compare my_loss",
        "suite compare my_loss triplet",
        "suite promote",
        "dvc repro",
    ]
    assert commands[3][1] == stages_of("my_loss", "my_circle") | AROUND
    for loss in ("my_loss", "my_circle"):
        page = (project.path / f"results/site/loss-{loss}.html").read_text()
        assert f"{loss} in 2 tables: against pfml not judged on one seed in 2" in page
        assert 'id="influence-negative"' in page
    # What was searched becomes the recipe and its plan comes out the same: nothing is trained again. The site shows recipes.
    assert commands[7][1] == {"user@files", "plan", "ablation-tables", "site"} | tuned("pfml", "my_loss", "my_circle")
    found = project.path / "recipes/tuned/emoji"
    assert {path.stem for path in found.iterdir()} == {"pfml-0", "triplet-0", "my_loss-0", "my_circle-0"}
    assert {("emoji", "my_loss"), ("emoji", "my_circle")} <= leaderboard(project)


def test_nothing_is_left_to_do_and_the_lock_stays(project):
    project.dvc("repro")
    lock = (project.path / "dvc.lock").read_bytes()
    assert stages_run(project.dvc("repro").stdout) == {"user@files"}
    assert (project.path / "dvc.lock").read_bytes() == lock


def test_a_bundle_goes_from_one_clone_to_another_as_the_page_says(project):
    """The board is another clone, in which the loss never ran."""
    board = Clone(project.path.with_name("board"))
    (_, submitting), (_, merging) = blocks("handing-in.md")
    for line in submitting.splitlines():
        assert line == "suite submit my_loss --licence MIT"
        assert "wrote my_loss.zip" in project.run("sh", "-c", line).stdout
    shutil.move(project.path / "my_loss.zip", board.path)
    assert not list(board.path.rglob("my_loss.py"))
    merge, rerun, repro = merging.splitlines()
    assert merge == "suite merge my_loss.zip"
    board.run("sh", "-c", merge)
    assert stages_run(board.dvc("repro", "leaderboard").stdout) == {"leaderboard"}
    assert handed_in(board) == {"pfml": "", "triplet": "", "frozen backbone": "", "my_loss": "not rerun"}
    mine, theirs = ([row for row in rows_of_board(each) if row["loss"] == "my_loss"] for each in (board, project))
    assert [row["recall_at_1"] for row in mine] == [row["recall_at_1"] for row in theirs]
    assert rerun == "suite rerun my_loss --sample 4 --yes"
    assert "reproduced: all 2 runs gave the same values" in board.run("sh", "-c", rerun).stdout
    assert repro == "dvc repro"
    assert stages_run(board.run("sh", "-c", repro).stdout) == {"leaderboard", "ablation-tables", "site"}
    assert handed_in(board)["my_loss"] == "spot-checked"


def rows_of_board(project):
    return json.loads((project.path / "results/leaderboard.json").read_text())


def handed_in(project):
    return {row["loss"]: row["handed_in"] for row in rows_of_board(project)}


def test_an_edit_of_the_loss_runs_its_stages_only(project):
    file = project.path / "my_loss.py"
    file.write_text(file.read_text().replace("cosines / self.temperature", "2 * cosines / self.temperature"))
    ran = stages_run(project.dvc("repro", "leaderboard", "influence").stdout)
    assert stages_of("my_loss") | {"user@files", "plan"} <= ran <= stages_of("my_loss") | {"user@files"} | AROUND


def test_images_get_their_rows_as_the_page_says(project):
    commands = follow(project, "adding-data.md")
    assert [line for line, _ in commands] == ["suite data user birds", "suite datasets", "dvc repro"]
    losses = ("pfml", "triplet", "my_loss", "my_circle")
    made = stages_of(*losses, dataset="birds") | {"features@birds"} | AROUND
    assert commands[2][1] - {"user@files"} == made - {"influence"}  # of losses alone
    assert {("birds", loss) for loss in losses} <= leaderboard(project)
    assert "hubness of frozen backbone" in (project.path / "results/site/dataset-birds.html").read_text()
    assert "data.dvc" not in project.run("git", "status", "--short").stdout
    assert "changed" not in project.dvc("status", "data.dvc").stdout


def test_what_is_taken_back_leaves_nothing_behind(project):
    (project.path / "my_loss.py").unlink()
    edit_params(project, lambda params: [params["losses"].pop(name) for name in ("my_loss", "my_circle")])
    edit_params(project, lambda params: params["datasets"].pop("birds"))
    assert not stages_run(project.dvc("repro").stdout) & (stages_of("pfml", "triplet") | {"features@emoji"})
    assert {dataset for dataset, _ in leaderboard(project)} == {"emoji"}
    assert project.run("git", "status", "--short", "user").stdout == ""
    assert stages_run(project.dvc("repro").stdout) == set()
