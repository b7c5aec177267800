"""The stages around the search: a recipe is taken as it stands, a missing one is searched."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from suite.data.features import save_features
from suite.errors import SuiteError
from suite.settings.plans import plan_path, read_plan, runs_of, tuned_plan_path, write_plan_file
from suite.settings.tuned_recipes import load_tuned
from suite.training.cluster.stages import FrozenStage
from suite.training.stage import read_tuned_plans
from suite.training.studies.parts import Part
from suite.training.tuning.found import searched_before
from suite.training.tuning.resolve import resolve_hyperparameters, write_searches
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import features_path, own_loss, prepare, silent, write_plan
from tests.suite.training.tuning.conftest import FEATURES, SPACE, but_for_time, found, plan, search_for

FOUND = Path("tuned/emoji-own/tuned-0.yaml")
RESOLVING = """
import sys

from rich.console import Console

from suite.training.tuning.resolve import resolve_hyperparameters

resolve_hyperparameters("emoji", "own", Console())
print([name for name in ("torch", "optuna") if name in sys.modules])
"""


@pytest.fixture(autouse=True)
def prepared(workplace, one_worker):
    """An empty current folder, one worker."""


def test_a_complete_plan_is_passed_on_as_it_stands():
    """There are no features, so nothing can have been trained."""
    plan_before = prepare(replace(plan(neg_margin=0.4), hyperparameter_source="search", validation_epoch=2))
    features_path().unlink()
    FOUND.parent.mkdir(parents=True)
    FOUND.write_text("of an earlier search")
    resolve_hyperparameters("emoji", "own", silent())
    assert read_plan(tuned_plan_path("emoji", "own")) == (plan_before, None)
    assert [path.name for path in FOUND.parent.iterdir()] == ["plan.json"]
    assert not Path("times").exists()


def test_passing_on_a_complete_plan_loads_neither_torch_nor_optuna():
    prepare(plan())
    done = subprocess.run(
        [sys.executable, "-c", RESOLVING],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_missing_recipe_is_searched():
    before = prepare(plan(), search_for(), FEATURES)
    resolve_hyperparameters("emoji", "own", silent())
    recipe = load_tuned(FOUND)
    assert but_for_time(recipe) == but_for_time(found(before))
    complete, search = read_plan(tuned_plan_path("emoji", "own"))
    assert search is None
    assert (complete.hyperparameter_source, complete.validation_epoch) == ("search", recipe.validation_epoch)
    assert complete.hyperparameters == {"neg_margin": recipe.best["neg_margin"]}
    assert complete.recipe.learning_rate == recipe.best["learning_rate"]
    same = {
        "hyperparameter_source": before.hyperparameter_source,
        "validation_epoch": None,
        "search": None,
        "hyperparameters": {},
        "recipe": before.recipe,
    }
    assert replace(complete, **same) == before
    assert set(json.loads(Path("times/tune-emoji-own.json").read_text())) == {"runs"}


def test_values_by_hand_stay():
    by_hand = {"neg_margin": 0.7, "proxy_learning_rate": 0.3}
    recipe = plan().recipe.model_copy(update={"proxy_learning_rate": 0.3})
    space = {"learning_rate": SPACE["learning_rate"]}
    prepare(plan(recipe=recipe, neg_margin=0.7), search_for(space, by_hand, trials=1), FEATURES)
    resolve_hyperparameters("emoji", "own", silent())
    complete, _ = read_plan(tuned_plan_path("emoji", "own"))
    best = load_tuned(FOUND).best
    assert set(best) == {"learning_rate"}
    assert complete.hyperparameters == {"neg_margin": 0.7}
    assert (complete.recipe.learning_rate, complete.recipe.proxy_learning_rate) == (best["learning_rate"], 0.3)


def test_a_search_that_fails_writes_no_plan():
    prepare(plan(own_loss("return value * float('nan')")), search_for({"weight": {"values": [1, 2]}}), FEATURES)
    with pytest.raises(SuiteError, match="none of 4 trials trained"):
        resolve_hyperparameters("emoji", "own", silent())
    assert not Path("tuned").exists()


def test_code_changed_since_the_plan_is_not_searched():
    prepare(replace(plan(), loss_sha256="another"), search_for(), FEATURES)
    with pytest.raises(SuiteError, match=r"the code of loss .* has changed since the plan was made; run: suite plan"):
        resolve_hyperparameters("emoji", "own", silent())
    assert not Path("tuned").exists()


def test_a_search_by_name_leaves_complete_plans_and_recipes_alone():
    before = plan()
    write_plan(plan_path("searches", "emoji", "own"), before, search_for())
    save_features(features_path(), FEATURES)
    (path,) = write_searches("emoji", "own", silent())
    assert path == Path("searches/emoji-own/tuned-0.yaml")
    assert but_for_time(load_tuned(path)) == but_for_time(found(before))
    assert not Path("tuned").exists()
    assert not Path("recipes").exists()


def test_nothing_to_search_and_no_plan():
    write_plan(plan_path("searches", "emoji", "own"), plan())
    with pytest.raises(
        SuiteError,
        match=r"^own has no search space; declare search_space in its class, or search in its entry of params\.yaml$",
    ):
        write_searches("emoji", "own", silent())
    for stage, folder in ((write_searches, "searches"), (resolve_hyperparameters, "tuned")):
        with pytest.raises(SuiteError, match=rf"plan plan/{folder}/emoji-magic\.json is missing"):
            stage("emoji", "magic", silent())
    assert not Path("searches").exists()


def _other_seeds(before, searched):
    return replace(before, seeds=before.seeds + 1), searched


def _other_head(before, searched):
    return replace(before, recipe=before.recipe.model_copy(update={"embedding_dim": 3})), searched


def _other_number(before, searched):
    return before, replace(searched, number=7)


@pytest.mark.parametrize("change", [_other_seeds, _other_head, _other_number])
def test_complete_plans_of_other_plans_are_stale_and_the_command_that_makes_them_is_named(change):
    before, searched = prepare(plan(), search_for(), FEATURES), search_for()
    resolve_hyperparameters(before.dataset, before.loss, silent())
    ((tuned, found_by),) = read_tuned_plans(before.dataset, before.loss)
    assert (tuned.hyperparameter_source, found_by) == ("search", None)
    write_plan_file(plan_path("tuned", before.dataset, before.loss), [change(before, searched)])
    with pytest.raises(SuiteError, match=r"^plan tuned/emoji-own/plan\.json is stale: .*: suite tune emoji own$"):
        read_tuned_plans(before.dataset, before.loss)
    if change is not _other_number:
        resolve_hyperparameters(before.dataset, before.loss, silent())
        assert read_tuned_plans(before.dataset, before.loss)


@pytest.mark.parametrize(
    ("regime", "folder", "option"), [("frozen", "", ""), ("finetuned", "finetuned/", " --regime finetuned")]
)
def test_a_planned_loss_that_is_not_tuned_yet_is_told_with_the_command_that_tunes_it(regime, folder, option):
    write_plan_file(plan_path("tuned", "emoji", "own", regime), [(plan(), search_for())])
    missing = f"plan {folder}tuned/emoji-own/plan.json is missing; make it with: suite tune emoji own{option}"
    with pytest.raises(SuiteError) as error:
        read_tuned_plans("emoji", "own", regime)
    assert str(error.value) == missing


def test_a_complete_plan_that_comes_without_a_search_is_stale_where_one_is_asked_for():
    before = prepare(replace(plan(neg_margin=0.4), hyperparameter_source="search", validation_epoch=2))
    resolve_hyperparameters(before.dataset, before.loss, silent())
    assert read_tuned_plans(before.dataset, before.loss) == [(before, None)]
    prepare(plan(), search_for(), FEATURES)
    with pytest.raises(SuiteError, match="is stale"):
        read_tuned_plans(before.dataset, before.loss)


def test_a_grid_takes_what_a_search_by_name_has_found():
    """Its trials are deleted by then: it would train them all again."""
    before = plan()
    prepare(before, search_for(), FEATURES)
    write_plan(plan_path("searches", "emoji", "own"), before, search_for())
    (path,) = write_searches("emoji", "own", silent())
    stage = FrozenStage("emoji-own", Part(before, runs_of, search_for()))
    complete = stage._tuned(FEATURES)
    assert complete.hyperparameters == {"neg_margin": load_tuned(path).best["neg_margin"]}
    path.unlink()
    assert stage._tuned(FEATURES) is None


def test_what_was_searched_before_lies_in_the_folder_of_its_regime(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "suite.training.tuning.found.tuned_plan_path", lambda *names: asked.append(names) or Path("none")
    )
    assert searched_before(replace(plan(), regime="finetuned"), search_for(), "") is None
    assert asked == [("emoji", "own", "finetuned")]
