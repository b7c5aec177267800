"""The pipeline through real dvc in a clone: leaderboard, nothing done twice, only what depends on a change."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time

import yaml

from tests.pipeline.conftest import BEST, SMOKE, TUNE, clone, forget_studies
from tests.helpers.synthetic import json_rows

STUDY_FOLDERS = ("as_published", "ablations", "geometry")

OWN_LOSS = """
from torch import nn


class Compactness(nn.Module):
    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, embeddings, labels):
        same = labels[:, None] == labels
        return self.weight * (1 - embeddings @ embeddings.T).mul(2 * same.float() - 1).mean()
"""


def edit_params(project, change):
    path = project.path / "params.yaml"
    params = yaml.safe_load(path.read_text())
    change(params)
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def stages_run(output):
    return set(re.findall(r"Running stage '([^']+)'", output))


def test_ends_in_a_leaderboard_of_real_runs(reproduced):
    with (reproduced.path / "results/leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["dataset"], row["loss"], row["noise_level"]) for row in rows} == {
        ("emoji", loss, level) for loss in ("pfml", "triplet", "frozen backbone") for level in ("0.0", "0.2")
    }
    assert all(0 < float(row["recall_at_1"]) < 100 for row in rows)
    records = (reproduced.path / "runs/emoji-pfml-0.2/records.jsonl").read_text().splitlines()
    record = json.loads(records[0])
    assert len(records) == 1
    assert record["noise_realised"] == round(0.2 * record_images(reproduced)) / record_images(reproduced)
    assert "pfml" in (reproduced.path / "results/leaderboard.md").read_text()
    assert b"<svg" in (reproduced.path / "results/noise.svg").read_bytes()


def rows_of(project, name):
    return json_rows(project.path / f"runs/{name}/records.jsonl")


def test_a_recipe_in_git_is_taken_and_a_missing_one_is_searched(reproduced):
    tuned = reproduced.path / "tuned"
    assert [path.relative_to(tuned).as_posix() for path in sorted(tuned.rglob("*.*"))] == [
        "emoji-pfml/plan.json",
        "emoji-pfml/search.yaml",
        "emoji-triplet/plan.json",
    ]
    (found,) = rows_of(reproduced, "emoji-pfml-0")
    search = yaml.safe_load((tuned / "emoji-pfml/search.yaml").read_text())
    assert (found["track"], found["origin"], len(search["trials"])) == ("tuned", "search", 2)
    (taken,) = rows_of(reproduced, "emoji-triplet-0")
    assert (taken["track"], taken["origin"]) == ("tuned", "search")
    for record, best in ((found, search["best"]), (taken, BEST)):
        settings = record["recipe"] | record["hyperparameters"]
        assert {name: settings[name] for name in best} == best
    assert taken["validation_epoch"]["epoch"] == 1


STUDIES = {
    "published@emoji-pfml",
    *(f"ablation@emoji-{axis}" for axis in ("proxies_per_class", "alpha", "delta", "reach")),
    "geometry@emoji-pfml",
}


def test_a_plain_repro_runs_neither_searches_nor_studies(reproduced):
    cells = {f"emoji-{loss}" for loss in ("pfml", "triplet")}
    assert stages_run(reproduced.first) == {
        "plan",
        "features@emoji",
        *(f"{TUNE}@{cell}" for cell in cells),
        *(f"train@{cell}-{level}" for cell in cells for level in ("0", "0.2")),
        "leaderboard",
        "claims",
        "times",
        "site",
    }
    assert not any((reproduced.path / folder).exists() for folder in ("searches", *STUDY_FOLDERS))


def test_the_first_stage_of_a_loss_trains_for_the_others(reproduced):
    for loss in ("pfml", "triplet"):
        assert len(re.findall(rf"^emoji-{loss}-\S+: all runs were done before$", reproduced.first, re.MULTILINE)) == 1
        assert len(re.findall(rf"^emoji-{loss}-\S+ noise \S+ seed 0: R@1", reproduced.first, re.MULTILINE)) == 2
    assert not list((reproduced.path / "partial").glob("emoji-*"))


def test_runs_that_were_lost_come_back_from_the_cache(reproduced):
    folder = reproduced.path / "runs/emoji-pfml-0.2"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    assert stages_run(reproduced.dvc("repro").stdout) == set()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def record_images(project):
    """Training images of the cut data set, counted from the noise-free realisation of a corruption."""
    from suite.data.features import load_features

    return len(load_features(project.path / "features/emoji.safetensors").training()[1])


def test_a_second_repro_finds_nothing_to_do(reproduced):
    output = reproduced.dvc("repro").stdout
    assert stages_run(output) == set()
    assert "up to date" in output


def test_metrics_and_plots_show(reproduced):
    shown = json.loads(reproduced.dvc("metrics", "show", "--json").stdout)
    data = shown[""]["data"]["results/metrics.json"]["data"]
    assert set(data["tuned"]["emoji"]) == {"pfml", "triplet", "frozen backbone"}
    reproduced.dvc("plots", "show", "-o", "dvc_plots")
    page = (reproduced.path / "dvc_plots/index.html").read_text()
    figures = list((reproduced.path / "dvc_plots").rglob("*noise.svg"))
    assert len(figures) == 1
    assert figures[0].name in page
    assert figures[0].read_bytes() == (reproduced.path / "results/noise.svg").read_bytes()


def test_one_stage_can_be_named(reproduced):
    output = reproduced.dvc("repro", "-s", "-f", "train@emoji-pfml-0.2").stdout
    assert stages_run(output) == {"train@emoji-pfml-0.2"}


def test_adding_and_editing_a_loss_runs_its_cells_only(reproduced):
    file = reproduced.path / "my_losses/compactness.py"
    file.write_text(OWN_LOSS)
    try:
        edit_params(
            reproduced,
            lambda params: params["losses"].update(compactness={"target": "my_losses/compactness.py:Compactness"}),
        )
        own = {f"{TUNE}@emoji-compactness", "train@emoji-compactness-0", "train@emoji-compactness-0.2"}
        around = {"plan", "leaderboard", "claims", "times", "site"}
        assert stages_run(reproduced.dvc("repro").stdout) == own | around
        assert "compactness" in (reproduced.path / "results/leaderboard.csv").read_text()
        file.write_text(OWN_LOSS.replace("weight: float = 1.0", "weight: float = 3.0"))
        ran = stages_run(reproduced.dvc("repro").stdout)
        assert own | {"plan"} <= ran <= own | around
    finally:
        edit_params(reproduced, lambda params: params["losses"].pop("compactness"))
        file.unlink()


def test_a_bad_loss_name_stops_before_anything_is_written(reproduced):
    before = (reproduced.path / "results/leaderboard.csv").read_bytes(), sorted((reproduced.path / "plan").rglob("*"))
    edit_params(reproduced, lambda params: params["losses"].update(magic={}))
    try:
        done = reproduced.dvc("repro", check=False)
        assert done.returncode != 0
        assert "losses.magic: unknown loss; allowed: pfml, cpml" in done.stderr + done.stdout
        assert not list((reproduced.path / "runs").glob("*magic*"))
        assert (reproduced.path / "results/leaderboard.csv").read_bytes() == before[0]
    finally:
        edit_params(reproduced, lambda params: params["losses"].pop("magic"))


def test_a_killed_repro_ends_in_the_same_bytes(reproduced, tmp_path):
    """Kill -9 the whole process group in the middle of a search, then of a train stage; compare with an undisturbed run."""
    one_cell = {"seeds": 2, "losses": {"pfml": {}}, "published": {}, "noise": {"kind": "symmetric", "levels": [0.2]}}
    project = clone(tmp_path / "project")
    for each in (project, reproduced):
        edit_params(each, lambda params: params.update(one_cell))
    try:
        reproduced.dvc("repro")
        kill_once(project, "tuning/emoji-pfml.jsonl")
        assert not list((project.path / "tuned").glob("*/*"))
        assert "emoji pfml: resuming, 1 of 2 trials are done" in kill_once(project, "emoji-pfml-0.2/run-0.json")
        assert not (project.path / "runs/emoji-pfml-0.2/records.jsonl").exists()
        # On a busy machine the second run may end before the kill, too.
        done = len(list((project.path / "partial/emoji-pfml-0.2").glob("run-*.json")))
        assert f"emoji-pfml-0.2: resuming, runs {list(range(done))} are done" in project.dvc("repro").stdout
        for name in ("tuned/emoji-pfml/plan.json", "runs/emoji-pfml-0.2/records.jsonl"):
            assert (project.path / name).read_bytes() == (reproduced.path / name).read_bytes()
        assert project.results() == reproduced.results()
    finally:
        shutil.copy(SMOKE, reproduced.path / "params.yaml")


def kill_once(project, name):
    """Repro with one worker, kill the whole process group once ``partial/NAME`` is there; gives what it printed."""
    log = project.path / "killed.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=project.path,
            env=project.environment | {"SUITE_WORKERS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for((project.path / "partial" / name).is_file)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return log.read_text()


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("nothing happened in time")


def test_studies_are_asked_for_by_name_and_adopted(reproduced):
    """The published track, ablations and geometry; what is adopted reaches leaderboard and claims and runs nothing else."""
    reproduced.dvc("repro")  # what other tests changed is back
    before = (reproduced.path / "results/leaderboard.csv").read_bytes()
    try:
        ran = stages_run(reproduced.dvc("repro", "pipelines/studies/dvc.yaml").stdout)
        assert ran == {f"pipelines/studies/dvc.yaml:{name}" for name in STUDIES}
        assert (reproduced.path / "results/leaderboard.csv").read_bytes() == before
        rows = json_rows(reproduced.path / "as_published/emoji-pfml.jsonl")
        assert [(row["track"], row["origin"], row["noise_level"]) for row in rows] == [
            ("published", "published", 0.0),
            ("published", "published", 0.2),
        ]
        assert rows[0]["hyperparameters"] == {"alpha": 3.0, "delta": 0.2, "proxies_per_class": 2}
        assert (rows[0]["recipe"]["learning_rate"], rows[0]["recipe"]["proxy_learning_rate"]) == (5e-4, 5e-2)
        printed = reproduced.run("suite", "adopt").stdout
        assert printed.count("wrote studies/") == len(STUDIES)
        # The recipe that the pipeline found is adopted as well: its plan is made anew and comes out the same.
        assert stages_run(reproduced.dvc("repro").stdout) == {
            "plan",
            f"{TUNE}@emoji-pfml",
            "leaderboard",
            "claims",
            "site",
        }
        with (reproduced.path / "results/leaderboard.csv").open() as file:
            board = list(csv.DictReader(file))
        published = [(row["loss"], row["noise_level"]) for row in board if row["track"] == "published"]
        assert {("pfml", "0.0"), ("pfml", "0.2")} <= set(published)
    finally:
        forget_studies(reproduced.path)
        for folder in STUDY_FOLDERS:
            shutil.rmtree(reproduced.path / folder, ignore_errors=True)
        (reproduced.path / "recipes/tuned/emoji/pfml.yaml").unlink(missing_ok=True)


def test_a_search_is_asked_for_by_name_and_adopted(reproduced):
    stage = "pipelines/tuning/dvc.yaml:search@emoji-triplet"
    recipe = reproduced.path / "recipes/tuned/emoji/triplet.yaml"
    other = recipe.with_name("pfml.yaml")  # that of the search within the pipeline is adopted as well
    before = recipe.read_bytes()
    try:
        assert stage in stages_run(reproduced.dvc("repro", stage).stdout)
        assert recipe.read_bytes() == before
        printed = reproduced.run("suite", "adopt").stdout
        assert "wrote recipes/tuned/emoji/triplet.yaml" in printed
        assert recipe.read_bytes() == (reproduced.path / "searches/emoji-triplet.yaml").read_bytes()
        status = reproduced.dvc("status", "plan").stdout
        assert "suite/recipes" in status
    finally:
        recipe.write_bytes(before)
        other.unlink(missing_ok=True)
