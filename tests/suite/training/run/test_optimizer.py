"""AdamW on a cosine schedule, against the papers' formulas."""

import math

import pytest
import torch
from torch import nn

from suite.training.run.loop import CosineAdamW
from tests.helpers.synthetic import RECIPE

STEPS = 12


class Holder(nn.Module):
    """A module with given parameters."""

    def __init__(self, *parameters):
        super().__init__()
        self.held = nn.ParameterList(parameters)


def parameters():
    """The same parameters at each call: a head and, with a gradient of another size, proxies."""
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(size, generator=generator)) for size in ((5, 7), (5,), (11, 3))]


def gradients(step):
    generator = torch.Generator().manual_seed(step + 1)
    return [scale * torch.randn(size, generator=generator) for scale, size in ((1, (5, 7)), (1e-3, 5), (9, (11, 3)))]


def share(step):
    return (1 + math.cos(math.pi * step / STEPS)) / 2


def cosine(head, proxies=(), rates=(0.01, 0.5), weight_decay=0.1):
    values = {"learning_rate": rates[0], "proxy_learning_rate": rates[1], "weight_decay": weight_decay}
    return CosineAdamW(Holder(*head), Holder(*proxies), RECIPE.model_copy(update=values), STEPS)


def grouped(ours):
    return cosine(ours[:2], ours[2:])


def test_it_is_the_formula_of_the_paper():
    """Loshchilov & Hutter, "Decoupled Weight Decay Regularization", Algorithm 2, in double precision."""
    parameter = nn.Parameter(parameters()[0].detach().double())
    expected, mean, square = parameter.detach().clone(), 0.0, 0.0
    optimizer = cosine([parameter])
    for step in range(STEPS):
        gradient = gradients(step)[0].double()
        parameter.grad = gradient.clone()
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        unbiased = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
        rate = 0.01 * share(step)
        expected = expected - rate * (unbiased[0] / (unbiased[1].sqrt() + 1e-8) + 0.1 * expected)
        assert torch.allclose(parameter, expected, rtol=1e-12, atol=1e-12)


def test_the_first_step_is_whole_and_the_last_one_almost_nothing():
    steps = []
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = cosine([parameter], rates=(0.1, 1.0), weight_decay=0.0)
    for _ in range(STEPS):
        before = parameter.item()
        parameter.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        steps.append(before - parameter.item())
    # A constant gradient makes AdamW's direction 1: what is left is the learning rate.
    assert steps == pytest.approx([0.1 * share(step) for step in range(STEPS)], rel=1e-6)
    assert steps[0] == pytest.approx(0.1, rel=1e-6)
    assert steps[-1] < 0.02 * steps[0]


def test_a_parameter_without_a_gradient_stays_and_counts_no_step():
    ours = parameters()
    optimizer = grouped(ours)
    untouched = ours[1].detach().clone()
    for step in range(2):
        mine = gradients(step)
        ours[0].grad, ours[2].grad = mine[0].clone(), mine[2].clone()
        optimizer.step()
    assert torch.equal(ours[1], untouched)
    ours[1].grad = torch.ones(5)
    optimizer.step()
    # Its first step, with moments from zero, moves by the learning rate of the third step, and weight decay.
    rate = 0.01 * share(2)
    assert torch.allclose(ours[1], untouched * (1 - 0.1 * rate) - rate, atol=1e-7)


def test_gradients_are_forgotten_and_none_are_kept_for_autograd():
    ours = parameters()
    optimizer = grouped(ours)
    for parameter, gradient in zip(ours, gradients(0), strict=True):
        parameter.grad = gradient
    optimizer.step()
    assert all(parameter.grad is None for parameter in ours)
    assert all(parameter.is_leaf and parameter.requires_grad for parameter in ours)
