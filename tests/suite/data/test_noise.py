"""Label noise: exact share, uniform targets, pairing, hashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from suite.data.noise import GROUP_SIZE, corrupt
from suite.errors import SuiteError

LABELS = np.repeat(np.arange(40), 7)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.99), st.integers(0, 100))
def test_symmetric_share_is_exact(level, seed):
    corruption = corrupt(LABELS, "emoji", "symmetric", level, seed)
    assert (corruption.labels != LABELS).sum() == round(level * len(LABELS))
    assert corruption.realised == (corruption.labels != LABELS).mean()
    assert set(corruption.labels) <= set(LABELS)


def test_symmetric_targets_are_uniform_over_the_other_classes():
    labels = np.zeros(40_000, np.int64)
    labels[-1] = 9
    given = corrupt(labels, "emoji", "symmetric", 0.9, 0).labels
    moved = given[(given != labels) & (labels == 0)]
    assert stats.chisquare(np.bincount(moved, minlength=10)[1:]).pvalue > 0.001


def test_no_noise_leaves_labels_alone():
    for kind in ("symmetric", "small_cluster"):
        assert np.array_equal(corrupt(LABELS, "emoji", kind, 0, 0).labels, LABELS)


def test_a_corruption_belongs_to_data_set_kind_level_and_seed():
    key = ("emoji", "symmetric", 0.2, 0)
    first = corrupt(LABELS, *key)
    again = corrupt(LABELS, *key)
    assert np.array_equal(first.labels, again.labels)
    assert first.sha256 == again.sha256
    for other in [("cub", *key[1:]), ("emoji", "small_cluster", 0.2, 0), ("emoji", "symmetric", 0.3, 0), (*key[:3], 1)]:
        assert corrupt(LABELS, *other).sha256 != first.sha256


def test_the_draw_is_pinned():
    # A changed draw would silently unpair new records from old ones.
    assert corrupt(LABELS, "emoji", "symmetric", 0.2, 0).sha256.startswith("5436912c0e67")


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.9), st.integers(0, 50))
def test_small_cluster_dissolves_whole_classes_into_groups(level, seed):
    given = corrupt(LABELS, "emoji", "small_cluster", level, seed).labels
    dissolved = [label for label in range(40) if not (given[label == LABELS] == label).any()]
    assert len(dissolved) == round(level * 40)
    surviving = set(range(40)) - set(dissolved)
    for label in dissolved:
        targets, sizes = np.unique(given[label == LABELS], return_counts=True)
        assert set(targets) <= surviving
        assert len(targets) <= -(-7 // GROUP_SIZE)
        assert sizes.sum() == 7
    for label in surviving:
        assert (given[label == LABELS] == label).all()


@pytest.mark.parametrize("level", [-0.1, 1.0, 2.0, float("nan")])
def test_level_out_of_range(level):
    with pytest.raises(SuiteError, match=r"noise\.levels: .* \[0, 1\)"):
        corrupt(LABELS, "emoji", "symmetric", level, 0)


def test_unknown_kind():
    with pytest.raises(SuiteError, match=r"asymmetric.*allowed: symmetric, small_cluster"):
        corrupt(LABELS, "emoji", "asymmetric", 0.2, 0)
