"""Baselines that train nothing."""

import io

import numpy as np
import pytest
from PIL import Image

from suite.data.features import Features
from suite.data.table import ImageTable
from suite.evaluation.frozen import baseline_table, frozen_metrics, pixel_vectors, unit_rows
from suite.evaluation.retrieval import MEASURED


def encoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_unit_rows():
    assert unit_rows(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [
        [pytest.approx(0.6), pytest.approx(0.8)],
        [0, 0],
    ]


def test_pixels_ignore_brightness_and_contrast():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 100, (64, 64, 3)).astype(np.uint8)
    images = [encoded(picture), encoded(picture * 2), encoded(picture + 50), encoded(np.flipud(picture))]
    table = ImageTable(images, np.array([0, 1, 2, 3]), list("abcd"), ["s"] * 4, ["l"] * 4)
    vectors = pixel_vectors(table)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.999
    assert vectors[0] @ vectors[2] > 0.999
    assert vectors[0] @ vectors[3] < 0.5


def test_training_and_test_classes_are_judged_apart():
    # Training classes 0, 1 are separated by their features, test classes 2, 3 are mixed up.
    labels = np.repeat(np.arange(4), 2)
    features = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    images = [encoded(np.full((32, 32, 3), i * 20, np.uint8)) for i in range(8)]
    table = ImageTable(images, labels, list("abcd"), ["s"] * 8, ["l"] * 8)
    stored = Features(features, labels, 2, "sha")
    found = frozen_metrics("emoji", "resnet18", stored)
    assert (found["dataset"], found["backbone"]) == ("emoji", "resnet18")
    assert tuple(found["metrics"]) == MEASURED
    assert found["metrics"]["recall_at_1"] == 0
    measured = baseline_table(table, stored)["frozen backbone"]
    assert {part: found.metrics["recall_at_1"] for part, found in measured.items()} == {
        "training classes": 1.0,
        "test classes": 0.0,
    }
