"""The time left: of the stage at work by its speed, of the stages after it by their plans and times."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.settings.plans import Search, cell_plan_path, tuned_plan_path, write_cell
from suite.settings.feature_paths import features_path
from suite.files import write_json, write_lines
from suite.training.time_left import NOTHING_AFTER, After, after_stage, time_left
from suite.training.outcome import Run, config_sha256
from tests.suite.synthetic import RECIPE, cell_plan

SEARCH = Search({"margin": {"low": 0.0, "high": 1.0}}, {}, trials=6, folds=3)
PLANS = {loss: replace(cell_plan(loss), seeds=2) for loss in ("pfml", "triplet")}
NAME = "emoji-pfml-0"


@pytest.fixture
def grid(workplace):
    """Two losses at two noise levels; features are there, nothing is trained, no time is known."""
    settings = {
        "datasets": {"emoji": {}},
        "losses": {"pfml": {}, "triplet": {}},
        "noise": {"levels": [0, 0.2]},
        "seeds": 2,
        "recipe": RECIPE.model_dump(),
        "tuning": {"trials": 6, "folds": 3},
    }
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    for loss, plan in PLANS.items():
        write_cell(cell_plan_path("emoji", loss), plan)
    features_path("emoji").parent.mkdir()
    features_path("emoji").touch()


def trained(loss, level, plan=None):
    """Records of a cell, of which one line is read."""
    plan = plan or PLANS[loss]
    digests = [{"config_sha256": config_sha256(Run(plan, float(level), seed))} for seed in range(plan.seeds)]
    write_lines(Path(f"runs/emoji-{loss}-{level}/records.jsonl"), digests)


def timed(name, seconds):
    write_json(Path(f"times/{name}.json"), {"start_up": 1.0, "work": seconds - 1.0, "runs": {}})


@pytest.mark.parametrize(
    ("elapsed", "share", "after", "text"),
    [
        (10, 0.0, NOTHING_AFTER, "–"),
        (10, 0.25, NOTHING_AFTER, "0:00:30"),
        (10, 1.0, NOTHING_AFTER, "0:00:00"),
        # 30 s here, 100 s that are known, twice the 40 s of this stage
        (10, 0.25, After(3, 100.0, 2.0), "0:00:30, whole run 0:03:30"),
        (3600, 0.5, After(1, 3600.0), "1:00:00, whole run 2:00:00"),
    ],
)
def test_time_left(elapsed, share, after, text):
    assert time_left(elapsed, share, after) == text


def test_without_any_times_stages_count_as_the_one_at_work(grid):
    assert after_stage(NAME) == After(stages=3, seconds=0.0, unknown=3.0)


def test_trained_cells_are_not_left_unless_another_plan_made_them(grid):
    trained("pfml", "0.2")
    trained("triplet", "0")
    assert after_stage(NAME).stages == 1
    trained("triplet", "0", replace(PLANS["triplet"], code_sha256="older"))
    assert after_stage(NAME).stages == 2
    Path("runs/emoji-pfml-0.2/records.jsonl").write_text("")
    assert after_stage(NAME).stages == 3


def test_stages_that_are_trained_ahead_have_nothing_left(grid):
    assert after_stage(NAME, ["emoji-pfml-0.2"]) == After(stages=2, seconds=0.0, unknown=2.0)


def test_a_stage_takes_as_long_as_before_or_as_its_nearest_relatives(grid):
    Path("results").mkdir()
    header = "stage,name,start_up_seconds,work_seconds,runs,mean_run_seconds\n"
    Path("results/times.csv").write_text(header + "train,emoji-triplet-0,5,25,2,9\n")
    assert after_stage(NAME) == After(3, 3 * 30.0)
    timed("emoji-pfml-0", 10.0)  # this machine: of the same loss, so that pfml at 0.2 takes as long
    assert after_stage(NAME) == After(3, 10.0 + 2 * 30.0)
    timed("emoji-triplet-0", 20.0)  # of this machine, before what was committed
    assert after_stage(NAME) == After(3, 10.0 + 2 * 20.0)
    timed("emoji-triplet-0.2", 70.0)
    assert after_stage(NAME) == After(3, 10.0 + 20.0 + 70.0)


def test_a_search_that_is_missing_counts_by_the_training_it_takes(grid):
    write_cell(cell_plan_path("emoji", "triplet"), PLANS["triplet"], SEARCH)
    timed("emoji-triplet-0", 10.0)
    timed("emoji-pfml-0.2", 4.0)
    # 6 trials train on 2 of 3 folds each: 6 times the data of 2 runs, and a cell is 2 runs
    assert after_stage(NAME) == After(4, 4.0 + 6 * 10.0 + 2 * 10.0)
    write_cell(tuned_plan_path("emoji", "triplet"), replace(PLANS["triplet"], origin="search"))
    assert after_stage(NAME) == After(3, 4.0 + 2 * 10.0)
    write_cell(tuned_plan_path("emoji", "triplet"), replace(PLANS["triplet"], source_sha256="before an edit"))
    trained("triplet", "0", replace(PLANS["triplet"], source_sha256="before an edit"))
    assert after_stage(NAME).stages == 4
    timed("tune-emoji-triplet", 33.0)
    assert after_stage(NAME) == After(4, 4.0 + 33.0 + 2 * 10.0)


def test_features_that_are_missing_are_left(grid):
    features_path("emoji").unlink()
    assert after_stage(NAME) == After(4, 0.0, 4.0)
    timed("features-emoji", 50.0)
    assert after_stage(NAME) == After(4, 50.0, 3.0)
    assert after_stage("features-emoji") == After(4, 0.0, 4.0)


def test_nothing_is_told_of_other_stages_or_where_files_are_missing_or_broken(grid):
    assert after_stage("ablation-furniture-alpha") == NOTHING_AFTER
    Path("times").mkdir()
    Path("times/emoji-pfml-0.json").write_text("{")
    assert after_stage(NAME) == After(3, 0.0, 3.0)
    cell_plan_path("emoji", "pfml").write_text(json.dumps({"plan": {}, "search": None}))
    assert after_stage(NAME) == NOTHING_AFTER
    cell_plan_path("emoji", "pfml").unlink()
    assert after_stage(NAME) == NOTHING_AFTER
    Path("params.yaml").unlink()
    assert after_stage(NAME) == NOTHING_AFTER
