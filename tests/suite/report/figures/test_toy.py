"""The toy problem: its fields are those of the losses, and proxies rest where the theory says; and its figure."""

import math
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import ot
import pytest
import torch

import pfml
from baselines.cpml import CPMLLoss
from suite.report.figures.toy import descend, draw_field_figure, matched_wasserstein, solve_toy


@pytest.fixture(scope="module")
def toy():
    return solve_toy()


@pytest.mark.parametrize(("index", "loss"), [(0, pfml.PotentialFieldLoss(2, 2, 0)), (1, CPMLLoss(2, 2, 0))])
def test_the_force_on_a_particle_is_half_of_what_the_loss_applies(toy, index, loss):
    """The losses count each pair twice; they have no need of unit vectors."""
    labels = torch.tensor([0] * (1 + len(toy.embeddings)) + [1] * len(toy.others))
    for place in [(0.3, -0.2), (0.95, 0.8), (-1.1, -0.5), (1.4, 1.0)]:
        particle = torch.tensor([place], dtype=torch.float64, requires_grad=True)
        (force,) = torch.autograd.grad(toy.equilibria[index].potential(particle).sum(), particle)
        value = loss(torch.cat([particle, toy.embeddings, toy.others]), labels)
        (twice,) = torch.autograd.grad(value, particle)
        assert torch.allclose(2 * force, twice, rtol=1e-6)


def test_proxies_rest_near_embeddings_in_the_field_and_at_the_mean_in_the_control(toy):
    field, control = (equilibrium.paths[-1] for equilibrium in toy.equilibria)
    embeddings = toy.embeddings.numpy()
    nearest = np.linalg.norm(field[:, None] - embeddings[None], axis=2).min(axis=1)
    assert nearest.max() < pfml.PotentialFieldLoss(1, 2, 0).delta + 0.01
    assert np.abs(control - embeddings.mean(axis=0)).max() < 0.01
    assert toy.equilibria[1].w2 == pytest.approx(toy.spread, abs=1e-3)
    assert toy.equilibria[0].w2 < toy.spread / 5


def test_proxies_have_come_to_rest(toy):
    for equilibrium in toy.equilibria:
        steps = np.linalg.norm(np.diff(equilibrium.paths, axis=0), axis=2)
        assert np.linalg.norm(equilibrium.paths[-1] - equilibrium.paths[-100], axis=1).max() < 0.01
        assert steps[-1].max() < 3e-4


def test_w2_is_that_of_a_general_solver(toy):
    for equilibrium in toy.equilibria:
        cost = np.square(equilibrium.paths[-1][:, None] - toy.embeddings.numpy()[None]).sum(axis=2)
        uniform = np.full(len(cost), 1 / len(cost))
        assert equilibrium.w2 == pytest.approx(math.sqrt(ot.emd2(uniform, uniform, cost)), rel=1e-9)
    a = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert matched_wasserstein(a, a[::-1]) == 0
    assert matched_wasserstein(a, a + np.array([0.0, 3.0])) == pytest.approx(3)


def test_a_particle_without_a_force_rests():
    start = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    assert (descend(lambda at: 0 * at.sum(dim=1), start) == 0.5).all()


def test_it_is_the_same_each_time(toy):
    again = solve_toy()
    for first, second in zip(toy.equilibria, again.equilibria, strict=True):
        assert np.array_equal(first.paths, second.paths)


def texts(path):
    return {"".join(node.itertext()).strip() for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_bytes_and_titles(toy, tmp_path):
    other = replace(toy, equilibria=(toy.equilibria[0], replace(toy.equilibria[1], w2=9.87)))
    for name, drawn in {"a": toy, "b": toy, "c": other}.items():
        draw_field_figure(drawn, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    titles = {f"decaying field: W2 = {toy.equilibria[0].w2:.2f}", "non-decaying control: W2 = 9.87"}
    assert titles | {"embeddings of the class", "proxies, at rest"} <= texts(tmp_path / "c")
