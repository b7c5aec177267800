"""The flow in cosines against the flow of coordinates by autograd, and on configurations with known ends."""

import numpy as np
import pytest
import torch
from suite.training.studies.condition import Decay, meets_condition
from suite.training.studies.flow import FIRST_STEP, STEPS, flow
from suite.training.studies.proxy_places import beside

from tests.properties import geometry
from tests.suite.training.studies.test_transport import points


def end_distances(starts, sources, decay):
    """Distances (P, S) of particles to the sources at the end of the flow."""
    ends = flow(starts @ sources.T, sources @ sources.T, decay)
    return np.sqrt(np.clip(2 - 2 * ends, 0, None))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.3), (1.0, 0.2), (2.5, 0.5), (6.0, 0.3), (3.0, 0.9)])
def test_the_same_ends_as_a_flow_of_coordinates(seed, alpha, delta):
    sources = points(6, seed, dim=4)
    starts = beside(sources, 1.2 * delta, np.random.default_rng(seed + 1000))
    field = geometry.Field(torch.from_numpy(sources), alpha, delta)
    expected = geometry.flow(field, torch.from_numpy(starts), FIRST_STEP * delta, sphere=True, steps=STEPS)
    gaps = geometry.distances(expected, torch.from_numpy(sources)).numpy()
    np.testing.assert_allclose(end_distances(starts, sources, Decay(alpha, delta)), gaps, atol=1e-3 * delta)


def test_well_separated_sources_keep_every_particle():
    sources = np.eye(6)
    decay = Decay(3, 0.3)
    assert meets_condition(sources, sources[:0], decay).all()
    starts = beside(sources, 1.001 * decay.delta, np.random.default_rng(1000))
    assert (np.diag(end_distances(starts, sources, decay)) <= 1.001 * decay.delta).all()


def test_a_crowd_outside_takes_a_particle_away():
    """One embedding, and at chord .8 a crowd of ten that outweighs it: (*) fails and the particle ends at the crowd."""
    angle = 2 * np.arcsin(0.4)
    alone, crowd = np.array([1.0, 0, 0]), np.array([np.cos(angle), np.sin(angle), 0])
    sources = np.concatenate([[alone], np.tile(crowd, (10, 1))])
    decay = Decay(1, 0.3)
    assert not meets_condition(sources, sources[:0], decay)[0]
    gaps = end_distances(beside(alone[None], 0.301, np.random.default_rng(1000)), sources, decay)[0]
    assert gaps[0] > 1.05 * decay.delta
    assert gaps[1] <= 1.001 * decay.delta


def test_a_particle_within_delta_of_all_sources_rests():
    sources = points(5, 0)[:1] + 0.05 * points(5, 1)
    sources /= np.linalg.norm(sources, axis=1, keepdims=True)
    starts = beside(sources[:1], 0.2, np.random.default_rng(1000))
    cosines = starts @ sources.T
    np.testing.assert_array_equal(flow(cosines, sources @ sources.T, Decay(3, 0.5)), cosines)


def test_room_for_more_sources_changes_nothing():
    sources, decay = points(5, 0), Decay(2, 0.2)
    starts = beside(sources, 0.25, np.random.default_rng(1000))
    wide, gram = np.zeros((2, 5, 8)), np.zeros((2, 8, 8))
    wide[:, :, :5], gram[:, :5, :5] = starts @ sources.T, sources @ sources.T
    ends = flow(wide, gram, decay)
    np.testing.assert_allclose(ends[1, :, :5], flow(starts @ sources.T, sources @ sources.T, decay), atol=1e-9)


def test_starts_lie_on_the_sphere_at_the_chord():
    z = points(20, 0)
    starts = beside(z, 0.7, np.random.default_rng(1000))
    np.testing.assert_allclose(np.linalg.norm(starts, axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(starts - z, axis=1), 0.7)
