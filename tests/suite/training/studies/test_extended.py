"""The extended grid: losses that the grid does not run, and further kinds of label noise."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.settings.params import load_settings
from suite.settings.paths import SEARCHES_FOLDER
from suite.settings.plans import Run, Search, plan_path, read_plan_file, tuned_plan_path, write_plan_file
from suite.settings.tuned_recipes import load_tuned, save_tuned
from suite.training.stage import run_frozen_stage
from suite.training.studies.extended import extended_parts, run_extended
from suite.training.tuning.resolve import resolve_hyperparameters
from tests.helpers.synthetic import json_rows, silent, tuned
from tests.suite.training.planning import RECIPE, SMALL

pytestmark = pytest.mark.usefixtures("one_worker")
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
SETTINGS = {
    "datasets": {"emoji": {}},
    "losses": {"triplet": {}},
    "noise": {"levels": [0, 0.4]},
    "recipe": RECIPE,
    "tuning": {"trials": 1, "folds": 2, "also": {"supcon": {}}},
    "extended": {"losses": {"triplet": {}, "supcon": {}}, "noise_kinds": ["symmetric", "small_cluster"]},
}


def settings(**changes):
    Path("params.yaml").write_text(yaml.safe_dump(SMALL | SETTINGS | changes))
    return load_settings()


def planned(loss, searched=False):
    """A plan for each of two searches, whose values are known unless they are to be searched."""
    plan = replace(tuned(loss), searches=2, noise_levels=(0.0, 0.4))
    searches = [Search(SPACE, {}, 1, 2, number=number) if searched else None for number in (0, 1)]
    plans = [(replace(plan, search=number), search) for number, search in enumerate(searches)]
    write_plan_file(plan_path("extended", "emoji", loss), plans)
    return plan


def runs_in(path):
    return [(row["noise_kind"], row["noise_level"], row["seed"], row["search"]) for row in json_rows(path)]


def test_a_loss_of_the_grid_runs_under_further_kinds_of_noise_and_not_again_without(workplace):
    plan = planned("triplet")
    path = run_extended("emoji", "triplet", settings(), silent())
    read_records([path])
    assert runs_in(path) == [("small_cluster", 0.4, 0, 0), ("small_cluster", 0.4, 1, 1)]
    _, (alone,) = run_frozen_stage("alone", [Run(replace(plan, noise_kind="small_cluster"), 0.4, 1)], silent())
    assert alone.record.metrics == json_rows(path)[1]["metrics"]


def test_another_loss_runs_as_the_grid_would_run_it_too(workplace):
    plan = planned("supcon")
    path = run_extended("emoji", "supcon", settings(), silent())
    read_records([path])
    places = [("symmetric", 0.0), ("symmetric", 0.4), ("small_cluster", 0.4)]
    assert runs_in(path) == [(*place, number, number) for number in (0, 1) for place in places]
    _, (of_grid,) = run_frozen_stage("grid", [Run(plan, 0.4, 0)], silent())
    assert of_grid.record.metrics == json_rows(path)[1]["metrics"]


@pytest.mark.parametrize("of_all", [True, False], ids=["of all losses", "of the loss"])
@pytest.mark.parametrize("tracks", [["tuned"], ["tuned", "tuned_under_noise"]], ids=len)
def test_tracks_that_are_asked_for_run_and_no_other_is_searched(workplace, tracks, of_all):
    plan, both = planned("supcon"), ["tuned", "tuned_under_noise"]
    under_noise = replace(plan, track="tuned_under_noise", noise_levels=(0.4,), search=0, searches=1)
    path = plan_path("extended", "emoji", "supcon")
    write_plan_file(path, [*read_plan_file(path), (under_noise, Search(SPACE, {}, 1, 2, noise=0.2))])
    asked = (
        {"tracks": tracks} if of_all else {"losses": {"supcon": {"tracks": tracks}}, "tracks": ["tuned_under_noise"]}
    )
    chosen = settings(tuning=SETTINGS["tuning"] | {"tracks": both}, extended=SETTINGS["extended"] | asked)
    rows = json_rows(run_extended("emoji", "supcon", chosen, silent()))
    assert {row["track"] for row in rows} == {*tracks}
    assert len({(row["track"], row["noise_kind"], row["noise_level"], row["seed"]) for row in rows}) == len(rows)
    searched = [each.name for each in SEARCHES_FOLDER.glob("*/*.yaml")]
    assert searched == [f"{track}-0.yaml" for track in tracks if track != "tuned"]


def test_a_track_that_is_not_searched_is_refused(workplace):
    told = r"params\.yaml: extended\.tracks: tuned_under_noise is not searched; allowed: tuned"
    with pytest.raises(SuiteError, match=told):
        settings(extended=SETTINGS["extended"] | {"tracks": ["tuned_under_noise"]})
    told = r"params\.yaml: extended\.losses\.supcon\.tracks: tuned_under_noise is not searched; allowed: tuned"
    with pytest.raises(SuiteError, match=told):
        settings(extended={"losses": {"supcon": {"tracks": ["tuned_under_noise"]}}})


def test_what_has_no_recipe_is_searched_first_and_once(workplace):
    planned("supcon", searched=True)
    path = run_extended("emoji", "supcon", settings(), silent())
    found = sorted((SEARCHES_FOLDER / "emoji-supcon").glob("*.yaml"))
    assert [each.name for each in found] == ["tuned-0.yaml", "tuned-1.yaml"]
    rates = [yaml.safe_load(each.read_text())["best"]["learning_rate"] for each in found]
    assert rates[0] != rates[1]
    assert {(row["search"], row["recipe"]["learning_rate"]) for row in json_rows(path)} == {*enumerate(rates)}
    before, times = path.read_bytes(), [each.stat().st_mtime_ns for each in found]
    run_extended("emoji", "supcon", settings(), silent())
    assert (path.read_bytes(), [each.stat().st_mtime_ns for each in found]) == (before, times)


def test_what_the_stage_tune_has_found_is_not_searched_again(workplace):
    plan = planned("triplet", searched=True)
    asked = read_plan_file(plan_path("extended", "emoji", "triplet"))
    write_plan_file(plan_path("tuned", "emoji", "triplet"), asked)
    resolve_hyperparameters("emoji", "triplet", silent())
    shutil.rmtree(SEARCHES_FOLDER)  # as where dvc has taken the outputs of the stage from its cache
    path = run_extended("emoji", "triplet", settings(), silent())
    assert not SEARCHES_FOLDER.exists()
    found = [plan.recipe.learning_rate for plan, _ in read_plan_file(tuned_plan_path("emoji", "triplet"))]
    assert [row["recipe"]["learning_rate"] for row in json_rows(path)] == found
    assert plan.recipe.learning_rate not in found


@pytest.mark.parametrize("stale", [{"code_sha256": "of older code"}, {"inputs_sha256": "of other images"}], ids=str)
def test_what_was_found_with_other_code_or_data_is_searched_again(workplace, stale):
    planned("supcon", searched=True)
    run_extended("emoji", "supcon", settings(), silent())
    (path, other) = sorted((SEARCHES_FOLDER / "emoji-supcon").glob("*.yaml"))
    before, stands = load_tuned(path), other.stat().st_mtime_ns
    save_tuned(before.model_copy(update=stale), path)
    run_extended("emoji", "supcon", settings(), silent())
    assert load_tuned(path).model_copy(update={"seconds": before.seconds}) == before
    assert other.stat().st_mtime_ns == stands


def test_fewer_seeds_than_searches(workplace):
    plan = replace(tuned("supcon"), searches=3, seeds=2)
    plans = [(replace(plan, search=number), None) for number in range(3)]
    write_plan_file(plan_path("extended", "emoji", "supcon"), plans)
    path = run_extended("emoji", "supcon", settings(), silent())
    assert {run[2:] for run in runs_in(path)} == {(0, 0), (1, 1)}
    assert len(extended_parts("emoji", "supcon", settings())) == 2


def test_a_loss_of_the_grid_needs_noise(workplace):
    planned("triplet")
    clean = settings(noise={"levels": [0]})
    with pytest.raises(
        SuiteError, match=r"^params\.yaml: noise\.levels has no noise, .* triplet; allowed: levels above 0"
    ):
        run_extended("emoji", "triplet", clean, silent())


def test_a_loss_of_the_grid_needs_a_further_kind(workplace):
    planned("triplet")
    only = settings(extended={"losses": {"triplet": {}}, "noise_kinds": ["symmetric"]})
    message = r"^params\.yaml: extended\.noise_kinds names none but the grid's own, symmetric"
    with pytest.raises(SuiteError, match=message):
        run_extended("emoji", "triplet", only, silent())
    with pytest.raises(SuiteError, match=message):
        extended_parts("emoji", "triplet", only)
