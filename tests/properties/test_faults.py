"""The checks have teeth: each fault patched into the package makes the check it concerns fail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import pfml
import pfml.loss
from pfml._kernel import PotentialField
from tests.properties import test_corollary1 as corollary1
from tests.properties import test_decay as decay
from tests.properties import test_invariances as invariances
from tests.properties import test_proposition1 as proposition1
from tests.properties import test_robustness as robustness

Check = Callable[[], None]

attraction, repulsion = pfml.attraction, pfml.repulsion


def attraction_check() -> None:
    decay.check_attraction_law(3.0, 0.2, 1.5, 4.0)


def repulsion_check() -> None:
    decay.check_repulsion_law(3.0, 0.2, 0.3, 0.8)


def silence_check() -> None:
    decay.check_silence(3.0, 0.2, 0.7, 1.3)


def proposition_check() -> None:
    for seed in range(3):
        proposition1.check_minimum_near_source(seed, 4, 3, 3.0, 0.1, 0.9, sphere=False)


def proposition_on_the_sphere_check() -> None:
    for seed in range(3):
        proposition1.check_minimum_near_source(seed, 4, 4, 3.0, 0.1, 0.9, sphere=True)


def corollary_check() -> None:
    for seed in range(3):
        corollary1.check_proxies_stay_within_delta(seed, 6, 4, 3.0, 0.9, sphere=False)


def influence_check() -> None:
    robustness.check_pull_is_bounded(3.0, 0.2, 0.5)
    robustness.check_pull_is_bounded(3.0, 0.2, 0.1)


def loss_check() -> None:
    for seed in range(5):
        invariances.check_value_above_floor(seed, 20, 3.0, 0.9)


def loss_force_check() -> None:
    decay.test_influence_in_the_field_is_the_closed_form()


def loss_field_check() -> None:
    for seed in range(5):
        proposition1.check_field_is_gradient_of_loss(seed, 5, 3, 3.0, 1.2)


ALL: list[Check] = [
    attraction_check,
    repulsion_check,
    silence_check,
    proposition_check,
    proposition_on_the_sphere_check,
    corollary_check,
    influence_check,
    loss_check,
    loss_force_check,
    loss_field_check,
]


def without_delta(distance: Tensor, alpha: float, delta: float) -> Tensor:
    """Attraction that goes on inside delta."""
    return -(distance.clamp(min=1e-6) ** -alpha) + 0 * delta


def without_decay(distance: Tensor, alpha: float, delta: float) -> Tensor:
    """The control's attraction in place of the paper's."""
    return distance.square() + 0 * alpha * delta


FAULTS_OF_ATTRACTION: dict[str, tuple[Callable[..., Tensor], list[Check]]] = {
    "exponent": (lambda d, a, delta: attraction(d, a + 0.5, delta), [attraction_check, influence_check]),
    "sign": (
        lambda d, a, delta: -attraction(d, a, delta),
        [attraction_check, proposition_check, proposition_on_the_sphere_check, corollary_check],
    ),
    "delta": (lambda d, a, delta: attraction(d, a, 2 * delta), [silence_check, attraction_check, proposition_check]),
    "no delta": (without_delta, [silence_check, influence_check]),
    "no decay": (without_decay, [attraction_check, proposition_check, corollary_check, influence_check]),
    "log": (lambda d, _, delta: attraction(d, 0.0, delta), [attraction_check, influence_check]),
}

FAULTS_OF_REPULSION: dict[str, tuple[Callable[..., Tensor], list[Check]]] = {
    "exponent": (lambda d, a, delta: repulsion(d, a + 0.5, delta), [repulsion_check, loss_field_check]),
    "sign": (lambda d, a, delta: -repulsion(d, a, delta), [repulsion_check, loss_field_check]),
    "delta": (lambda d, a, delta: repulsion(d, a, delta / 2), [repulsion_check, loss_field_check]),
    "repulsion radius": (lambda d, a, delta: repulsion(d, a, 3 * delta), [silence_check, loss_field_check]),
}


class WrongForce(PotentialField):
    """Forces that do not belong to the value."""

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        value, slope = super().value_and_slope(squared, same=same)
        return value, slope * squared.sqrt()


class WrongSign(PotentialField):
    """Attraction between classes, repulsion within them."""

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        value, slope = super().value_and_slope(squared, same=same)
        return -value, -slope


class WrongPairs(PotentialField):
    """Forces on the other side of delta."""

    def active(self, squared: Tensor, *, same: bool) -> Tensor:
        return ~super().active(squared, same=same)


FAULTS_OF_THE_LOSS: dict[str, tuple[Any, list[Check]]] = {
    "exponent": (
        lambda *settings: replace(PotentialField(*settings), alpha=settings[0] + 0.5),
        [loss_check, loss_force_check, loss_field_check],
    ),
    "delta": (
        lambda *settings: replace(PotentialField(*settings), delta=1.5 * settings[1]),
        [loss_check, loss_force_check, loss_field_check],
    ),
    "repulsion radius": (
        lambda *settings: replace(PotentialField(*settings), delta_repulsion=1.5 * settings[2]),
        [loss_check],
    ),
    "bound": (lambda *settings: replace(PotentialField(*settings), min_distance=0.9 * settings[2]), [loss_check]),
    "force": (WrongForce, [loss_force_check, loss_field_check]),
    "sign": (WrongSign, [loss_check, loss_field_check]),
    "pairs": (WrongPairs, [loss_check, loss_force_check]),
}


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_checks_pass_on_the_package_as_it_is(check: Check) -> None:
    check()


def assert_caught(checks: list[Check]) -> None:
    for check in checks:
        torch.manual_seed(0)
        with pytest.raises(AssertionError):
            check()


@pytest.mark.parametrize("fault", FAULTS_OF_ATTRACTION)
def test_fault_of_attraction_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty, checks = FAULTS_OF_ATTRACTION[fault]
    monkeypatch.setattr(pfml, "attraction", faulty)
    assert_caught(checks)


@pytest.mark.parametrize("fault", FAULTS_OF_REPULSION)
def test_fault_of_repulsion_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty, checks = FAULTS_OF_REPULSION[fault]
    monkeypatch.setattr(pfml, "repulsion", faulty)
    assert_caught(checks)


@pytest.mark.parametrize("fault", FAULTS_OF_THE_LOSS)
def test_fault_of_the_loss_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty, checks = FAULTS_OF_THE_LOSS[fault]
    monkeypatch.setattr(pfml.loss, "PotentialField", faulty)
    assert_caught(checks)
