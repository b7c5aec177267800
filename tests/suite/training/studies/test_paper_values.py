"""The published track: all noise levels and seeds in one stage, each row what a stage of its own would have given."""

from dataclasses import replace
from pathlib import Path

import pytest
from suite.settings.feature_paths import features_path
from suite.training.outcome import Run
from suite.training.runs import run_all

from suite.data.features import save_features
from suite.errors import SuiteError
from suite.settings.plans import published_plan_path, write_cell
from suite.training.cache import PARTIAL_FOLDER
from suite.training.studies.paper_values import run_published
from tests.helpers.synthetic import cell_plan, json_rows, make_features, silent

NAME = "published-emoji-contrastive"


@pytest.fixture
def plan(workplace, one_worker):
    """A plan of two seeds with its features, written."""
    save_features(features_path("emoji"), make_features())
    made = replace(cell_plan(), seeds=2, track="published", origin="published")
    write_cell(published_plan_path("emoji", "contrastive"), made)
    return made


def published(levels=(0, 0.4)):
    console = silent()
    return json_rows(run_published("emoji", "contrastive", levels, console)), console.file.getvalue()


def test_a_record_for_each_noise_level_and_seed(plan):
    rows, printed = published()
    assert [(row["noise_level"], row["seed"]) for row in rows] == [(0, 0), (0, 1), (0.4, 0), (0.4, 1)]
    assert {(row["track"], row["origin"]) for row in rows} == {("published", "published")}
    assert f"{NAME} noise 0.4 seed 1: R@1" in printed
    apart = run_all("apart", [Run(plan, 0.4, seed) for seed in range(2)], silent())
    assert [outcome.record for outcome in apart] == rows[2:]
    assert not (PARTIAL_FOLDER / NAME).exists()


def test_the_grid_is_left_alone(plan):
    published()
    assert [path.as_posix() for path in Path("as_published").iterdir()] == ["as_published/emoji-contrastive.jsonl"]
    assert not any(Path(folder).exists() for folder in ("runs", "times"))


def test_an_interrupted_one_is_resumed(plan, monkeypatch):
    expected, _ = published()
    with monkeypatch.context() as patch:
        patch.setattr(
            "suite.training.studies.paper_values.write_lines", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            published()
    (PARTIAL_FOLDER / NAME / "run-2.json").unlink()
    rows, printed = published()
    assert "resuming, runs [0, 1, 3] are done" in printed
    assert rows == expected


def test_without_a_plan(workplace):
    with pytest.raises(SuiteError, match=r"plan plan/published/emoji-pfml\.json is missing"):
        run_published("emoji", "pfml", (0,), silent())
    assert not Path("as_published").exists()
