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

from tests.pipeline.conftest import SMOKE, clone

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
    records = (reproduced.path / "records/emoji-pfml-0.2.jsonl").read_text().splitlines()
    record = json.loads(records[0])
    assert len(records) == 1
    assert record["noise_realised"] == round(0.2 * record_images(reproduced)) / record_images(reproduced)
    assert "pfml" in (reproduced.path / "results/leaderboard.md").read_text()
    assert b"<svg" in (reproduced.path / "results/noise.svg").read_bytes()


def record_images(project):
    """Training images of the cut data set, counted from the noise-free realisation of a corruption."""
    from suite.features.store import load_features

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
        own = {"train@emoji-compactness-0", "train@emoji-compactness-0.2"}
        around = {"plan", "leaderboard", "times"}
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
        assert not list((reproduced.path / "records").glob("*magic*"))
        assert (reproduced.path / "results/leaderboard.csv").read_bytes() == before[0]
    finally:
        edit_params(reproduced, lambda params: params["losses"].pop("magic"))


def test_a_killed_run_ends_in_the_same_bytes(reproduced, tmp_path):
    """Kill -9 the whole process group in the middle of a train stage, run again, compare with an undisturbed run."""
    one_cell = {"seeds": 2, "losses": {"pfml": {}}, "noise": {"kind": "symmetric", "levels": [0.2]}}
    project = clone(tmp_path / "project")
    for each in (project, reproduced):
        edit_params(each, lambda params: params.update(one_cell))
    try:
        reproduced.dvc("repro")
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=project.path,
            env=project.environment | {"SUITE_WORKERS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        finished = wait_for(lambda: next((project.path / "partial").glob("*/seed-0.json"), None))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert finished.parent.name == "emoji-pfml-0.2"
        assert "emoji-pfml-0.2: resuming, seeds [0] are done" in project.dvc("repro").stdout
        assert project.results() == reproduced.results()
    finally:
        shutil.copy(SMOKE, reproduced.path / "params.yaml")


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("nothing happened in time")
