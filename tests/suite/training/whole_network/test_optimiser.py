"""Adam and AdamW as recipes mean them: formulas, groups, clipping, schedules."""

import copy
import itertools

import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.settings.paper_recipes import Schedule, load_paper_recipe
from suite.training.whole_network.optimiser import RecipeOptimizer, learning_rate_share
from tests.suite.training.whole_network import tiny

WEIGHTS, GRADIENT = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.3, 0.1, -20.0])
PUBLISHED = {
    "optimiser__learning_rate": 0.1,
    "optimiser__proxy_learning_rate_factor": 3,
    "optimiser__weight_decay": 0.5,
}


class Holder(nn.Module):
    """One parameter with a gradient."""

    def __init__(self, parameters=True):
        super().__init__()
        self.weight = nn.Parameter(WEIGHTS.clone()) if parameters else None

    def moved(self, optimizer):
        self.weight.grad = GRADIENT.clone()
        optimizer.step()
        return self.weight.detach()


def made(tmp_path, steps_per_epoch=10, loss=None, **changes):
    settings = tiny.settings_of(tiny.recipe_file(tmp_path / "r.yaml", **(PUBLISHED | changes)))
    network, loss = Holder(), loss or Holder()
    return network, loss, RecipeOptimizer(network, loss, settings, steps_per_epoch)


def first_step(gradient, rate):
    """Adam's first step: moments without bias give the gradient itself, divided by its size."""
    return -rate * gradient / (gradient.abs() + 1e-8)


def test_adam_couples_weight_decay_to_the_gradient(tmp_path):
    network, _, optimizer = made(tmp_path, optimiser__name="adam")
    expected = WEIGHTS + first_step(GRADIENT + 0.5 * WEIGHTS, 0.1)
    assert torch.allclose(network.moved(optimizer), expected, atol=1e-5)


def test_adamw_decouples_it(tmp_path):
    network, _, optimizer = made(tmp_path, optimiser__name="adamw")
    expected = WEIGHTS * (1 - 0.1 * 0.5) + first_step(GRADIENT, 0.1)
    assert torch.allclose(network.moved(optimizer), expected, atol=1e-5)


def test_coupled_decay_makes_the_scale_of_the_loss_matter(tmp_path):
    """A mean in place of a sum, at the same decay, turns the step round: the collapse that the recipes warn of."""
    steps = {}
    for name in ("adam", "adamw"):
        for scale in (1.0, 1e-5):
            network, _, optimizer = made(tmp_path, optimiser__name=name, optimiser__weight_decay=5e-4)
            network.weight.grad = scale * torch.tensor([-0.3, 0.1, -0.2])
            optimizer.step()
            steps[name, scale] = network.weight.detach() - WEIGHTS
    assert torch.allclose(steps["adamw", 1.0], steps["adamw", 1e-5], rtol=0.1)
    assert torch.sign(steps["adam", 1.0]).tolist() == [1, -1, 1]
    assert torch.sign(steps["adam", 1e-5]).tolist() == [-1, 1, -1]  # towards zero


@pytest.mark.parametrize("decayed", [True, False])
def test_proxies_have_their_own_rate_and_decay(tmp_path, decayed):
    _, loss, optimizer = made(tmp_path, optimiser__name="adamw", optimiser__decay_proxies=decayed)
    expected = WEIGHTS * (1 - 0.3 * 0.5 * decayed) + first_step(GRADIENT, 0.3)
    assert torch.allclose(loss.moved(optimizer), expected, atol=1e-5)


def test_gradients_are_clipped_by_value_before_the_step(tmp_path):
    given = {"optimiser__name": "adam", "optimiser__weight_decay": 0.0}
    (plain, plain_loss, first), (clipped, clipped_loss, second) = (
        made(tmp_path, **given, optimiser__clip_gradient_value=value) for value in (None, 0.2)
    )
    for holder, optimizer in ((plain, first), (clipped, second), (plain_loss, first), (clipped_loss, second)):
        holder.moved(optimizer)
    # Second step with another gradient: Adam's moments remember how large the first one was.
    moments = [
        optimizer.state_dict()["torch"]["state"][index]["exp_avg"] for optimizer in (first, second) for index in (0, 1)
    ]
    assert torch.allclose(moments[0], 0.1 * GRADIENT)
    assert torch.allclose(moments[2], 0.1 * GRADIENT.clamp(-0.2, 0.2))
    assert torch.allclose(moments[3], 0.1 * GRADIENT.clamp(-0.2, 0.2))


def test_parameters_without_a_gradient_stay_and_gradients_are_forgotten(tmp_path):
    network, loss, optimizer = made(tmp_path, optimiser__name="adamw")
    loss.moved(optimizer)
    assert torch.equal(network.weight, WEIGHTS)
    assert loss.weight.grad is None


def schedule(**values):
    return Schedule.model_validate({"unit": "epochs", "length": 60, "warm_up_epochs": 5, "kind": "constant"} | values)


def test_stepwise_rates_by_epochs_and_by_iterations():
    none = schedule(step=None, gamma=None)
    assert {learning_rate_share(none, step, 3) for step in (0, 5, 500)} == {1.0}
    by_epochs = schedule(kind="step", step=5, gamma=0.5)
    # Proxy-Anchor on CUB: StepLR of 5 epochs; warm-up epochs count.
    assert [learning_rate_share(by_epochs, 48 * epoch, 48) for epoch in (0, 4, 5, 9, 10, 59)] == [
        1,
        1,
        0.5,
        0.5,
        0.25,
        0.5**11,
    ]
    assert learning_rate_share(by_epochs, 48 * 5 - 1, 48) == 1
    by_iterations = schedule(unit="iterations", length=3000, kind="step", step=1200, gamma=0.1)
    # Multi-similarity: at 1,200 and 2,400.
    shares = [learning_rate_share(by_iterations, taken, 73) for taken in (0, 1199, 1200, 2399, 2400, 2999)]
    assert shares == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_schedule_reaches_the_steps(tmp_path):
    changes = {"schedule__kind": "step", "schedule__step": 1, "schedule__gamma": 0.5, "optimiser__name": "adamw"}
    network, _, optimizer = made(tmp_path, steps_per_epoch=2, optimiser__weight_decay=0.0, **changes)
    places = [WEIGHTS] + [network.moved(optimizer).clone() for _ in range(5)]
    # A constant gradient makes Adam's direction 1: what is left is the learning rate.
    moves = [(before - after)[0].item() for before, after in itertools.pairwise(places)]
    assert moves == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025], rel=1e-4)


def test_it_goes_on_from_its_state(tmp_path):
    changes = {"schedule__kind": "step", "schedule__step": 1, "schedule__gamma": 0.5}
    network, _, optimizer = made(tmp_path, steps_per_epoch=2, **changes)
    for _ in range(3):
        network.moved(optimizer)
    other, _, second = made(tmp_path, steps_per_epoch=2, **changes)
    other.load_state_dict(network.state_dict())
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch shares tensors with what it loads
    assert torch.equal(other.moved(second), network.moved(optimizer))


def test_proxies_without_a_learning_rate_are_refused(tmp_path):
    with pytest.raises(
        SuiteError, match=r"optimiser.proxy_learning_rate_factor = null: loss pfml has proxies; allowed"
    ):
        made(tmp_path, optimiser__proxy_learning_rate_factor=None)
    made(tmp_path, loss=Holder(parameters=False), optimiser__proxy_learning_rate_factor=None)


@pytest.mark.parametrize(
    ("name", "kind"), [("pfml_table5", torch.optim.Adam), ("proxy_anchor_resnet50", torch.optim.AdamW)]
)
def test_published_recipes_get_the_optimiser_that_they_name(name, kind):
    settings = load_paper_recipe(name).for_dataset("cub")
    optimizer = RecipeOptimizer(Holder(), Holder(), settings, 10)
    assert type(optimizer._torch) is kind
    rates = [group["lr"] for group in optimizer._torch.param_groups]
    assert rates == pytest.approx([1e-4, 1e-2])
