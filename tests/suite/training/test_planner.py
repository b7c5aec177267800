"""Plans: what they hold, what changes them, where they are written."""

import json
import shutil
from pathlib import Path

import pytest

from suite.data import catalog
from suite.errors import SuiteError
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.plans import (
    PLAN_FOLDER,
    CellPlan,
    cell_plan_path,
    published_plan_path,
    read_cell,
    search_plan_path,
)
from suite.training import planner as plan_module
from tests.suite.training.planning import RECIPE, cell, refused, written


def test_a_plan_for_each_data_set_cell_search_and_published_cell(plan):
    plan(published={"triplet": {}})
    assert sorted(path.relative_to(PLAN_FOLDER).as_posix() for path in written()) == [
        "cells/emoji-pfml.json",
        "cells/emoji-triplet.json",
        "cells/typefaces-pfml.json",
        "cells/typefaces-triplet.json",
        "datasets/emoji.json",
        "datasets/typefaces.json",
        "published/emoji-triplet.json",
        "published/typefaces-triplet.json",
        "searches/emoji-pfml.json",
        "searches/emoji-triplet.json",
        "searches/typefaces-pfml.json",
        "searches/typefaces-triplet.json",
    ]
    dataset = json.loads((PLAN_FOLDER / "datasets/emoji.json").read_text())
    assert dataset == {"dataset": "emoji", "data_sha256": catalog.SHA256["emoji"], "max_classes": None}


def test_a_plan_holds_all_that_a_run_depends_on(plan, monkeypatch):
    plan(seeds=3, noise={"kind": "small_cluster", "levels": [0]})
    found = cell("emoji-pfml")
    assert found.pop("code_sha256") != found["loss_sha256"]
    assert found == {
        "track": "tuned",
        "dataset": "emoji",
        "loss": "pfml",
        "target": "pfml:PotentialFieldLoss",
        "loss_sha256": load_target("pfml", BUILT_IN["pfml"]).loss_sha256,
        "noise_kind": "small_cluster",
        "seeds": 3,
        "origin": "defaults",
        "hyperparameters": {},
        "recipe": RECIPE,
        "validation_epoch": None,
    }


@pytest.mark.parametrize("part", plan_module.RUN_CODE)
def test_a_plan_changes_with_the_code_that_runs_it(plan, monkeypatch, part):
    """Each part of the code exists, and an edit of it changes the digest; an edit of other code does not."""
    plan(datasets={"emoji": {}}, losses={"pfml": {}})
    before = cell("emoji-pfml")["code_sha256"]
    copy = Path("copy")
    shutil.copytree(Path(plan_module.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(plan_module, "_SUITE", copy)
    (copy / "leaderboard/table.py").write_text("")
    plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert cell("emoji-pfml")["code_sha256"] == before
    file = copy / part if part.endswith(".py") else next((copy / part).glob("*.py"))
    file.write_text(file.read_text() + "# edited\n")
    plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert cell("emoji-pfml")["code_sha256"] != before


def test_plans_read_back_as_they_were_made(plan):
    plan(losses={"pfml": {"params": {"delta": 0.9}}}, published={"pfml": {}})
    for path in (cell_plan_path, search_plan_path, published_plan_path):
        made, search = read_cell(path("emoji", "pfml"))
        assert isinstance(made, CellPlan)
        value = json.loads(path("emoji", "pfml").read_text())
        assert made.as_dict() == value["plan"]
        assert (search is None) == (value["search"] is None) == (path is published_plan_path)


def test_a_missing_plan(workplace):
    with pytest.raises(
        SuiteError, match=r"plan plan/cells/emoji-magic\.json is missing: .* params\.yaml, then run: dvc"
    ):
        read_cell(cell_plan_path("emoji", "magic"))


def test_the_same_settings_give_the_same_bytes(plan):
    plan()
    before = written()
    plan()
    assert written() == before


def test_plans_of_removed_losses_go(plan):
    plan()
    plan(losses={"pfml": {}})
    assert not (PLAN_FOLDER / "cells/emoji-triplet.json").exists()


def test_a_data_set_may_have_batches_of_its_own(plan):
    message = refused(plan, datasets={"emoji": {"classes_per_batch": 6}})
    assert message == "params.yaml: datasets.emoji.classes_per_batch = 6: emoji has 5 training classes; allowed: 2 to 5"
    large = RECIPE | {"classes_per_batch": 9, "samples_per_class": 9}
    plan(recipe=large, datasets={"emoji": {"classes_per_batch": 2, "samples_per_class": 3}})
    found = cell("emoji-pfml")["recipe"]
    assert (found["classes_per_batch"], found["samples_per_class"]) == (2, 3)
    plan(datasets={"emoji": {"samples_per_class": 2}, "typefaces": {}})
    assert [cell(f"{name}-pfml")["recipe"]["samples_per_class"] for name in ("emoji", "typefaces")] == [2, 3]
