"""An ablation's records: values by seeds, paired with the tuned track; each axis changes its value and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.errors import SuiteError
from suite.evaluation.record_parts import AblationPoint
from suite.losses.registry import load_target
from suite.settings.plans import Run
from suite.settings.studies import AblationAxes
from suite.training.stage import run_frozen_stage
from suite.training.studies.ablation import run_ablation, vary
from suite.training.studies.promote import promote
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import json_rows, silent, tuned

AXES = AblationAxes(alpha=(0, 2), repulsion_margin=(0.0, 0.3))
POINT = AblationPoint(axis="alpha", value=1.0)
TUNED = {"alpha": 2, "delta": 0.8, "proxies_per_class": 1}


def ablated(axis, axes=AXES):
    """Rows of an ablation and what was printed."""
    console = silent()
    path = run_ablation("emoji", axis, axes, console)
    return json_rows(path), console.file.getvalue()


def test_a_record_for_each_value_and_seed(workplace, one_worker):
    tuned("pfml", **TUNED)
    rows, printed = ablated("alpha")
    assert [(row["ablation"]["axis"], row["ablation"]["value"], row["seed"]) for row in rows] == [
        ("alpha", 0.0, 0),
        ("alpha", 0.0, 1),
        ("alpha", 2.0, 0),
        ("alpha", 2.0, 1),
    ]
    assert {row["track"] for row in rows} == {"ablation"}
    assert {(row["loss"], row["noise_level"], row["status"]) for row in rows} == {("pfml", 0.0, "ok")}
    assert [row["hyperparameters"]["alpha"] for row in rows] == [0, 0, 2, 2]
    assert isinstance(rows[0]["ablation"]["value"], float)
    assert "ablation-emoji-alpha alpha 2 seed 1: R@1" in printed


def test_the_tuned_value_gives_the_metrics_of_the_tuned_track(workplace, one_worker):
    plan = tuned("pfml", **TUNED)
    _, (at_tuned,) = run_frozen_stage("tuned", [Run(plan, 0.0, 1)], silent())
    for axis, value in (("alpha", 2.0), ("repulsion_margin", 0.0)):
        rows, _ = ablated(axis)
        (row,) = [row for row in rows if (row["ablation"]["value"], row["seed"]) == (value, 1)]
        assert row["metrics"] == at_tuned.record.metrics
        assert row["noise_sha256"] == at_tuned.record.noise_sha256


def test_other_values_give_other_metrics(workplace, one_worker):
    tuned("pfml", **TUNED)
    rows, _ = ablated("repulsion_margin")
    assert rows[0]["metrics"] != rows[2]["metrics"]


def test_finished_runs_are_taken_from_the_cache_whatever_the_grid(workplace, one_worker):
    tuned("pfml", **TUNED)
    first, _ = ablated("alpha")
    again, printed = ablated("alpha")
    assert printed == "ablation-emoji-alpha: 4 of 4 runs are in the run cache\n"
    assert again == first
    rows, printed = ablated("alpha", AblationAxes(alpha=(1, 2)))
    assert "ablation-emoji-alpha: 2 of 4 runs are in the run cache" in printed
    assert [row["hyperparameters"]["alpha"] for row in rows] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("gamma", r"unknown axis 'gamma'; allowed: proxies_per_class, alpha, delta, repulsion_margin"),
        ("alpha", r"plan tuned/emoji-pfml/plan\.json is missing"),
    ],
)
def test_refusals(workplace, axis, message):
    with pytest.raises(SuiteError, match=message):
        run_ablation("emoji", axis, AXES, silent())
    assert not Path("studies").exists()


def test_an_axis_without_values_leaves_an_empty_file_that_promotion_leaves(workplace):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    del params["ablation"]["emoji"]["delta"]
    Path("params.yaml").write_text(yaml.safe_dump(params))
    console = silent()
    path = run_ablation("emoji", "delta", AblationAxes(**params["ablation"]["emoji"]), console)
    assert path == Path("studies/ablations/emoji-delta.jsonl")
    assert path.read_bytes() == b""
    assert console.file.getvalue() == "note: params.yaml: ablation.emoji.delta has no values: nothing is run\n"
    with pytest.raises(SuiteError, match="there is no finished search, study or run of the grid"):
        promote()


@pytest.mark.parametrize("name", ["emoji-alpha", "typefaces-delta", "emoji-gamma"])
def test_an_empty_file_of_an_axis_with_values_or_of_none_is_damage(workplace, name):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ablation"] = {"emoji": {"alpha": [1]}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    path = Path(f"studies/ablations/{name}.jsonl")
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(SuiteError, match=rf"{name}\.jsonl holds no record; delete it and run: dvc repro"):
        promote()


@pytest.mark.parametrize("pipeline", ["studies", "finetuned"])
def test_pipelines_read_settings_that_are_there_whatever_axis_is_left_out(pipeline):
    """DVC stops where a parameter is missing."""
    stage = yaml.safe_load((ROOT / f"pipelines/{pipeline}/dvc.yaml").read_text())["stages"]["ablation"]
    assert stage["matrix"]["axis"] == [*AblationAxes.model_fields]
    (params,) = stage["params"]
    names = params if isinstance(params, str) else params["pipelines/finetuned/params.yaml"][0]
    assert names == "ablation.${item.dataset}"


BUILT = {"alpha": 2, "delta": 0.5, "proxies_per_class": 1, "min_distance_ratio": 0.25}


def built(plan):
    """The loss that a plan builds."""
    return load_target(plan.loss, plan.target).build(plan.hyperparameters, num_classes=3, embedding_dim=4)


def values_of(loss):
    """What a loss was built with."""
    return {
        "alpha": loss.alpha,
        "delta": loss.delta,
        "delta_repulsion": loss.delta_repulsion,
        "proxies_per_class": loss.proxies_per_class,
        "min_distance_ratio": loss.min_distance_ratio,
    }


AS_BUILT = {"alpha": 2, "delta": 0.5, "delta_repulsion": 0.5, "proxies_per_class": 1, "min_distance_ratio": 0.25}


@pytest.mark.parametrize(
    ("axis", "value", "changed"),
    [
        ("alpha", 0.0, {"alpha": 0}),
        ("delta", 0.9, {"delta": 0.9, "delta_repulsion": 0.9}),
        ("proxies_per_class", 4, {"proxies_per_class": 4}),
        ("proxies_per_class", 0, {"proxies_per_class": 0}),
        ("repulsion_margin", 0.2, {"delta_repulsion": 0.7}),
        ("repulsion_margin", 0.0, {}),
    ],
)
def test_one_value_changes(workplace, axis, value, changed):
    plan = tuned("pfml", **BUILT)
    varied = vary(plan, axis, value)
    assert values_of(built(varied)) == pytest.approx(AS_BUILT | changed)
    assert varied.track == "ablation"
    assert varied.validation_epoch is None, "it was found at other values"
    same = replace(varied, track="tuned", validation_epoch=3, hyperparameters=plan.hyperparameters)
    assert same == plan


def test_repulsion_margin_is_from_the_default_delta_where_none_is_tuned(workplace):
    assert built(vary(tuned("pfml"), "repulsion_margin", 0.1)).delta_repulsion == pytest.approx(0.3)


def test_each_axis_of_the_settings_can_be_varied(workplace):
    plan = tuned("pfml", **BUILT)
    for axis in AblationAxes.model_fields:
        assert vary(plan, axis, 1.0) != plan
