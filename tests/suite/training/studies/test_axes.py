"""Each axis changes its value and nothing else."""

from dataclasses import replace

import pytest

from suite.losses.registry import build_loss, load_target
from suite.settings.params import AblationAxes
from suite.training.studies.axes import vary
from tests.suite.plans import settled

TUNED = {"alpha": 2, "delta": 0.5, "proxies_per_class": 1, "min_distance_ratio": 0.25}


def built(plan):
    """The loss that a plan builds."""
    return build_loss(load_target(plan.loss, plan.target), plan.hyperparameters, num_classes=3, embedding_dim=4)


def values_of(loss):
    """What a loss was built with."""
    return {
        "alpha": loss.alpha,
        "delta": loss.delta,
        "delta_repulsion": loss.delta_repulsion,
        "proxies_per_class": loss.proxies_per_class,
        "min_distance_ratio": loss.min_distance_ratio,
    }


AS_TUNED = {"alpha": 2, "delta": 0.5, "delta_repulsion": 0.5, "proxies_per_class": 1, "min_distance_ratio": 0.25}


@pytest.mark.parametrize(
    ("axis", "value", "changed"),
    [
        ("alpha", 0.0, {"alpha": 0}),
        ("delta", 0.9, {"delta": 0.9, "delta_repulsion": 0.9}),
        ("proxies_per_class", 4, {"proxies_per_class": 4}),
        ("proxies_per_class", 0, {"proxies_per_class": 0}),
        ("reach", 0.2, {"delta_repulsion": 0.7}),
        ("reach", 0.0, {}),
    ],
)
def test_one_value_changes(workplace, axis, value, changed):
    plan = settled("pfml", **TUNED)
    varied = vary(plan, axis, value)
    assert values_of(built(varied)) == pytest.approx(AS_TUNED | changed)
    assert varied.track == "ablation"
    assert varied.validation_epoch is None, "it was found at other values"
    same = replace(varied, track="tuned", validation_epoch=3, hyperparameters=plan.hyperparameters)
    assert same == plan


def test_reach_is_from_the_default_delta_where_none_is_tuned(workplace):
    assert built(vary(settled("pfml"), "reach", 0.1)).delta_repulsion == pytest.approx(0.3)


def test_each_axis_of_the_settings_can_be_varied(workplace):
    plan = settled("pfml", **TUNED)
    for axis in AblationAxes.model_fields:
        assert vary(plan, axis, 1.0) != plan
