"""P x K batches by the labels given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import SuiteError
from suite.randomness import stream
from suite.training.run.loop import PKSampler

LABELS = st.integers(0, 1000).map(
    lambda seed: np.random.default_rng(seed).permutation(
        np.concatenate([np.arange(15), np.random.default_rng(seed).integers(0, 15, 60)])
    )
)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(2, 12), st.integers(2, 5), st.integers(0, 1000))
def test_batches_hold_p_classes_with_k_images(labels, classes, samples, seed):
    sampler = PKSampler(labels, classes, samples, stream("test", seed))
    batches = [batch for _ in range(3) for batch in sampler.epoch()]
    assert len(batches) == 3 * max(1, len(labels) // (classes * samples))
    for batch in batches:
        groups = labels[batch].reshape(classes, samples)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == classes


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(2, 12), st.integers(2, 5), st.integers(0, 1000))
def test_classes_and_images_come_in_rounds(labels, classes, samples, seed):
    """No class comes again before all others have come, and no image before all others of its class have come."""
    sampler = PKSampler(labels, classes, samples, stream("test", seed))
    drawn = np.concatenate([batch for _ in range(4) for batch in sampler.epoch()])
    assert_rounds(labels[drawn[::samples]], 15)
    for label in range(15):
        assert_rounds(drawn[labels[drawn] == label], int((labels == label).sum()))


def assert_rounds(drawn, size):
    """Each run of ``size`` draws, counted from the first, holds nothing twice."""
    for start in range(0, len(drawn), size):
        chunk = drawn[start : start + size]
        assert len(set(chunk.tolist())) == len(chunk)


def test_every_image_is_used_about_equally_often():
    labels = np.repeat(np.arange(10), 6)
    sampler = PKSampler(labels, 5, 3, stream("test", 1))
    uses = np.zeros(60, int)
    for _ in range(30):
        for batch in sampler.epoch():
            uses[batch] += 1
    assert uses.max() - uses.min() <= 2


def test_the_same_stream_gives_the_same_batches():
    labels = np.repeat(np.arange(10), 6)
    first, second = (list(PKSampler(labels, 5, 3, stream("b", 0)).epoch()) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other = list(PKSampler(labels, 5, 3, stream("b", 1)).epoch())
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_class_smaller_than_k_repeats_images():
    labels = np.array([0, 1, 1, 1, 1])
    batch = next(PKSampler(labels, 2, 4, stream("b", 0)).epoch())
    assert sorted(batch[labels[batch] == 0]) == [0, 0, 0, 0]


def test_too_few_classes():
    with pytest.raises(SuiteError, match=r"classes_per_batch = 3: only 2 classes have images; allowed: 2 to 2"):
        PKSampler(np.array([0, 0, 4]), 3, 2, stream("b", 0))


def test_a_batch_repeats_no_image_of_a_class_that_is_large_enough():
    labels = np.repeat(np.arange(6), 7)
    for batch in PKSampler(labels, 6, 4, stream("b", 0)).epoch():
        assert len(set(batch)) == len(batch)
