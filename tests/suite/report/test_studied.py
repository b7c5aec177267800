"""Which records of studies stand on the leaderboard beside those of the grid."""

from pathlib import Path

import pytest

from suite.evaluation.records import Record, write_records
from suite.report.studied import Studied, with_studies
from tests.helpers.records import record

GRID = [record(loss, level, seed, 0.5) for loss in ("pfml", "triplet") for level in (0, 0.2) for seed in (0, 1)]
RECIPE = {"classes_per_batch": 30, "learning_rate": 0.1, "proxy_learning_rate": 0.1, "epochs": 15}
pytestmark = pytest.mark.usefixtures("workplace")


def beside(study, *runs, grid=GRID):
    """What is kept of the records of a study: loss, noise level, seed and status of each."""
    if runs:
        write_records(Path(f"results/studies/{study}/runs.jsonl"), runs)
    both = with_studies(grid).records
    assert both[: len(grid)] == grid
    return [(run.loss, run.noise_level, run.seed, run.status) for run in both[len(grid) :]]


def at_paper_values(level=0, seed=0, recall=0.3, loss="pfml", **other):
    return record(loss, level, seed, recall, track="paper_values", **other)


def extended(level=0, seeds=(0, 1), recall=0.3, loss="supcon", **other):
    return [record(loss, level, seed, recall, **other) for seed in seeds]


def test_without_studies_in_git_there_is_the_grid_alone():
    assert with_studies(GRID) == Studied(records=GRID, other_kinds=[], notes=[])


def test_runs_at_papers_values_of_the_same_conditions_are_kept():
    assert beside("paper_values", at_paper_values(), at_paper_values(seed=1, recall=None)) == [
        ("pfml", 0, 0, "ok"),
        ("pfml", 0, 1, "failed"),
    ]


@pytest.mark.parametrize("recall", [0.3, None])
@pytest.mark.parametrize(
    "other",
    [
        {"loss": "multi_similarity"},
        {"level": 0.4},
        {"level": 0.2, "noise_kind": "small_cluster"},
        {"dataset": "furniture"},
    ],
    ids=lambda other: next(reversed(other)),
)
def test_those_of_other_conditions_are_left_out(other, recall):
    """Those that failed as well."""
    runs = at_paper_values(), at_paper_values(recall=recall, **other)
    assert beside("paper_values", *runs) == [("pfml", 0, 0, "ok")]


@pytest.mark.parametrize("recall", [0.3, None])
@pytest.mark.parametrize(
    "other", [{"data_sha256": "another file"}, {"backbone": "resnet18"}], ids=lambda other: next(iter(other))
)
def test_those_on_other_data_or_another_backbone_are_left_out(other, recall):
    assert beside("paper_values", at_paper_values(recall=recall, **other)) == []
    assert beside("extended", *extended(recall=recall, **other)) == []


def test_those_on_other_test_classes_are_left_out_with_their_failures():
    fewer = {"class_hits": [3000, 3000], "class_queries": [5000, 5000]}
    assert beside("paper_values", at_paper_values(recall=0.6, **fewer), at_paper_values(seed=1, recall=None)) == []


def test_those_that_all_failed_are_kept_on_the_same_data():
    assert beside("paper_values", at_paper_values(recall=None)) == [("pfml", 0, 0, "failed")]


def test_losses_that_the_grid_does_not_run_stand_in_its_tables():
    runs = [*extended(), *extended(level=0.2)]
    assert beside("extended", *runs) == [("supcon", run.noise_level, run.seed, "ok") for run in runs]


@pytest.mark.parametrize(
    "other",
    [
        {"loss": "pfml", "level": 0.4},
        {"level": 0.4},
        {"level": 0.2, "noise_kind": "small_cluster"},
        {"dataset": "furniture"},
        {"track": "tuned_under_noise"},
        {"seeds": (0,)},
        {"seeds": (0, 1, 2)},
        {"level": 0.2, "noise_sha256": "other labels"},
    ],
    ids=str,
)
def test_those_that_cannot_be_paired_with_the_grid_are_left_out(other):
    assert beside("extended", *extended(), *extended(**{"loss": "prism"} | other)) == [
        ("supcon", 0, 0, "ok"),
        ("supcon", 0, 1, "ok"),
    ]


def test_losses_share_a_recipe_but_for_what_is_searched():
    grid = [Record(**run.model_dump() | {"recipe": RECIPE}) for run in GRID]
    searched = {"learning_rate": 0.2, "proxy_learning_rate": 0.3, "epochs": 30}
    assert len(beside("extended", *extended(recipe=RECIPE | searched), grid=grid)) == 2
    assert beside("extended", *extended(recipe=RECIPE | {"classes_per_batch": 20}), grid=grid) == []


def test_a_loss_that_came_into_the_grid_is_taken_from_there():
    assert beside("extended", *extended(loss="triplet", recall=0.9)) == []


SEEN, OTHER = "a" * 64, "b" * 64
"""Digests of views."""


def of_views(sha256, *runs):
    return [Record(**run.model_dump() | {"regime": "finetuned", "views_sha256": sha256}) for run in runs]


def told_of(grid, *, folder="results/studies", **files):
    """Notes on the records of files of the study ``extended``."""
    for name, runs in files.items():
        write_records(Path(f"{folder}/extended/{name}.jsonl"), runs)
    return with_studies(grid).notes


def test_a_file_of_other_views_is_left_out_by_itself_and_named():
    """Not by what the first file of the study has."""
    grid, place = of_views(SEEN, *GRID), "results/finetuned/studies"
    alike, others = of_views(SEEN, *extended(loss="circle")), of_views(OTHER, *extended(), *extended(level=0.2))
    told = "are of other views (views_sha256 bbbbbbbb; that of the grid is aaaaaaaa)"
    for names in ({"a": others, "b": alike}, {"a": alike, "b": others}):
        assert told_of(grid, folder=place, **names) == [f"{place}/extended: runs of supcon on emoji {told}"]
        assert [run.loss for run in with_studies(grid).records[len(grid) :]] == ["circle", "circle"]


def test_runs_that_do_not_name_their_views_are_left_out():
    grid, place = of_views(SEEN, *GRID), "results/finetuned/studies"
    (note,) = told_of(grid, folder=place, a=of_views(None, *extended()))
    assert note.endswith("runs of supcon on emoji are of other views (views_sha256 None; that of the grid is aaaaaaaa)")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"data_sha256": "second"}, "are of other data (data_sha256 second; that of the grid is emoji)"),
        (
            {"backbone": "resnet18"},
            "are of another backbone (backbone resnet18; that of the grid is tf_efficientnet_lite0)",
        ),
        ({"class_hits": [3000, 3000], "class_queries": [5000, 5000], "recall": 0.6}, "are of other test classes"),
        ({"seeds": (0,)}, "have other seeds, noisy labels or training settings than those of the grid"),
        ({"recipe": RECIPE}, "have other seeds, noisy labels or training settings than those of the grid"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_is_left_out_is_told_once_with_its_losses(other, told):
    files = {loss: [*extended(loss=loss, **other), *extended(0.2, loss=loss, **other)] for loss in ("circle", "supcon")}
    assert told_of(GRID, **files) == [f"results/studies/extended: runs of circle, supcon on emoji {told}"]


def test_nothing_is_told_of_other_data_sets_or_of_losses_that_came_into_the_grid():
    assert told_of(GRID, here=extended(), there=extended(dataset="furniture"), again=extended(loss="triplet")) == []
