"""The values of papers: all noise levels and seeds in one stage, each record what a run of its own would have given."""

from dataclasses import replace
from pathlib import Path

import pytest

from suite.data.features import save_features
from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.settings.plans import Run, plan_path
from suite.training.stage import run_frozen_stage
from suite.training.studies.paper_values import run_paper_values
from tests.helpers.synthetic import features_path, frozen_plan, make_features, silent, write_plan

NAME = "paper-values-emoji-contrastive"
FILE = Path("studies/paper_values/emoji-contrastive.jsonl")


@pytest.fixture
def plan(workplace, one_worker):
    """A plan of two seeds at two noise levels with its features, written."""
    save_features(features_path(), make_features())
    made = replace(frozen_plan(seeds=2), track="paper_values", hyperparameter_source="paper", noise_levels=(0.0, 0.4))
    write_plan(plan_path("paper_values", "emoji", "contrastive"), made)
    return made


def at_paper_values():
    console = silent()
    assert run_paper_values("emoji", "contrastive", console) == FILE
    return read_records([FILE]), console.file.getvalue()


def test_a_record_for_each_noise_level_and_seed(plan):
    found, printed = at_paper_values()
    assert [(record.noise_level, record.seed) for record in found] == [(0, 0), (0, 1), (0.4, 0), (0.4, 1)]
    assert {(record.track, record.hyperparameter_source) for record in found} == {("paper_values", "paper")}
    assert f"{NAME} noise 0.4 seed 1: R@1" in printed
    _, apart = run_frozen_stage("apart", [Run(plan, 0.4, seed) for seed in range(2)], silent())
    assert [each.record.model_dump() for each in apart] == [record.model_dump() for record in found[2:]]


def test_the_grid_is_left_alone(plan):
    at_paper_values()
    assert [path.as_posix() for path in Path("studies").rglob("*.*")] == [FILE.as_posix()]
    assert not any(Path(folder).exists() for folder in ("runs", "times"))


def test_finished_runs_are_taken_from_the_cache(plan):
    expected, _ = at_paper_values()
    first = FILE.read_bytes()
    lost = sorted(Path("run_cache/emoji-contrastive").glob("*.json"))[2]
    lost.unlink()
    again, printed = at_paper_values()
    assert f"{NAME}: 3 of 4 runs are in the run cache" in printed
    assert printed.count("R@1") == 1
    assert again == expected
    assert FILE.read_bytes() == first


def test_without_a_plan(workplace):
    with pytest.raises(SuiteError, match=r"plan plan/paper_values/emoji-pfml\.json is missing"):
        run_paper_values("emoji", "pfml", silent())
    assert not Path("studies").exists()
