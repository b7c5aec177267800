"""The reference batches: distances, right angles, places of proxies, determinism."""

import math

import pytest
import torch

from suite.losses.influence.scene import BACKGROUND, CONFIGURATIONS, COUNTERPARTS, NUM_CLASSES, PAIRS, scenes

DISTANCES = [0.02, 0.2, 1.0, 1.95]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("embedding_dim", [3, 128])
def test_the_point_alone_leaves_the_right_angle(pair, distance, embedding_dim):
    for scene in scenes(pair, distance, embedding_dim):
        anchor, point, rest = scene.embeddings[0], scene.embeddings[1], scene.embeddings[2:]
        assert torch.allclose(scene.embeddings.norm(dim=1), torch.ones(len(scene.labels)), atol=1e-6)
        assert torch.allclose(scene.places.norm(dim=1), torch.ones(NUM_CLASSES), atol=1e-6)
        assert (point - anchor).norm().item() == pytest.approx(distance, rel=1e-5)
        assert (point @ scene.towards).item() == pytest.approx(distance * math.sqrt(1 - distance**2 / 4), rel=1e-5)
        assert (anchor @ scene.towards).item() == pytest.approx(0, abs=1e-6)
        assert (rest @ scene.towards).abs().max() < 1e-6
        assert (rest[-2 * BACKGROUND :] @ anchor).abs().max() < 1e-6


@pytest.mark.parametrize("pair", PAIRS)
def test_counterparts_spread_evenly_in_squared_distance(pair):
    squares = torch.cat(
        [(s.embeddings[2 : 2 + COUNTERPARTS] - s.embeddings[0]).square().sum(dim=1) for s in scenes(pair, 0.5, 16)]
    )
    count = CONFIGURATIONS * COUNTERPARTS
    assert torch.allclose(squares.sort().values, 4 * (torch.arange(count) + 0.5) / count, atol=1e-5)


@pytest.mark.parametrize("pair", PAIRS)
def test_roles_and_places(pair):
    for scene in scenes(pair, 0.5, 16):
        labels = scene.labels.tolist()
        same = [row for row in range(1, len(labels)) if labels[row] == labels[0]]
        assert same == ([1] if pair == "positive" else list(range(2, 2 + COUNTERPARTS)))
        assert max(labels) == NUM_CLASSES - 1
        assert torch.equal(scene.places[labels[1]], scene.embeddings[1])
        for label in set(labels):
            mine = scene.embeddings[1:][scene.labels[1:] == label]
            assert any(torch.equal(scene.places[label], row) for row in mine)


def test_the_same_arguments_give_the_same_batches():
    for first, again in zip(scenes("negative", 0.3, 8), scenes("negative", 0.3, 8), strict=True):
        assert torch.equal(first.embeddings, again.embeddings)
        assert torch.equal(first.places, again.places)


@pytest.mark.parametrize(("distance", "dim", "name"), [(0, 8, "distance"), (2, 8, "distance"), (1, 2, "embedding_dim")])
def test_out_of_range(distance, dim, name):
    with pytest.raises(ValueError, match=name):
        scenes("positive", distance, dim)
