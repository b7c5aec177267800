"""An ablation's records: values by seeds, paired with the tuned track, resumable, refused where they must be."""

from pathlib import Path

import pytest
from suite.training.outcome import Run
from suite.training.runs import run_all

from suite.errors import SuiteError
from suite.settings.params import AblationAxes
from suite.training.cache import PARTIAL_FOLDER
from suite.training.studies.ablation import run_ablation
from tests.helpers.synthetic import settled
from tests.helpers.synthetic import json_rows, silent

AXES = AblationAxes(alpha=(0, 2), reach=(0.0, 0.3))
TUNED = {"alpha": 2, "delta": 0.8, "proxies_per_class": 1}


def ablated(axis, axes=AXES):
    """Rows of an ablation and what was printed."""
    console = silent()
    path = run_ablation("emoji", axis, axes, console)
    return json_rows(path), console.file.getvalue()


def test_a_record_for_each_value_and_seed(workplace, one_worker):
    settled("pfml", **TUNED)
    rows, printed = ablated("alpha")
    assert [(row["axis"], row["value"], row["seed"]) for row in rows] == [
        ("alpha", 0.0, 0),
        ("alpha", 0.0, 1),
        ("alpha", 2.0, 0),
        ("alpha", 2.0, 1),
    ]
    assert {row["track"] for row in rows} == {"ablation"}
    assert {(row["loss"], row["noise_level"], row["status"]) for row in rows} == {("pfml", 0.0, "ok")}
    assert [row["hyperparameters"]["alpha"] for row in rows] == [0, 0, 2, 2]
    assert isinstance(rows[0]["value"], float)
    assert "ablation-emoji-alpha alpha 2 seed 1: R@1" in printed
    assert not (PARTIAL_FOLDER / "ablation-emoji-alpha").exists()


def test_the_tuned_value_gives_the_metrics_of_the_tuned_track(workplace, one_worker):
    plan = settled("pfml", **TUNED)
    (tuned,) = run_all("cell", [Run(plan, 0.0, 1)], silent())
    for axis, value in (("alpha", 2.0), ("reach", 0.0)):
        rows, _ = ablated(axis)
        (row,) = [row for row in rows if (row["value"], row["seed"]) == (value, 1)]
        assert row["metrics"] == tuned.record["metrics"]
        assert row["noise_sha256"] == tuned.record["noise_sha256"]


def test_other_values_give_other_metrics(workplace, one_worker):
    settled("pfml", **TUNED)
    rows, _ = ablated("reach")
    assert rows[0]["metrics"] != rows[2]["metrics"]


def test_an_interrupted_ablation_is_resumed(workplace, one_worker, monkeypatch):
    settled("pfml", **TUNED)
    expected, _ = ablated("alpha")
    with monkeypatch.context() as patch:
        patch.setattr(
            "suite.training.studies.ablation.write_lines", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            ablated("alpha")
    (PARTIAL_FOLDER / "ablation-emoji-alpha" / "run-2.json").unlink()
    rows, printed = ablated("alpha")
    assert "resuming, runs [0, 1, 3] are done" in printed
    assert rows == expected


def test_values_of_another_grid_are_not_resumed(workplace, one_worker, monkeypatch):
    settled("pfml", **TUNED)
    with monkeypatch.context() as patch:
        patch.setattr(
            "suite.training.studies.ablation.write_lines", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            ablated("alpha")
    rows, printed = ablated("alpha", AblationAxes(alpha=(1, 2)))
    assert "resuming, runs [2, 3] are done" in printed
    assert [row["hyperparameters"]["alpha"] for row in rows] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("gamma", r"unknown axis 'gamma'; allowed: proxies_per_class, alpha, delta, reach"),
        ("delta", r"params\.yaml: ablation\.emoji\.delta has no values"),
        ("alpha", r"plan tuned/emoji-pfml/plan\.json is missing"),
    ],
)
def test_refusals(workplace, axis, message):
    with pytest.raises(SuiteError, match=message):
        run_ablation("emoji", axis, AXES, silent())
    assert not Path("ablations").exists()
