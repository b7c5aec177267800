"""The geometry stage: a row for each seed, the same number of proxies for all, failures as rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.settings.plans import Run, Search, plan_path, write_plan_file
from suite.settings.studies import GeometrySettings
from suite.training.cache import clear
from suite.training.run.frozen import embed, fit
from suite.training.studies.geometry import run_geometry
from suite.training.studies.proxy_runs import measure_frozen
from tests.helpers.synthetic import RECIPE, json_rows, make_features, silent, tuned, write_plan

LOSSES = ("pfml", "cpml", "soft_triple")
ARRAYS = ("size", "spread", "w2", "nearest")
CLASSES = 20
TWO = GeometrySettings(proxies_per_class=2)
SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "proxies_per_class": {"values": [0, 1, 5]},
    "delta": {"low": 0.6, "high": 0.9},
}


@pytest.fixture
def plans(workplace, one_worker):
    """Plans with other numbers of proxies than the study's and nothing to search."""
    planned("pfml", alpha=2, delta=0.4, proxies_per_class=1)
    planned("cpml", margin=0.8, proxies_per_class=0)
    planned("soft_triple", proxies_per_class=4)


def planned(loss, search=None, **more):
    """A plan of a loss before its search, if there is one."""
    plan = replace(tuned(loss, **more), validation_epoch=None)
    write_plan(plan_path("searches", "emoji", loss), plan, search)
    return plan


def test_a_row_for_each_loss_and_seed(plans):
    rows = [row for loss in LOSSES for row in json_rows(run_geometry("emoji", loss, TWO, silent()))]
    assert [(row["loss"], row["seed"]) for row in rows] == [(loss, seed) for loss in LOSSES for seed in (0, 1)]
    for row in rows:
        assert (row["status"], row["failure"], row["data_sha256"]) == ("ok", None, "data")
        places, loss = row["proxies"], row["loss"]
        assert places["proxies_per_class"] == 2
        assert all(len(places[name]) == CLASSES for name in ARRAYS)
        assert places["size"] == [6] * CLASSES
        decays = loss == "pfml"
        assert len(places["apart"]) == CLASSES
        assert len(places["spread_by_epoch"]) == RECIPE.epochs
        assert places["spread_by_epoch"][-1] == pytest.approx(np.mean(places["spread"]), abs=1e-6)
        if decays:
            assert len(places["wider_by_epoch"]) == RECIPE.epochs
            assert places["wider_by_epoch"][-1] == pytest.approx(np.mean(np.array(places["spread"]) > 0.4), abs=1e-6)
        else:
            assert places["wider_by_epoch"] is None
        assert (places["alpha"], places["delta"]) == ((2, 0.4) if decays else (None, None))
        for name in ("condition", "minima_met", "minima_unmet"):
            assert len(places[name]) == CLASSES if decays else places[name] is None
        if decays:
            assert all(
                met[0] + unmet[0] == 6 for met, unmet in zip(places["minima_met"], places["minima_unmet"], strict=True)
            )
    assert rows[0]["proxies"]["w2"] != rows[1]["proxies"]["w2"], "seeds differ"


def test_proxies_come_near_their_class_by_training(workplace):
    """Labels of proxies and embeddings belong together: trained proxies lie nearer their own class than untrained ones."""
    plan = tuned("cpml", margin=0.8, proxies_per_class=2, recipe=RECIPE.model_copy(update={"epochs": 20}))
    still = replace(plan, recipe=plan.recipe.model_copy(update={"proxy_learning_rate": 1e-12}))
    trained, untrained = (measure_frozen(Run(p, 0.0, 0), make_features()).more["proxies"] for p in (plan, still))
    assert np.mean(trained["w2"]) < 0.8 * np.mean(untrained["w2"])


def test_two_proxies_meet_before_they_reach_their_class(workplace):
    """At a small delta: they draw each other in every batch, and no longer move once they are within delta or near it."""
    recipe = RECIPE.model_copy(update={"epochs": 15, "proxy_learning_rate": 0.025})
    one, two = (
        measure_frozen(
            Run(tuned("pfml", alpha=2.3, delta=0.1, proxies_per_class=m, recipe=recipe), 0.0, 0), make_features()
        )
        for m in (1, 2)
    )
    alone, paired = (outcome.more["proxies"] for outcome in (one, two))
    assert np.mean(alone["nearest"]) < 0.2
    assert np.mean(paired["nearest"]) > 0.6
    assert np.median(paired["apart"]) < 0.15, "of 1.41 at the start"


def test_the_spread_after_an_epoch_is_that_of_the_embeddings_then(workplace):
    """By the trace of each class's covariance, of embeddings taken from a training of the same run."""
    plan = tuned("pfml", alpha=2, delta=0.4, proxies_per_class=2)
    run = Run(plan, 0.0, 0)
    by_epoch = measure_frozen(run, make_features()).more["proxies"]["spread_by_epoch"]
    assert len(set(by_epoch)) == len(by_epoch) == RECIPE.epochs > 1, "classes change from epoch to epoch"
    inputs, labels = make_features().training()
    seen = []

    def after_epoch(epoch, _value, head):
        seen.append(np.mean([spread(c) for c in unit_by_class(embed(head, inputs), labels)]))

    fit(plan, inputs, labels, 0, CLASSES, after_epoch)
    assert by_epoch == pytest.approx(seen, abs=1e-6)


def unit_by_class(embeddings, labels):
    points = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return [points[labels == label].astype(np.float64) for label in np.unique(labels)]


def spread(points):
    return np.sqrt(np.trace(np.cov(points.T, bias=True)))


def test_the_same_bytes_however_many_workers(plans, monkeypatch):
    first = run_geometry("emoji", "pfml", TWO, silent()).read_bytes()
    monkeypatch.setenv("SUITE_WORKERS", "2")
    clear("emoji", "pfml")
    assert run_geometry("emoji", "pfml", TWO, silent()).read_bytes() == first


def test_a_failed_run_is_a_row_without_arrays(workplace, one_worker):
    diverging = RECIPE.model_copy(update={"learning_rate": 1000.0, "weight_decay": 1000.0})
    planned("pfml", seeds=1, proxies_per_class=2, recipe=diverging)
    console = silent()
    (row,) = json_rows(run_geometry("emoji", "pfml", TWO, console))
    assert row["status"] == "failed"
    assert row["failure"].startswith("the loss became ")
    places = row["proxies"]
    assert [places[name] for name in ARRAYS] == [[]] * 4
    assert (places["spread_by_epoch"], places["wider_by_epoch"], places["apart"]) == ([], None, None)
    assert (places["condition"], places["minima_met"], places["minima_unmet"]) == (None, None, None)
    assert "geometry-emoji-pfml geometry of pfml seed 0: failed, the loss became " in console.file.getvalue()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("cpml", r"plan plan/searches/emoji-cpml\.json is missing"),
        (
            "triplet",
            r"params\.yaml: geometry\.losses\.triplet: proxies_per_class is no hyper-parameter of loss triplet",
        ),
    ],
)
def test_refusals(workplace, loss, message):
    planned("triplet")
    with pytest.raises(SuiteError, match=message):
        run_geometry("emoji", loss, TWO, silent())
    assert not Path("studies").exists()


def test_an_edit_of_the_measurement_measures_anew(plans, monkeypatch):
    """Where proxies lie is computed by code of its own, whose digest is part of the key."""
    run_geometry("emoji", "pfml", TWO, silent())
    monkeypatch.setattr("suite.training.stage.sha256_code", lambda path: f"edited {path}")
    for module in ("suite.training.stage", "suite.training.studies.parts"):
        monkeypatch.setattr(f"{module}.check_code", lambda *_: None)
    console = silent()
    run_geometry("emoji", "pfml", TWO, console)
    assert "in the run cache" not in console.file.getvalue()


def test_each_delta_has_a_search_of_its_own_with_the_number_of_proxies_held(workplace, one_worker):
    plan = planned("pfml", alpha=1, delta=0.8, proxies_per_class=1)
    plans = [(replace(plan, searches=2, search=number), Search(SPACE, {}, 9, 4, number=number)) for number in (0, 1)]
    noisy = replace(plan, track="tuned_under_noise"), Search(SPACE, {}, 9, 4, noise=0.2)
    write_plan_file(plan_path("searches", "emoji", "pfml"), [*plans, noisy])
    geometry = GeometrySettings(proxies_per_class=2, deltas=(0.2, 0.4), trials=2, folds=2)
    path = run_geometry("emoji", "pfml", geometry, console := silent())
    read_records([path])
    rows, printed = json_rows(path), console.file.getvalue()
    found = [(row["ablation"] and row["ablation"]["value"], row["search"], row["seed"]) for row in rows]
    assert found == [(delta, seed, seed) for delta in (None, 0.2, 0.4) for seed in (0, 1)]
    assert [row["track"] for row in rows] == ["tuned"] * 2 + ["ablation"] * 4
    for row in rows:
        values, places = row["hyperparameters"], row["proxies"]
        assert (values["proxies_per_class"], places["proxies_per_class"]) == (2, 2)
        assert values["delta"] == places["delta"]
        held = row["ablation"] and row["ablation"]["value"]
        assert places["delta"] == held if held else 0.6 <= places["delta"] <= 0.9
    assert len({row["recipe"]["learning_rate"] for row in rows}) > 1
    assert "geometry delta 0.2 emoji pfml tuned 1 trial 1: MAP@R" in printed
    assert "proxies_per_class" not in printed
    run_geometry("emoji", "pfml", geometry, again := silent())
    assert json_rows(path) == rows
    assert "trial 0:" not in again.file.getvalue()


def test_values_at_a_held_delta_may_be_those_found_without_one(workplace, one_worker):
    plan = planned("pfml", alpha=1, delta=0.8, proxies_per_class=1)
    plans = [(replace(plan, searches=2, search=number), Search(SPACE, {}, 9, 4, number=number)) for number in (0, 1)]
    write_plan_file(plan_path("searches", "emoji", "pfml"), plans)
    geometry = GeometrySettings(deltas=(0.2, 0.4), search_at_deltas=False, trials=2, folds=2)
    rows = json_rows(run_geometry("emoji", "pfml", geometry, console := silent()))
    found = [(row["ablation"] and row["ablation"]["value"], row["track"], row["seed"]) for row in rows]
    assert found == [
        (delta, track, seed)
        for delta, track in ((None, "tuned"), (0.2, "ablation"), (0.4, "ablation"))
        for seed in (0, 1)
    ]
    for row in rows:
        assert row["proxies"]["delta"] == row["hyperparameters"]["delta"]
        assert row["ablation"] is None or row["proxies"]["delta"] == row["ablation"]["value"]
        assert row["recipe"] == rows[row["seed"]]["recipe"], "rates are those of the search without a held delta"
    assert rows[0]["recipe"] != rows[1]["recipe"]
    assert console.file.getvalue().count("trial 0: MAP@R") == 2


def test_other_losses_are_not_studied_at_the_deltas_of_pfml(plans):
    rows = json_rows(run_geometry("emoji", "cpml", GeometrySettings(proxies_per_class=2, deltas=(0.2,)), silent()))
    assert [(row["ablation"], row["seed"]) for row in rows] == [(None, 0), (None, 1)]
