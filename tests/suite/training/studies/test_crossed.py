"""A crossed ablation: the axis is held, the rates are searched anew at each value, runs at all noise levels follow."""

from dataclasses import replace
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.settings.plans import Search, plan_path, write_plan_file
from suite.settings.studies import AblationAxes, CrossedSettings
from suite.training.studies.crossed import run_crossed
from tests.helpers.synthetic import json_rows, silent, tuned, write_complete

SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "min_distance_ratio": {"low": 0.05, "high": 0.5},
    "delta": {"low": 0.1, "high": 1.0},
}
CROSSED = CrossedSettings(
    values=AblationAxes(alpha=(0, 2)), searched=("learning_rate", "min_distance_ratio"), trials=2, folds=2
)


@pytest.fixture
def replicates(workplace, one_worker):
    """Two tuned searches of pfml with a seed each, 0 and 1, that differ in delta; noise 0 and .4."""
    plan = replace(tuned("pfml", alpha=1, delta=0.8, proxies_per_class=1), searches=2, seeds=2, noise_levels=(0.0, 0.4))
    plans = [
        replace(plan, search=number, hyperparameters=plan.hyperparameters | {"delta": 0.8 + number / 10})
        for number in (0, 1)
    ]
    write_complete(*plans)
    write_plan_file(plan_path("searches", "emoji", "pfml"), [(plan, Search(SPACE, {}, 9, 2))])
    return plans


def crossed(settings=CROSSED):
    """Rows of a crossed ablation of alpha and what was printed."""
    console = silent()
    path = run_crossed("emoji", "alpha", settings, console)
    read_records([path])
    return json_rows(path), console.file.getvalue()


def test_each_value_is_run_at_each_level_with_rates_of_its_own(replicates):
    rows, printed = crossed()
    assert [(row["ablation"]["value"], row["search"], row["noise_level"], row["seed"]) for row in rows] == [
        (value, number, level, 2 + number) for value in (0.0, 2.0) for number in (0, 1) for level in (0.0, 0.4)
    ]
    assert {(row["track"], row["ablation"]["axis"], row["ablation"]["crossed"]) for row in rows} == {
        ("ablation", "alpha", True)
    }
    values = [row["hyperparameters"] for row in rows]
    assert [value["alpha"] for value in values] == [0, 0, 0, 0, 2, 2, 2, 2]
    # What is not searched stays as each search found it.
    assert [value["delta"] for value in values] == [0.8, 0.8, 0.9, 0.9, 0.8, 0.8, 0.9, 0.9]
    rates = {(row["ablation"]["value"], row["search"]): row["recipe"]["learning_rate"] for row in rows}
    assert len(rates) == 4
    assert all(1e-4 <= rate <= 1e-1 for rate in rates.values())
    assert rates[0.0, 0] != rates[0.0, 1]
    assert "alpha 0 emoji pfml tuned 1 trial 1: MAP@R" in printed


def test_a_second_call_repeats_no_trial_and_no_run(replicates):
    first, _ = crossed()
    again, printed = crossed()
    assert again == first
    assert "crossed-emoji-alpha: 8 of 8 runs are in the run cache" in printed
    assert "trial 0:" not in printed
    assert printed.count("resuming, 2 of 2 trials are done") == 4


def test_refusals(replicates):
    with pytest.raises(SuiteError, match=r"unknown axis 'gamma'; allowed: proxies_per_class, alpha"):
        run_crossed("emoji", "gamma", CROSSED, silent())
    with pytest.raises(SuiteError, match=r"params\.yaml: crossed\.values\.delta has no values"):
        run_crossed("emoji", "delta", CROSSED, silent())
    other = CROSSED.model_copy(update={"searched": ("momentum",)})
    with pytest.raises(
        SuiteError, match=r"crossed\.searched: 'momentum' is not searched for pfml; allowed: learning_rate"
    ):
        run_crossed("emoji", "alpha", other, silent())
    held = CROSSED.model_copy(update={"searched": ("delta",), "values": AblationAxes(delta=(0.4,))})
    with pytest.raises(SuiteError, match=r"crossed\.searched: 'delta' is what the ablation holds"):
        run_crossed("emoji", "delta", held, silent())


@pytest.mark.parametrize("folds", [11, 20, 100])
def test_folds_that_the_classes_cannot_fill(replicates, folds):
    told = rf"params\.yaml: crossed\.folds = {folds}: emoji has 20 training classes, and a fold needs 2 .*; allowed: 2 to 10"
    with pytest.raises(SuiteError, match=told):
        crossed(CROSSED.model_copy(update={"folds": folds}))
    assert not any(Path("run_cache").rglob("*.log"))
