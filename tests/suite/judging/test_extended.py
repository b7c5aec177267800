"""Which records of the study of what the grid does not run are compared with those of the grid."""

import pytest

from suite.evaluation.records import Record
from suite.judging.extended import beside
from tests.helpers.records import record

RECIPE = {"classes_per_batch": 30, "learning_rate": 0.1, "proxy_learning_rate": 0.1, "epochs": 15}
FURTHER = {"level": 0.2, "noise_kind": "small_cluster"}
"""A kind of label noise that the grid does not have."""


def run(loss="pfml", level=0, seed=0, recipe=RECIPE, **other) -> Record:
    return record(loss, level, seed, 0.5, recipe=recipe, **other)


GRID = [run(level=level, seed=seed) for level in (0, 0.2) for seed in (0, 1)]


def runs(*seeds, **other):
    return [run(seed=seed, **other) for seed in seeds or (0, 1)]


@pytest.mark.parametrize(
    "other", [{"loss": "supcon"}, {"loss": "supcon", "level": 0.2}, FURTHER, {"loss": "supcon"} | FURTHER], ids=str
)
def test_losses_and_kinds_that_the_grid_does_not_have_are_kept(other):
    assert beside(GRID, runs(**other)) == runs(**other)


@pytest.mark.parametrize("further", [{"loss": "supcon"}, FURTHER], ids=["loss", "kind of noise"])
@pytest.mark.parametrize(
    "other",
    [
        {"recipe": RECIPE | {"classes_per_batch": 20}},
        {"recipe": RECIPE | {"sampler": "uniform"}},
        {"dataset": "furniture"},
        {"seeds": (0,)},
        {"seeds": (0, 1, 2)},
    ],
    ids=str,
)
def test_those_of_another_recipe_data_set_or_number_of_seeds_are_not(further, other):
    seeds = other.get("seeds", ())
    found = runs(*seeds, **further | {name: value for name, value in other.items() if name != "seeds"})
    assert beside(GRID, found) == []


def test_what_is_searched_may_differ():
    searched = {"learning_rate": 0.2, "proxy_learning_rate": 0.3, "epochs": 30}
    found = runs(recipe=RECIPE | searched, **FURTHER)
    assert beside(GRID, found) == found


def test_noisy_labels_are_those_of_the_grid_where_it_has_the_kind():
    assert beside(GRID, runs(loss="supcon", level=0.2, noise_sha256="other labels")) == []
    found = runs(noise_sha256="other labels", **FURTHER)
    assert beside(GRID, found) == found


def test_conditions_that_the_grid_runs_are_taken_from_there():
    assert beside(GRID, runs(level=0.2)) == []


def test_one_condition_does_not_stand_in_for_another():
    """Nor do runs of one recipe complete those of another."""
    half = [run(seed=0, **FURTHER), run(seed=1, recipe=RECIPE | {"classes_per_batch": 20}, **FURTHER)]
    whole = runs(loss="supcon")
    assert beside(GRID, [*half, *whole]) == whole
