"""What the tests of the search and of the stages around it share."""

from pathlib import Path

import pytest

from suite.settings.params import Recipe
from suite.settings.plans import Search
from suite.training.tuning import search
from suite.training.tuning.resolve import frozen_tools
from tests.helpers.synthetic import CONTRASTIVE, RECIPE, frozen_plan, make_features, silent

FEATURES = make_features(classes=24, images=5)
SPACE = {"learning_rate": {"low": 1e-4, "high": 0.1, "log": True}, "neg_margin": {"low": 0.2, "high": 1.2}}
SHORT = Recipe(**RECIPE.model_dump() | {"epochs": 2})


def plan(target=CONTRASTIVE, recipe=SHORT, **values):
    """A plan of the loss ``own`` before its search."""
    return frozen_plan("own", target, recipe, **values)


def search_for(space=None, by_hand=None, trials=4, folds=2, noise=0.0):
    """What is to be searched."""
    return Search(SPACE if space is None else space, by_hand or {}, trials, folds, noise)


def found(before=None, searched=None, features=FEATURES, console=None, path=Path("kept.yaml")):
    """The recipe that a search ends in; its trials stay if no path is given."""
    inputs = frozen_tools().inputs_sha256(features)
    given = before or plan(), searched or search_for(), features, console or silent()
    return search.search_recipe(*given, inputs_sha256=inputs, path=path)


def but_for_time(recipe):
    """A recipe without the one value that differs from search to search."""
    return recipe.model_copy(update={"seconds": 0.0})


@pytest.fixture
def inline(monkeypatch):
    """Folds run in this process, so that tests may watch them."""
    monkeypatch.setattr(
        search, "in_parallel", lambda function, shared, tasks: [(t, function(shared, t)) for t in tasks]
    )
