"""Studies in which the network learns, as typed, on own images: ablations, fresh seeds, extended grid and geometry."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from suite.evaluation.records import read_records
from suite.files import write_json
from suite.judging.claims.read import read_measured
from suite.settings.paths import FROZEN_METRICS
from suite.settings.tuned_recipes import load_tuned
from tests.suite.training.finetuned.birds import REGIME, make_project, suite, write_params

STUDIES = {
    "ablation": {"birds": {"alpha": [0, 2]}},
    "crossed": {"values": {"delta": [0.3]}, "searched": ["learning_rate"], "trials": 1, "folds": 2},
    "fresh_seeds": {"losses": {"pfml": {}}, "count": 1},
    "geometry": {
        "datasets": {"birds": {"backbone_rate": 0.02}},
        "losses": {"pfml": {}, "soft_triple": {}},
        "deltas": [0.2],
        "trials": 1,
        "folds": 2,
    },
    "extended": {"losses": {"prism": {}}},
    "tuning": {"trials": 1, "folds": 2, "held_out": 1},
}
ALSO = ("soft_triple", "prism", "circle")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a tuned pfml, each of whose studies was run and taken to the results."""
    path = tmp_path_factory.mktemp("project")
    make_project(path)
    write_params(path, losses=("pfml",), seeds=1, levels=[0], also=ALSO, **STUDIES)
    suite(path, "plan", *REGIME)
    suite(path, "tune", "birds", "pfml", *REGIME)
    for words in (("ablation", "alpha"), ("crossed", "delta"), ("fresh-seeds", "pfml")):
        suite(path, words[0], "birds", words[1], *REGIME)
    for loss in STUDIES["geometry"]["losses"]:
        suite(path, "geometry", "birds", loss, *REGIME)
    suite(path, "extended", "birds", "prism", *REGIME)
    suite(path, "train", "birds", "pfml", *REGIME)
    suite(path, "promote")
    return path


def records(project, name):
    found = read_records([project / "results/finetuned/studies" / f"{name}.jsonl"])
    assert {(record.regime, record.dataset, record.status) for record in found} == {("finetuned", "birds", "ok")}
    assert all(record.views_sha256 for record in found)
    return found


def test_an_ablation_varies_one_value(project):
    found = records(project, "ablations/birds-alpha")
    assert [record.ablation.value for record in found] == [0, 2]
    assert [record.hyperparameters["alpha"] for record in found] == [0, 2]
    assert found[0].metrics.keys() == found[1].metrics.keys() != set()


def test_a_crossed_one_searches_the_rates_anew(project):
    (found,) = records(project, "crossed/birds-delta")
    assert (found.ablation.crossed, found.hyperparameters["delta"], found.seed) == (True, 0.3, 1)
    (tuned, _) = records(project, "ablations/birds-alpha")
    assert found.recipe["learning_rate"] != tuned.recipe["learning_rate"]


def test_fresh_seeds_follow_those_of_the_grid(project):
    (found,) = records(project, "fresh_seeds/birds-pfml")
    assert (found.track, found.seed, found.noise_level) == ("tuned", 1, 0)


def test_the_extended_grid_searches_and_runs_a_loss_that_the_grid_does_not_run(project):
    (found,) = records(project, "extended/birds-prism")
    assert (found.loss, found.track, found.search, found.seed, found.noise_level) == ("prism", "tuned", 0, 0, 0)
    recipe = load_tuned(project / "recipes/finetuned/tuned/birds/prism-0.yaml")
    assert found.recipe["learning_rate"] == recipe.best["learning_rate"]
    assert not (project / "finetuned/plan/extended/birds-circle.json").exists()  # the regime does not name it


def test_runs_on_other_views_than_the_grids_are_told_before_and_left_out_after(project, tmp_path):
    """As where the grid's runs came from a machine whose digits are others."""
    path = tmp_path / "project"
    shutil.copytree(project, path, symlinks=True)
    commands = ("views", "birds"), ("extended", "birds", "prism", *REGIME)
    assert not any("note: these views of birds" in suite(path, *words) for words in commands)
    (run,) = records(path, "extended/birds-prism")
    cell = path / "finetuned/runs/birds-pfml/records.jsonl"
    cell.write_text(cell.read_text().replace(run.views_sha256, "a" * 64))
    for words in commands:
        told = f"note: these views of birds have the digest {run.views_sha256[:8]}, those of the grid's runs aaaaaaaa ("
        assert told in suite(path, *words)
    write_json(path / FROZEN_METRICS.format(dataset="birds"), {"metrics": run.metrics})
    reason = f"are of other views (views_sha256 {run.views_sha256[:8]}; that of the grid is aaaaaaaa)"
    told = f"- results/finetuned/studies/extended: runs of prism on birds {reason}\n"
    assert told in suite(path, "leaderboard", *REGIME)
    board = json.loads((path / "results/finetuned/leaderboard.json").read_text())
    assert {row["loss"] for row in board if row["runs"]} == {"pfml"}


def test_the_leaderboard_of_the_regime_has_it_with_a_mark(project):
    (run,) = records(project, "extended/birds-prism")
    write_json(project / FROZEN_METRICS.format(dataset="birds"), {"metrics": run.metrics})
    suite(project, "leaderboard", *REGIME)
    board = json.loads((project / "results/finetuned/leaderboard.json").read_text())
    assert {row["loss"]: row["extended"] for row in board if row["runs"]} == {"pfml": False, "prism": True}
    check = ("verify", "results/finetuned/records.csv", *REGIME, "--sample", "9")
    out = suite(project, *check)  # draws from all that the board shows
    assert "prism tuned noise 0 seed 0: R@1" in out
    assert out.endswith("reproduced: all 2 runs gave the same values\n")
    table = pd.read_csv(project / "results/finetuned/records.csv")
    other = table.assign(loss=table["loss"].replace("prism", "own"), handed_in=["", "not rerun"])
    other.to_csv(project / "other.csv", index=False)
    assert "sample of 1 of 1 runs" in suite(
        project, "verify", "other.csv", *check[2:]
    )  # what was handed in is rerun by itself


def test_geometry_is_measured_on_the_plain_training_images(project):
    searched, held = records(project, "geometry/birds-pfml")
    (other,) = records(project, "geometry/birds-soft_triple")
    assert (searched.ablation, held.ablation.value, held.proxies.delta) == (None, 0.2, 0.2)
    for record in (searched, held, other):
        assert record.proxies.size == [5] * 4
        assert len(record.proxies.w2) == 4
        assert record.recipe["backbone_rate"] == 0.02, "a setting of the study"
    assert records(project, "ablations/birds-alpha")[0].recipe["backbone_rate"] == 0.1, "the recipe's"
    assert other.proxies.minima_met is None


def test_claims_of_the_regime_read_them(project):
    measured = read_measured({"birds": False}, project, regime="finetuned")
    assert measured.ablations
    assert measured.crossed
    assert measured.geometry
    assert measured.held
    assert measured.fresh.runs
    assert not read_measured({"birds": False}, project).ablations


def test_nothing_is_written_among_those_of_the_other_regime(project):
    assert not (project / "studies").exists()
    assert not (project / "results/studies").exists()


def test_an_axis_that_is_left_out_stops_no_pipeline(project):
    done = suite(project, "ablation", "birds", "delta", *REGIME)
    assert "pipelines/finetuned/params.yaml: ablation.birds.delta has no values: nothing is run" in done
    assert (project / "finetuned/studies/ablations/birds-delta.jsonl").read_bytes() == b""
    suite(project, "promote")
    assert not (project / "results/finetuned/studies/ablations/birds-delta.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("ablation", "trees", "alpha"),
            "pipelines/finetuned/params.yaml: ablation has no data set 'trees'; allowed: birds",
        ),
        (("crossed", "birds", "alpha"), "pipelines/finetuned/params.yaml: crossed.values.alpha has no values"),
        (
            ("extended", "birds", "circle"),
            "pipelines/finetuned/params.yaml: extended.losses has no loss 'circle'; allowed: prism",
        ),
        (("geometry", "birds", "pfml"), "pipelines/finetuned/params.yaml: geometry.folds = 3: birds has 4 training"),
        (
            ("geometry", "trees", "pfml"),
            "pipelines/finetuned/params.yaml: geometry.datasets has no data set 'trees'; allowed: birds",
        ),
        (
            ("geometry", "birds", "circle"),
            "pipelines/finetuned/params.yaml: geometry.losses has no loss 'circle'; allowed: pfml, soft_triple",
        ),
        (
            ("search", "birds", "pfml", "--number", "7"),
            "--number 7: allowed by tuning.searches in pipelines/finetuned/params.yaml: 0 to 0",
        ),
        (
            ("search", "birds", "pfml", "--track", "tuned_under_noise"),
            "--track tuned_under_noise: pipelines/finetuned/params.yaml asks for no such searches; allowed: tuned",
        ),
    ],
)
def test_refusals_name_the_settings_file_of_the_regime(project, words, told):
    geometry = STUDIES["geometry"] | {"folds": 3}
    write_params(project, losses=("pfml",), seeds=1, levels=[0], also=ALSO, **STUDIES | {"geometry": geometry})
    printed = suite(project, *words, *REGIME, status=2)
    assert told in printed
    assert printed.count("\n") == 1


def test_a_note_for_what_is_not_in_the_grid(project):
    studies = STUDIES | {"ablation": {"trees": {"alpha": [1]}}}
    write_params(project, losses=("pfml",), seeds=1, levels=[0], also=ALSO, **studies)
    told = "pipelines/finetuned/params.yaml: ablation.trees is left out: it is not under datasets; allowed: birds"
    assert told in suite(project, "plan", *REGIME)
    assert Path(project, "finetuned/plan/searches/birds-soft_triple.json").is_file()
