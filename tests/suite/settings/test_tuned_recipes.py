"""Tuned recipes: what they say follows from their trials, and they are the ones that their places name."""

from pathlib import Path

import pytest
import yaml

from suite.errors import SuiteError
from suite.settings.tuned_recipes import TunedRecipe, load_tuned, save_tuned, tuned_path

WORSE, BEST = {"alpha": 1.0}, {"alpha": 3.0}
VALUES = {
    "dataset": "emoji",
    "loss": "pfml",
    "data_sha256": "d",
    "search_space": {"alpha": {"low": 1.0, "high": 5.0}},
    "folds": 2,
    "training": {"epochs": 2},
    "best": BEST,
    "best_map_at_r": 0.5,
    "best_fold_map_at_r": [0.4, 0.6],
    "trial_quartiles": [0.35, 0.4, 0.45],
    "failed_trials": 1,
    "validation_epoch": 2,
    "seconds": 1.5,
    "trials": [
        {"values": WORSE, "fold_map_at_r": [0.2, 0.4]},
        {"values": BEST, "fold_map_at_r": [0.4, 0.6]},
        {"values": WORSE, "fold_map_at_r": []},
    ],
}
PLACE = Path("recipes/tuned/emoji/pfml-0.yaml")


def test_a_sound_one_is_read_in_git_and_where_a_search_has_left_it(workplace):
    recipe = TunedRecipe(**VALUES)
    for path in (PLACE, Path("tuned/emoji-pfml/tuned-0.yaml"), Path("finetuned/searches/emoji-pfml/tuned-0.yaml")):
        save_tuned(recipe, path)
        assert load_tuned(path) == recipe
    assert tuned_path("emoji", "pfml") == PLACE


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"folds": "2"}, "folds = '2'"),
        ({"folds": 3}, "a trial has 2 folds; allowed: 3"),
        ({"held_out": 1}, "a trial has 2 folds; allowed: 1"),
        ({"noise": 1.0}, "noise = 1.0; allowed: numbers from 0 to below 1"),
        ({"best": {}}, "best is not the best of its trials"),
        ({"best": WORSE}, "best is not the best of its trials"),
        ({"best": {"alpha": 9.0}}, "best is not the best of its trials"),
        ({"best_map_at_r": 5.0}, "best_map_at_r = 5.0; allowed: numbers from 0 to 1"),
        ({"best_map_at_r": float("nan")}, "best_map_at_r = nan"),
        ({"best_map_at_r": 0.4}, "best_map_at_r = 0.4; allowed: 0.5, which follows from the trials"),
        ({"best_fold_map_at_r": [0.5, 0.5]}, "best_fold_map_at_r = [0.5, 0.5]; allowed: [0.4, 0.6]"),
        ({"trial_quartiles": [0.9, 0.1]}, "trial_quartiles = [0.9, 0.1]; allowed: [0.35"),
        ({"failed_trials": 99}, "failed_trials = 99; allowed: 1"),
        ({"validation_epoch": 0}, "validation_epoch = 0; allowed: whole numbers from 1"),
        ({"validation_epoch": 3}, "validation_epoch = 3; allowed: 1 to 2"),
        ({"seconds": -1.0}, "seconds = -1.0; allowed: numbers from 0"),
        ({"trials": []}, "no trial trained; allowed: at least one"),
        ({"trials": VALUES["trials"] * 2}, "allowed: [0.30000000000000004, 0.4, 0.5], which follows from the trials"),
        ({"regime": "finetuned"}, f"{PLACE} is of another place"),
        ({"dataset": "cub"}, f"{PLACE} is of another place"),
        ({"loss": "triplet"}, "are those of recipes/tuned/emoji/triplet-0.yaml"),
        ({"number": 7}, "are those of recipes/tuned/emoji/pfml-7.yaml"),
        ({"track": "tuned_under_noise"}, "are those of recipes/tuned_under_noise/emoji/pfml-0.yaml"),
    ],
)
def test_what_does_not_follow_is_refused(workplace, changed, told):
    PLACE.parent.mkdir(parents=True)
    PLACE.write_text(yaml.safe_dump(VALUES | changed))
    with pytest.raises(SuiteError) as caught:
        load_tuned(PLACE)
    assert told in str(caught.value)
    assert str(PLACE) in str(caught.value)
