"""Folds of the training classes."""

from hypothesis import given
from hypothesis import strategies as st

from suite.data.split import fold_bounds, least_training


@given(st.integers(2, 500), st.integers(2, 10))
def test_folds_are_disjoint_and_cover_all_classes(classes, folds):
    bounds = fold_bounds(classes, folds)
    assert len(bounds) == folds
    assert [label for low, high in bounds for label in range(low, high)] == list(range(classes))
    sizes = [high - low for low, high in bounds]
    assert max(sizes) - min(sizes) <= 1
    assert least_training(classes, folds) == min(classes - size for size in sizes)


def test_the_least_that_trains_by_hand():
    assert [least_training(classes, 2) for classes in (2, 3, 10, 11)] == [1, 1, 5, 5]
    assert least_training(10, 5) == 8
