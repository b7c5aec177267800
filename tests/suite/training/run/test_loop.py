"""The loop: parameter groups, schedule, failures."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.randomness import stream
from suite.training.run import loop
from suite.training.run.loop import CosineAdamW, PKSampler, TrainingFailure
from tests.helpers.synthetic import RECIPE

LABELS = np.repeat(np.arange(6), 5)


class Proxies(nn.Module):
    """A loss with a parameter; ``change`` alters its value by the number of the call."""

    def __init__(self, change=lambda value, call: value):
        super().__init__()
        self.proxy = nn.Parameter(torch.ones(3))
        self.change = change
        self.calls = 0

    def forward(self, embeddings, labels):
        self.calls += 1
        return self.change((embeddings @ self.proxy).mean(), self.calls)


def run(loss, model=None, after_epoch=None, recipe=RECIPE):
    model = model or nn.Linear(4, 3)
    inputs = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    sampler = PKSampler(LABELS, 5, 3, stream("loop"))
    loop.train(model, loss, inputs.__getitem__, torch.from_numpy(LABELS), sampler, recipe, after_epoch)
    return sampler


def groups(model, loss):
    return CosineAdamW(model, loss, RECIPE, 10)._adamw.param_groups


def test_proxies_have_their_own_learning_rate_and_no_weight_decay():
    model, loss = nn.Linear(4, 3), Proxies()
    first, second = groups(model, loss)
    assert (first["lr"], first["weight_decay"]) == (RECIPE.learning_rate, RECIPE.weight_decay)
    assert (second["lr"], second["weight_decay"]) == (RECIPE.proxy_learning_rate, 0.0)
    assert [id(p) for p in first["params"]] == [id(p) for p in model.parameters()]
    assert [id(p) for p in second["params"]] == [id(loss.proxy)]


def test_a_loss_without_parameters_needs_no_group():
    assert len(groups(nn.Linear(4, 3), nn.Identity())) == 1


def test_the_cosine_schedule_covers_all_steps_of_model_and_proxies(monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def watching(optimizer, *rest):
        rates.append([group["lr"] for group in optimizer.param_groups])
        return step(optimizer, *rest)

    monkeypatch.setattr(torch.optim.AdamW, "step", watching)
    loss = Proxies()
    steps = RECIPE.epochs * run(loss).batches_per_epoch
    assert loss.calls == steps
    shares = [0.5 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    expected = np.outer(shares, [RECIPE.learning_rate, RECIPE.proxy_learning_rate])
    assert np.allclose(rates, expected, rtol=1e-12)


def test_model_and_proxies_both_move():
    model, loss = nn.Linear(4, 3), Proxies()
    before = [tensor.clone() for tensor in (model.weight, loss.proxy)]
    run(loss, model)
    assert not any(torch.equal(old, new) for old, new in zip(before, (model.weight, loss.proxy), strict=True))


def test_epochs_are_reported_with_the_mean_loss():
    seen = []
    run(Proxies(lambda value, call: value * 0 + call), after_epoch=lambda *row: seen.append(row))
    # 30 images, batches of 15: 2 batches an epoch.
    assert seen == [(1, 1.5), (2, 3.5), (3, 5.5), (4, 7.5)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_leaves_the_finite_numbers_fails_before_its_step(value):
    model = nn.Linear(4, 3)
    kept = {}

    def change(number, call):
        if call < 3:
            return number
        kept.update({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return number.abs() * value

    with pytest.raises(TrainingFailure, match=f"the loss became {value} in epoch 2"):
        run(Proxies(change), model)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())


def test_a_loss_that_gives_no_scalar_is_refused():
    with pytest.raises(SuiteError, match=r"training: the loss gave a tensor of shape \(2,\); allowed is a scalar"):
        run(Proxies(lambda value, call: torch.stack([value, value])))


def test_the_model_ends_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout())
    run(Proxies(), model)
    assert not model.training
