"""Eq. 1 and 2: values by hand, continuity, limits, bound, errors."""

import math

import pytest
import torch
from torch import Tensor

from pfml import attraction, repulsion
from tests.pfml import oracle

# No distance falls on a radius, where the force jumps.
DISTANCES = torch.linspace(0.021, 2.003, 100, dtype=torch.float64)
ALPHAS = [0.0, 0.5, 1.0, 2.0, 3.0, 6.0]


def slope(potential: Tensor, distance: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(potential.sum(), distance)
    return gradient


def test_values_by_hand() -> None:
    distance = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(attraction(distance, 2.0, 0.5).tolist(), [-4.0, -4.0, -0.25])
    torch.testing.assert_close(repulsion(distance, 2.0, 0.5).tolist(), [100.0, 4.0, 4.0])
    torch.testing.assert_close(attraction(distance, 0.0, 0.5).tolist(), [math.log(0.5), math.log(0.5), math.log(2.0)])
    torch.testing.assert_close(repulsion(distance, 0.0, 0.5).tolist(), [-math.log(0.1), -math.log(0.5), -math.log(0.5)])


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("delta", [0.15, 0.7, 1.3])
def test_value_and_force_match_the_oracle(alpha: float, delta: float) -> None:
    distance = DISTANCES.clone().requires_grad_()
    for tensor, expected in [
        (attraction(distance, alpha, delta), [oracle.attraction(d, alpha, delta) for d in DISTANCES.tolist()]),
        (repulsion(distance, alpha, delta), [oracle.repulsion(d, alpha, delta) for d in DISTANCES.tolist()]),
        (
            repulsion(distance, alpha, delta, 0.1),
            [oracle.repulsion(d, alpha, delta, 0.1) for d in DISTANCES.tolist()],
        ),
    ]:
        values, slopes = torch.tensor(expected, dtype=torch.float64).T
        torch.testing.assert_close(tensor.detach(), values, rtol=1e-9, atol=0)
        torch.testing.assert_close(slope(tensor, distance), slopes, rtol=1e-9, atol=0)


def test_log_potential_is_the_limit_of_small_alpha() -> None:
    alpha = 1e-6
    power = (1 + attraction(DISTANCES, alpha, 0.4)) / alpha
    torch.testing.assert_close(power, attraction(DISTANCES, 0.0, 0.4), rtol=0, atol=1e-5)
    power = (repulsion(DISTANCES, alpha, 0.4) - 1) / alpha
    torch.testing.assert_close(power, repulsion(DISTANCES, 0.0, 0.4), rtol=0, atol=1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_bound_joins_smoothly_and_peaks_there(alpha: float) -> None:
    bound = 0.1
    distance = torch.tensor([bound - 1e-7, bound + 1e-7], dtype=torch.float64, requires_grad=True)
    value = repulsion(distance, alpha, 0.5, bound)
    below, above = slope(value, distance)
    assert value[0].item() == pytest.approx(value[1].item(), rel=1e-4)
    assert below.item() == pytest.approx(above.item(), rel=1e-4)
    inside = torch.linspace(0, bound, 50, dtype=torch.float64).requires_grad_()
    force = -slope(repulsion(inside, alpha, 0.5, bound), inside)
    assert force[0] == 0
    assert bool((force.diff() > 0).all())


def test_any_shape_and_type() -> None:
    distance = torch.rand(2, 3, 4, dtype=torch.float32)
    assert attraction(distance, 3.0, 0.2).shape == distance.shape
    assert repulsion(distance, 3.0, 0.2).dtype == torch.float32
    assert attraction(torch.empty(0), 3.0, 0.2).shape == (0,)
    assert attraction(torch.tensor(0.0), 1.0, 0.25).item() == -4
    assert repulsion(torch.tensor(0.0), 1.0, 0.25).item() == math.inf


@pytest.mark.parametrize("function", [attraction, repulsion])
@pytest.mark.parametrize(
    ("alpha", "delta", "named"),
    [
        (-1.0, 0.2, "alpha"),
        (math.nan, 0.2, "alpha"),
        (3.0, 0.0, "delta"),
        (3.0, math.inf, "delta"),
        (True, 0.2, "alpha"),
    ],
)
def test_errors_name_the_setting(function: object, alpha: float, delta: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        function(DISTANCES, alpha, delta)  # type: ignore[operator]


def test_bound_beyond_delta_is_refused() -> None:
    with pytest.raises(ValueError, match=r"min_distance = 0\.3.*\[0, 0\.2\]"):
        repulsion(DISTANCES, 3.0, 0.2, 0.3)
