"""A small params.yaml, tuned recipes that fit it, and the plans that were made from it."""

import json

import pytest

from suite.data import catalog
from suite.errors import SuiteError
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.paths import PLAN_FOLDER
from suite.settings.tuned_recipes import TunedRecipe, save_tuned, tuned_path

SMALL = {"datasets": {"emoji": {}, "typefaces": {}}, "losses": {"pfml": {}, "triplet": {}}, "seeds": 1}
RECIPE = {
    "embedding_dim": 8,
    "hidden_dim": 0,
    "epochs": 2,
    "classes_per_batch": 2,
    "samples_per_class": 3,
    "learning_rate": 0.001,
    "proxy_learning_rate": 0.01,
    "weight_decay": 0.0001,
}


def planned(name):
    """The plan before tuning, as plain data."""
    return json.loads((PLAN_FOLDER / "tuned" / f"{name}.json").read_text())[0]["plan"]


def written():
    return {path: path.read_bytes() for path in PLAN_FOLDER.rglob("*.json")}


def save_recipe(best, dataset="emoji", loss="pfml", **changes):
    """Write a tuned recipe that fits the present search space and data."""
    scores = [0.5] * (changes.get("held_out") or changes.get("folds", 2))
    values = {
        "data_sha256": catalog.EMBEDDED[dataset].sha256,
        "search_space": load_target(loss, BUILT_IN[loss]).search_space,
        "folds": 2,
        "training": {name: value for name, value in RECIPE.items() if "learning_rate" not in name} | {"sampler": "p_k"},
        "best_map_at_r": 0.5,
        "best_fold_map_at_r": scores,
        "trial_quartiles": [0.5, 0.5, 0.5],
        "failed_trials": 0,
        "validation_epoch": 2,
        "seconds": 1.0,
        "trials": [{"values": best, "fold_map_at_r": scores}] * 2,
    }
    recipe = TunedRecipe(dataset=dataset, loss=loss, best=best, **values | changes)
    save_tuned(recipe, tuned_path(dataset, loss))


def refused(plan, **changes):
    """The message of refused settings; no plan may be written."""
    with pytest.raises(SuiteError) as caught:
        plan(**changes)
    assert not PLAN_FOLDER.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)
