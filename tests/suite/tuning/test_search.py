"""The search: disjoint folds, one recipe for one seed, failures counted, test classes never looked at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from suite.config.plan import DatasetPlan
from suite.config.settings import Settings
from suite.config.tuned import load_tuned
from suite.errors import SuiteError
from suite.features.store import Features, features_path, save_features
from suite.training.loop import TrainingFailure
from suite.tuning import search
from suite.tuning.search import fold_bounds, tune_loss
from tests.suite.synthetic import CONTRASTIVE, RECIPE, make_features, own_loss, silent

FEATURES = make_features(classes=24, images=5)
SPACE = {"learning_rate": {"low": 1e-4, "high": 0.1, "log": True}, "neg_margin": {"low": 0.2, "high": 1.2}}


@pytest.fixture(autouse=True)
def prepared(workplace, one_worker, monkeypatch):
    """Features of a data set whose file is taken for verified."""
    save_features(features_path("emoji"), FEATURES)
    monkeypatch.setattr(search, "plan_dataset", lambda name, _: DatasetPlan(name, "digest", None))


def settings(target=CONTRASTIVE, space=SPACE, **changes):
    values = {
        "datasets": {"emoji": {}},
        "losses": {"own": {"target": target, "search": space}},
        "noise": {"levels": [0]},
        "seeds": 1,
        "recipe": RECIPE.model_dump() | {"epochs": 2},
        "tuning": {"trials": 4, "folds": 2},
    }
    return Settings.model_validate(values | changes)


def tuned(*arguments, **changes):
    return load_tuned(tune_loss(settings(*arguments, **changes), "emoji", "own", silent()))


@given(st.integers(2, 500), st.integers(2, 10))
def test_folds_are_disjoint_and_cover_all_classes(classes, folds):
    bounds = fold_bounds(classes, folds)
    assert len(bounds) == folds
    assert [label for low, high in bounds for label in range(low, high)] == list(range(classes))
    sizes = [high - low for low, high in bounds]
    assert max(sizes) - min(sizes) <= 1


def test_the_same_search_gives_the_same_recipe():
    first = tune_loss(settings(), "emoji", "own", silent()).read_bytes()
    path = tune_loss(settings(), "emoji", "own", silent())
    assert path == Path("suite/recipes/tuned/emoji/own.yaml")
    assert path.read_bytes() == first


def test_the_recipe_keeps_all_trials_and_the_best():
    recipe = tuned()
    assert (recipe.dataset, recipe.loss, recipe.data_sha256, recipe.folds) == ("emoji", "own", "digest", 2)
    assert recipe.search_space == SPACE
    assert len(recipe.trials) == 4
    scores = [trial.map_at_r for trial in recipe.trials]
    assert len(set(scores)) > 1
    assert recipe.best_map_at_r == max(scores)
    assert recipe.best == recipe.trials[scores.index(max(scores))].values
    assert set(recipe.best) == set(SPACE)


def test_each_fold_validates_on_classes_that_it_does_not_train_on(monkeypatch):
    seen = []

    def fitting(plan, entry, features, labels, seed, num_classes):
        seen.append(features)
        halves = np.split(FEATURES.training()[0], 2)
        assert any(np.array_equal(features, half) for half in halves)
        assert np.array_equal(labels, np.repeat(np.arange(num_classes), 5))
        return features, None

    def evaluating(head, features, labels):
        both = np.concatenate([head, features])
        training = FEATURES.training()[0]
        assert np.array_equal(np.unique(both, axis=0), np.unique(training, axis=0))
        assert len(both) == len(training)
        return {"map_at_r": float(labels.min())}

    monkeypatch.setattr(search, "fit", fitting)
    monkeypatch.setattr(search, "evaluate", evaluating)
    monkeypatch.setattr(
        search, "in_parallel", lambda function, shared, tasks: [(t, function(shared, t)) for t in tasks]
    )
    recipe = tuned()
    assert len(seen) == 8
    # 12 training classes in 2 folds: validation starts at class 0 and at class 6.
    assert {trial.map_at_r for trial in recipe.trials} == {3.0}


def test_test_classes_are_never_looked_at():
    first = tune_loss(settings(), "emoji", "own", silent()).read_bytes()
    test = FEATURES.labels >= 12
    rng = np.random.default_rng(3)
    vectors, labels = FEATURES.features.copy(), FEATURES.labels.copy()
    vectors[test] = rng.normal(size=vectors[test].shape)
    labels[test] = rng.permutation(labels[test])
    save_features(features_path("emoji"), Features(vectors, labels, "data"))
    assert tune_loss(settings(), "emoji", "own", silent()).read_bytes() == first
    vectors[~test] = rng.normal(size=vectors[~test].shape)
    save_features(features_path("emoji"), Features(vectors, labels, "data"))
    assert tune_loss(settings(), "emoji", "own", silent()).read_bytes() != first


def test_overlapping_classes_are_noticed():
    with pytest.raises(AssertionError, match="overlap"):
        search._assert_disjoint(np.array([0, 1]), np.array([1, 2]), FEATURES)
    with pytest.raises(AssertionError, match="overlap"):
        search._assert_disjoint(np.array([0, 1]), np.array([2, 12]), FEATURES)


def test_failed_trials_count_as_trials():
    target = own_loss("return value * (float('nan') if self.weight > 0.5 else 1)")
    recipe = tuned(target, {"weight": {"values": [0.1, 1.0]}}, tuning={"trials": 6, "folds": 2})
    failed = [trial.map_at_r is None for trial in recipe.trials]
    assert len(failed) == 6
    assert failed == [trial.values["weight"] > 0.5 for trial in recipe.trials]
    assert 0 < sum(failed) < 6
    assert recipe.best == {"weight": 0.1}


def test_a_trial_with_one_failed_fold_has_failed(monkeypatch):
    def evaluating(head, features, labels):
        if labels.min() > 0:
            raise TrainingFailure("the embeddings collapsed to one point")
        return {"map_at_r": 1.0}

    monkeypatch.setattr(search, "evaluate", evaluating)
    with pytest.raises(SuiteError, match=r"suite tune emoji own: none of 4 trials trained; narrow the search space"):
        tuned()
    assert not Path("suite").exists()


def test_learning_rates_reach_the_optimiser_and_the_rest_the_loss(monkeypatch):
    seen = []
    monkeypatch.setattr(
        search, "in_parallel", lambda function, shared, tasks: [(t, function(shared, t)) for t in tasks]
    )
    monkeypatch.setattr(search, "fit", lambda plan, *rest: (seen.append(plan), None))
    monkeypatch.setattr(search, "evaluate", lambda *rest: {"map_at_r": 0.5})
    recipe = tuned()
    for plan, trial in zip(seen[::2], recipe.trials, strict=True):
        assert plan.recipe.learning_rate == trial.values["learning_rate"]
        assert plan.recipe.proxy_learning_rate == RECIPE.proxy_learning_rate
        assert plan.hyperparameters == {"neg_margin": trial.values["neg_margin"]}
        assert replace(plan, hyperparameters={}, recipe=RECIPE) == replace(seen[0], hyperparameters={}, recipe=RECIPE)


def test_names_and_spaces_that_do_not_fit():
    with pytest.raises(SuiteError, match=r"allowed data sets in params\.yaml: emoji; losses: own"):
        tune_loss(settings(), "emoji", "pfml", silent())
    with pytest.raises(SuiteError, match="search space of own: marign is no hyper-parameter of loss own; allowed: "):
        tuned(CONTRASTIVE, {"marign": {"values": [1]}})
    with pytest.raises(SuiteError, match=r"recipe\.classes_per_batch = 7: only 6 classes have images; allowed: 2 to 6"):
        tuned(recipe=RECIPE.model_dump() | {"classes_per_batch": 7})


def test_the_recipe_is_plain_yaml():
    path = tune_loss(settings(), "emoji", "own", silent())
    assert list(yaml.safe_load(path.read_text())["best"]) == ["learning_rate", "neg_margin"]
