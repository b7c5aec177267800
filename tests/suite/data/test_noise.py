"""Label noise: exact share, uniform targets, pairing, hashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from suite.data.noise import GROUP_SIZE, KINDS, corrupt
from suite.errors import SuiteError

LABELS = np.repeat(np.arange(40), 7)
FEATURES = np.random.default_rng(0).normal(size=(280, 8)).astype(np.float32)


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
    for kind in KINDS:
        assert np.array_equal(corrupt(LABELS, "emoji", kind, 0, 0, FEATURES).labels, LABELS)


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
    assert corrupt(LABELS, "emoji", "symmetric", 0.2, 0).sha256.startswith("71c7f7deb932")


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.9), st.integers(0, 50), st.sampled_from(["small_cluster", "feature_cluster"]))
def test_clusters_dissolve_whole_classes_into_groups(level, seed, kind):
    given = corrupt(LABELS, "emoji", kind, level, seed, FEATURES).labels
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


def test_groups_of_features_are_images_that_are_close():
    """Three far apart clouds in each class: a group is a cloud."""
    clouds = np.tile(np.repeat(np.arange(3), [2, 2, 3]), 40)
    features = np.random.default_rng(0).normal(0, 0.01, (280, 4)).astype(np.float32)
    features[:, 0] += 10 * clouds
    given = corrupt(LABELS, "emoji", "feature_cluster", 0.5, 0, features).labels
    for label in set(LABELS[given != LABELS].tolist()):
        for cloud in range(3):
            assert len(set(given[(label == LABELS) & (clouds == cloud)].tolist())) == 1
    assert len({tuple(given[label == LABELS].tolist()) for label in range(40)}) > 30


def test_asymmetric_noise_leads_to_the_nearest_class():
    """Classes on a line: the nearest of class 2k is 2k + 1, and the reverse."""
    angles = (LABELS // 2) * 0.06 + (LABELS % 2) * 0.01
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    given = corrupt(LABELS, "emoji", "asymmetric", 0.4, 0, features)
    wrong = given.labels != LABELS
    assert wrong.sum() == round(0.4 * len(LABELS))
    assert (given.labels[wrong] == LABELS[wrong] ^ 1).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.9), st.floats(0, 0.9), st.integers(0, 50), st.sampled_from(sorted(KINDS)))
def test_levels_are_nested(first, second, seed, kind):
    low, high = sorted((first, second))
    wrong = [corrupt(LABELS, "emoji", kind, level, seed, FEATURES).labels != LABELS for level in (low, high)]
    assert not (wrong[0] & ~wrong[1]).any()


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_a_wrong_label_stays_the_same_at_a_higher_level(kind):
    low, high = (corrupt(LABELS, "emoji", kind, level, 3, FEATURES).labels for level in (0.2, 0.4))
    assert (high[low != LABELS] == low[low != LABELS]).all()


@pytest.mark.parametrize("kind", ["asymmetric", "feature_cluster"])
def test_kinds_of_features_without_any(kind):
    with pytest.raises(SuiteError, match=rf"{kind}' needs features; allowed without: small_cluster, symmetric"):
        corrupt(LABELS, "emoji", kind, 0.2, 0)


@pytest.mark.parametrize("level", [-0.1, 1.0, 2.0, float("nan")])
def test_level_out_of_range(level):
    with pytest.raises(SuiteError, match=r"noise\.levels: .* \[0, 1\)"):
        corrupt(LABELS, "emoji", "symmetric", level, 0)


def test_unknown_kind():
    with pytest.raises(SuiteError, match=r"pink.*allowed: symmetric, asymmetric, small_cluster, feature_cluster"):
        corrupt(LABELS, "emoji", "pink", 0.2, 0)
