"""The study of splits: other classes train, values are searched on them alone, and every seed runs at every level."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from suite.data.features import load_features
from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.settings.plans import Search, plan_path, write_plan_file
from suite.settings.studies import SplitSettings
from suite.training.studies.splits import run_splits
from tests.helpers.synthetic import features_path, json_rows, silent, tuned

SPLITS = SplitSettings(count=2, trials=2, folds=2)
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}


@pytest.fixture
def planned(workplace, one_worker):
    plan = replace(tuned("triplet"), noise_levels=(0.0, 0.4), searches=5, search=0)
    write_plan_file(plan_path("searches", "emoji", "triplet"), [(plan, Search(SPACE, {}, 9, 4, held_out=1))])
    return plan


def test_each_split_has_its_own_classes_search_and_runs(planned):
    console = silent()
    path = run_splits("emoji", "triplet", SPLITS, console)
    read_records([path])
    rows, printed = json_rows(path), console.file.getvalue()
    assert [(row["split"], row["noise_level"], row["seed"]) for row in rows] == [
        (split, level, 1000 * split + seed) for split in (1, 2) for level in (0.0, 0.4) for seed in range(planned.seeds)
    ]
    assert {row["track"] for row in rows} == {"tuned"}
    assert {row["hyperparameter_source"] for row in rows} == {"search"}
    features = load_features(features_path())
    halves = [
        set(features.labels[features.under_split(split).labels < features.num_training_classes]) for split in (0, 1, 2)
    ]
    assert halves[0] != halves[1] != halves[2] != halves[0]
    rates = [{row["recipe"]["learning_rate"] for row in rows if row["split"] == split} for split in (1, 2)]
    assert all(len(each) == 1 for each in rates)
    found = re.findall(r"split \d emoji triplet tuned (\d+) trial \d: MAP@R \S+ % (.*)", printed)
    assert [number for number, _ in found] == ["1000"] * 2 + ["2000"] * 2
    assert len({values for _, values in found}) == 4  # each search has a sampler of its own
    run_splits("emoji", "triplet", SPLITS, again := silent())
    assert json_rows(path) == rows
    assert "trial 0:" not in again.file.getvalue()


def test_a_loss_with_nothing_to_search_is_refused(planned):
    write_plan_file(plan_path("searches", "emoji", "triplet"), [(planned, None)])
    with pytest.raises(SuiteError, match=r"^triplet has no search space; declare"):
        run_splits("emoji", "triplet", SPLITS, silent())


def test_true_labels_are_searched_on_whatever_other_tracks_there_are(planned):
    path = plan_path("searches", "emoji", "triplet")
    true = planned, Search(SPACE, {}, 9, 4)
    write_plan_file(path, [(replace(planned, track="tuned_under_noise"), Search(SPACE, {}, 9, 4, noise=0.2)), true])
    rows = json_rows(run_splits("emoji", "triplet", SPLITS.model_copy(update={"count": 1}), silent()))
    assert {row["track"] for row in rows} == {"tuned"}
    write_plan_file(path, [(replace(planned, track="tuned_under_noise"), Search(SPACE, {}, 9, 4, noise=0.2))])
    with pytest.raises(SuiteError, match=r"params\.yaml: tuning\.tracks has no tuned"):
        run_splits("emoji", "triplet", SPLITS, silent())


def test_folds_that_the_classes_cannot_fill(planned):
    told = r"params\.yaml: splits\.folds = 11: emoji has 20 training classes, and a fold needs 2 .*; allowed: 2 to 10"
    with pytest.raises(SuiteError, match=told):
        run_splits("emoji", "triplet", SPLITS.model_copy(update={"folds": 11}), silent())
    assert not any(Path("run_cache").rglob("*.log"))
