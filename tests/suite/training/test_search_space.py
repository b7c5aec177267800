"""Search spaces: what may be declared and what is drawn."""

import optuna
import pytest

from suite.errors import SuiteError
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.params import Limits
from suite.training.search_space import Range, Values, parse_space, space_on


def draws(item, count=60):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [item.suggest(study.ask(), "x") for _ in range(count)]


def test_ranges_and_values():
    space = parse_space(
        "losses.own.search",
        {"a": {"low": 1, "high": 4}, "b": {"low": 0.1, "high": 10.0, "log": True}, "c": {"values": ["x", 2]}},
    )
    assert space == {"a": Range(low=1, high=4), "b": Range(low=0.1, high=10.0, log=True), "c": Values(values=("x", 2))}
    assert set(draws(space["a"])) == {1, 2, 3, 4}
    real = draws(space["b"])
    assert all(0.1 <= value <= 10 for value in real)
    assert 15 <= sum(value < 1 for value in real) <= 45
    assert set(draws(space["c"])) == {"x", 2}


def test_one_real_end_makes_a_real_range():
    assert not all(isinstance(value, int) for value in draws(Range(low=0, high=1.5)))


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_built_in_losses_declare_valid_spaces(name):
    declared = load_target(name, BUILT_IN[name]).search_space
    assert list(parse_space(name, declared)) == list(declared)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"low": 2, "high": 1}, "low must be below high"),
        ({"low": 1, "high": 1}, "low must be below high"),
        ({"low": 0, "high": 1, "log": True}, "above 0 on a logarithmic scale"),
        ({"low": 0}, r"losses\.own\.search\.a\.high is missing"),
        ({"low": 0, "high": 1, "step": 1}, r"losses\.own\.search\.a\.step is not a setting; allowed: low, high, log"),
        ({"values": []}, r"losses\.own\.search\.a\.values = \[\]; allowed: at least 1 entry"),
        ({"low": "small", "high": 1}, r"losses\.own\.search\.a\.low"),
    ],
)
def test_refused(entry, message):
    with pytest.raises(SuiteError, match=r"^params\.yaml: losses\.own\.search\.a.*" + message.split(r"\.a", 1)[-1]):
        parse_space("losses.own.search", {"a": entry})


@pytest.mark.parametrize(
    ("entry", "limits", "left"),
    [
        ({"values": [0, 1, 5, "x"]}, {"high": 1}, {"values": [0, 1, "x"]}),
        ({"low": 1, "high": 9}, {"low": 2.5, "high": 7.5}, {"low": 3, "high": 7, "log": False}),
        ({"low": 0.1, "high": 10.0, "log": True}, {"high": 2}, {"low": 0.1, "high": 2.0, "log": True}),
        ({"low": 1, "high": 9}, {"low": 9}, {"values": [9]}),
        ({"low": 1, "high": 9}, {"low": 0, "high": 20}, {"low": 1, "high": 9}),
    ],
)
def test_limits_of_a_data_set(entry, limits, left):
    declared = {"a": entry, "b": {"values": [7]}}
    found = space_on("emoji", {"a": Limits(**limits), "c": Limits(high=1)}, declared)
    assert found == {"a": left, "b": {"values": [7]}}
    assert [type(value) for value in found["a"].values()] == [type(value) for value in left.values()]
    assert declared["a"] is entry
