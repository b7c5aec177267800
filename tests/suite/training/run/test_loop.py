"""The loop: parameter groups, schedule, failures."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.randomness import stream
from suite.training.run import loop
from suite.training.run.loop import CosineAdamW, PKSampler, TrainingFailure, UniformSampler
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


@pytest.mark.parametrize("loss", [Proxies(), nn.Identity()], ids=["proxies", "no parameters"])
def test_steps_are_those_of_torch_with_two_groups_on_a_cosine_schedule(loss):
    """The model learns at its rate with weight decay, the loss at its own without; every bit as torch's classes have it."""
    model = nn.Linear(4, 3)
    ours, theirs = nn.ModuleList([model, loss]), copy.deepcopy(nn.ModuleList([model, loss]))
    groups = [{"params": theirs[0].parameters(), "lr": RECIPE.learning_rate, "weight_decay": RECIPE.weight_decay}]
    if proxies := list(theirs[1].parameters()):
        groups.append({"params": proxies, "lr": RECIPE.proxy_learning_rate, "weight_decay": 0.0})
    adamw = torch.optim.AdamW(groups, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(adamw, lambda step: 0.5 * (1 + math.cos(math.pi * step / 10)))
    optimizer = CosineAdamW(model, loss, RECIPE, 10)
    for step in range(10):
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            gradient = torch.randn(mine.shape, generator=torch.Generator().manual_seed(step))
            mine.grad, other.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        adamw.step()
        schedule.step()
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
        assert all(parameter.grad is None for parameter in ours.parameters())


def test_parameters_without_a_gradient_stay():
    model, loss = nn.Linear(4, 3), Proxies()
    before = loss.proxy.clone()
    model.weight.grad = torch.ones_like(model.weight)
    CosineAdamW(model, loss, RECIPE, 10).step()
    assert torch.equal(loss.proxy, before)


def test_the_schedule_covers_all_steps(monkeypatch):
    totals = []
    made = loop.CosineAdamW.__init__

    def watching(self, model, loss, recipe, total):
        totals.append(total)
        made(self, model, loss, recipe, total)

    monkeypatch.setattr(loop.CosineAdamW, "__init__", watching)
    loss = Proxies()
    steps = RECIPE.epochs * run(loss).batches_per_epoch
    assert (loss.calls, totals) == (steps, [steps])


class Curious(nn.Module):
    """Asks for what a loss is offered."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, embeddings, labels, *, epoch, indices):
        self.seen.append((epoch, indices, labels))
        return embeddings.mean()


def test_a_loss_is_given_the_rows_and_the_epoch_that_it_asks_for():
    loss = Curious()
    run(loss)
    assert [epoch for epoch, _, _ in loss.seen] == [1, 1, 2, 2, 3, 3, 4, 4]
    for _, indices, labels in loss.seen:
        assert torch.equal(torch.from_numpy(LABELS)[indices], labels)


def test_uniform_batches_take_each_image_once_a_round_whatever_the_labels():
    def batches():
        sampler = UniformSampler(30, 10, 2, stream("uniform"))
        assert sampler.batches_per_epoch == 2
        return [batch.tolist() for _ in range(3) for batch in sampler.epoch()]

    found = batches()
    assert found == batches()
    assert len(found) == 6
    for first in (0, 3):
        assert sorted(row for batch in found[first : first + 3] for row in batch) == list(range(30))
    with pytest.raises(SuiteError, match="batches of 31 images from 30"):
        UniformSampler(30, 31, 1, stream("uniform"))


def test_an_epoch_may_count_more_images_than_there_are():
    assert PKSampler(LABELS, 5, 3, stream("loop"), images=75).batches_per_epoch == 5


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
