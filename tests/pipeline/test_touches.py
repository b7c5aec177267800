"""How many files a change touches: a loss, a data set, a claim, a metric and a noise kind, each made in a clone."""

import csv
import json

import pytest

from suite.hashing import sha256_file
from tests.helpers.synthetic import write_images
from tests.pipeline.conftest import clone
from tests.pipeline.test_smoke import edit_params

LOSS = '''
import torch
from torch import nn


class Spread(nn.Module):
    """Squared distance to images of the class, less that to others."""

    def forward(self, embeddings, labels):
        same = (labels[:, None] == labels).float()
        return ((1 - embeddings @ embeddings.T) * (2 * same - 1)).mean()
'''
CLAIM = """
id: above-triplet-in-everything
kind: superiority
statement: PFML finds more than the triplet loss.
source: {section: "results", table: "retrieval"}
estimand: first_two
contrast: {subject: pfml, reference: triplet}
datasets: [shapes]
noise: {kind: first_class, level: 0}
track: tuned
direction: higher
reported: {cub: 1.0}
smallest_effect: {value: 0.5, because: "An example."}
test: paired_t
family: above-baselines-noise-0
minimum_seeds: 5
"""
BUILDER = '''"""The data set shapes."""


def build() -> None:
    """Build it."""
'''


def write_loss(project):
    (project.path / "my_losses/spread.py").write_text(LOSS)


def write_claim(project):
    (project.path / "claims/above-triplet-in-everything.yaml").write_text(CLAIM)


def write_metric(project):
    insert(
        project,
        "suite/evaluation/retrieval.py",
        before="METRICS = {\n",
        text="def _first_two(hits: Hits, _: Relevant) -> float:\n    return float(hits[:, :2].all(axis=1).sum())\n\n\n",
        after='    "first_two": Metric("Both of 2", _first_two, 2),\n',
    )


def write_noise_kind(project):
    insert(
        project,
        "suite/data/noise.py",
        before="KINDS: dict[str,",
        text=(
            "def _first_class(\n"
            "    labels: Labels, num_classes: int, level: float, rng: np.random.Generator, _: Vectors | None\n"
            ") -> Labels:\n"
            "    given = labels.copy()\n"
            "    given[rng.permutation(len(labels))[: round(level * len(labels))]] = 0\n"
            "    return given\n\n\n"
        ),
        after='    "first_class": _first_class,\n',
    )


def write_dataset(project):
    path = project.path / "data/shapes.parquet"
    write_images(path, classes=60, images=6)
    (project.path / "suite/data/builders/shapes.py").write_text(BUILDER)
    insert(
        project,
        "suite/data/catalog.py",
        before="EMBEDDED = {\n",
        after=f'    "shapes": EmbeddedDataset("{sha256_file(path)}", "a class is a colour"),\n',
    )


def insert(project, name, before, text="", after=""):
    """Put ``text`` before the line that begins so, and ``after`` behind that line."""
    path = project.path / name
    lines = path.read_text().splitlines(keepends=True)
    [number] = [number for number, line in enumerate(lines) if line.startswith(before.rstrip("\n"))]
    path.write_text("".join([*lines[:number], text, lines[number], after, *lines[number + 1 :]]))


TOUCHES = {
    write_loss: {"my_losses/spread.py"},
    write_dataset: {"suite/data/catalog.py", "suite/data/builders/shapes.py"},
    write_claim: {"claims/above-triplet-in-everything.yaml"},
    write_metric: {"suite/evaluation/retrieval.py"},
    write_noise_kind: {"suite/data/noise.py"},
}


def settings_that_use_all(params):
    params["datasets"] = {"shapes": {}}
    params["ablation"] = {"shapes": params["ablation"]["emoji"]}
    params["losses"]["spread"] = {"target": "my_losses/spread.py:Spread"}
    params["noise"] = {"kind": "first_class", "levels": [0, 0.2]}


def tracked_changes(project):
    """Files that git would commit, the data file aside, whose store is DVC's."""
    lines = project.run("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
    return {line[3:] for line in lines if line[:2] != " D"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone with all five changes and settings that use them; board and claims are made."""
    made = clone(tmp_path_factory.mktemp("touches") / "project")
    for write, files in TOUCHES.items():
        before = tracked_changes(made)
        write(made)
        assert tracked_changes(made) - before == files, write.__name__
    edit_params(made, settings_that_use_all)
    made.dvc("repro", "leaderboard", "claims")
    return made


def test_all_five_work_together(project):
    results = project.path / "results"
    with (results / "leaderboard.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["track"] == "tuned"]
    assert {(row["dataset"], row["loss"]) for row in rows} == {
        ("shapes", loss) for loss in ("pfml", "triplet", "spread", "frozen backbone")
    }
    assert {(row["noise_kind"], row["noise_level"]) for row in rows} == {("first_class", "0.0"), ("first_class", "0.2")}
    with (results / "records.csv").open() as file:
        measured = [float(row["first_two"]) for row in csv.DictReader(file)]
    assert len(measured) >= 6
    assert all(0 <= value <= 1 for value in measured)
    claims = json.loads((results / "claims.json").read_text())["claims"]
    assert "above-triplet-in-everything" in {claim["id"] for claim in claims}
    assert "shapes" in project.run("suite", "datasets").stdout
