"""Condition (*) against a double loop; the flow in cosines against one of coordinates by autograd, and known ends."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.training.studies import minima
from suite.training.studies.minima import FIRST_STEP, STEPS, Decay, basin_radius, flow, meets_condition
from suite.training.studies.proxy_geometry import beside
from tests.helpers.synthetic import unit_points as points
from tests.properties import geometry


def by_loop(embeddings, proxies, alpha, delta):
    """(*) of docs/theory.md on the sphere, embedding by embedding."""

    def g(d):
        return math.sqrt(1 - d**2 / 4) * d ** -(alpha + 1)

    flags = []
    for k, z in enumerate(embeddings):
        others = [s for i, s in enumerate(embeddings) if i != k] + list(proxies)
        gaps = [math.dist(z, s) for s in others]
        flags.append(all(d > 2 * delta for d in gaps) and sum(g(d - delta) for d in gaps) < g(delta))
    return flags


@pytest.mark.parametrize("alpha", [0, 1.0, 2.5, 6])
@pytest.mark.parametrize(("embeddings", "proxies"), [(1, 0), (2, 0), (6, 0), (6, 2), (30, 3)])
def test_against_the_double_loop(embeddings, proxies, alpha):
    found = []
    for seed in range(6):
        z, p = points(embeddings, seed), points(proxies, seed + 50)
        for delta in (0.05, 0.15, 0.3, 0.45):
            expected = by_loop(z, p, alpha, delta)
            assert meets_condition(z, p, Decay(alpha, delta)).tolist() == expected
            found += expected
    assert embeddings == 1 or {True, False} == set(found), "both outcomes are drawn"


def test_a_single_embedding_without_proxies_meets_it():
    assert meets_condition(points(1, 0), points(0, 0), Decay(2, 0.9)).tolist() == [True]


def test_a_source_within_two_delta_violates_it_for_both():
    z = points(3, 0, dim=8)
    near = z[:1] + 0.1 * points(1, 9, dim=8)
    decay = Decay(6, 0.1)
    assert meets_condition(z, points(0, 0, dim=8), decay).tolist() == [True] * 3
    assert meets_condition(np.concatenate([z, near]), points(0, 0, dim=8), decay).tolist() == [False, True, True, False]


def test_proxies_count_among_the_sources():
    z = points(3, 0, dim=8)
    decay = Decay(6, 0.1)
    assert meets_condition(z, z[1:2], decay).tolist() == [True, False, True]


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


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 6.0), st.floats(0.05, 0.3), st.integers(0, 50))
def test_every_flow_from_within_the_basin_ends_at_its_embedding(alpha, delta, seed):
    """Proposition 1 with room: from anywhere up to the radius a particle comes back to within delta."""
    z, decay = points(12, seed, dim=10), Decay(alpha, delta)
    radius = basin_radius(z, z[:0], decay)
    held = meets_condition(z, z[:0], decay)
    assert (radius[~held] == delta).all()
    assert ((radius[held] > delta) & (radius[held] <= 2 * delta)).all()
    starts = beside(z, (delta + 0.98 * (radius - delta))[:, None], np.random.default_rng(seed + 1000))
    gaps = np.diag(end_distances(starts, z, decay))
    assert (gaps[held] <= 1.001 * delta).all()


@pytest.mark.parametrize(("shorter", "all_kept"), [(1, False), (10, True)])
def test_a_step_may_lead_out_of_a_basin_barely_wider_than_delta(shorter, all_kept, monkeypatch):
    """Nine sources at one place leave a basin of 1.02 delta; docs/finetuning.md says what steps of delta / 20 lose."""
    aside, around = 2 * np.arcsin(0.157), np.linspace(0, 2 * np.pi, 60, endpoint=False)
    sources = np.array([[1, 0, 0]] + 9 * [[np.cos(aside), np.sin(aside), 0]])
    decay = Decay(2.0, 0.1)
    radius = basin_radius(sources[:1], sources[1:], decay)[0]
    assert 1.02 * decay.delta < radius < 1.021 * decay.delta
    out = 2 * np.arcsin((decay.delta + 0.98 * (radius - decay.delta)) / 2)
    starts = np.stack([np.full(60, np.cos(out)), np.sin(out) * np.cos(around), np.sin(out) * np.sin(around)], axis=1)
    monkeypatch.setattr(minima, "FIRST_STEP", FIRST_STEP / shorter)
    monkeypatch.setattr(minima, "STEPS", STEPS * shorter)
    assert (end_distances(starts, sources, decay)[:, 0] <= 1.001 * decay.delta).all() == all_kept


def test_beyond_the_basin_a_flow_may_end_elsewhere():
    """Ten sources at one place pull harder than one as soon as a particle is far enough out on their side."""
    angle = 2 * np.arcsin(0.5)
    alone, crowd = np.array([1.0, 0, 0]), np.array([np.cos(angle), np.sin(angle), 0])
    sources = np.concatenate([[alone], np.tile(crowd, (4, 1))])
    decay = Decay(1, 0.2)
    radius = basin_radius(sources, sources[:0], decay)[0]
    assert decay.delta < radius < 2 * decay.delta

    def towards(chord):
        turn = 2 * np.arcsin(chord / 2)
        start = np.array([[np.cos(turn), np.sin(turn), 0]])
        return end_distances(start, sources, decay)[0, 0]

    assert towards(0.99 * radius) <= 1.001 * decay.delta
    assert towards(1.3 * radius) > 2 * decay.delta
