"""Runs on a published list of wrong labels: what trains, what goes on record, and what a changed list makes stale."""

import csv
import hashlib
import json
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from suite.data.archives.cache import open_cache
from suite.data.noise_lists import list_path
from suite.evaluation.records import read_records
from suite.judging.claims.measured import Measured
from tests.helpers.synthetic import json_rows, own_loss
from tests.suite.training.whole_network import tiny

RECORDS = Path("benchmarks/runs/cub-mine/records.jsonl")
FILE = Path("CUB_0.2noised_train.csv")
KIND = "prism_symmetric"
WRONG = {(1, 0): 3, (1, 4): 2, (2, 3): 4, (3, 5): 1}
"""Class by (class from 1, number from 0); a fifth label, of image (4, 2), names no class."""


def write_list(wrong):
    given = {(c, k): wrong.get((c, k), c) for c in range(1, tiny.TRAINING + 1) for k in range(tiny.EACH)}
    lines = [
        f"/data/CUB_200_2011/images/{c:03d}.Bird_{c}/Bird_{c}_{k:04d}.jpg,{label}" for (c, k), label in given.items()
    ]
    FILE.write_text("\n".join(lines))


def labels_of(wrong):
    """Labels from 0 in the order of the rows, by the names in the index."""
    cache = open_cache("cub")
    rows = zip(cache.table["name"].to_pylist(), cache.column("label"), cache.column("training"), strict=True)
    names = {f"Bird_{c}_{k:04d}.jpg": label for (c, k), label in wrong.items()}
    return np.array([names.get(name.split("/")[-1], true + 1) - 1 for name, true, training in rows if training])


def sha256(labels):
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


@pytest.fixture
def add_list(command, cub):
    """Write a list and add it."""

    def run(wrong, *options):
        write_list(wrong)
        done = command("data", "add-noise", "cub", str(FILE), *options)
        assert done.status == 0, done.err
        return labels_of({key: label for key, label in wrong.items() if label <= tiny.TRAINING})

    return run


@pytest.fixture
def row(cub):
    """A row that writes down the labels that it is given, every image once an epoch."""
    tiny.recipe_file(
        Path("r.yaml"), batches__sampler="random", batches__samples_per_class=None, schedule__length=1, batches__size=8
    )
    seen = 'import json, pathlib\nwith pathlib.Path("seen.txt").open("a") as seen:\n'
    loss = own_loss(f"{seen}    seen.write(json.dumps(labels.tolist()) + chr(10))\nreturn value")
    return {"mine": {"recipe": "r.yaml", "target": loss}}


def train(command, status=0):
    Path("seen.txt").unlink(missing_ok=True)
    done = command("train-network", "cub", "mine", "--accelerator", "cpu", "--readers", "0")
    assert done.status == status, done.err
    return done


def test_runs_learn_from_the_list_whatever_their_seed(add_list, row, command):
    given = add_list(WRONG | {(4, 2): 9}, "--repair")
    tiny.benchmarks(row, levels=[0, 0.2], seeds=2, kind=KIND)
    assert command("plan", "--benchmarks").status == 0
    train(command)
    true, batches = labels_of({}), [json.loads(line) for line in Path("seen.txt").read_text().splitlines()]
    epochs = [Counter(chain(*batches[start : start + 3])) for start in range(0, 12, 3)]
    assert epochs == [Counter(labels.tolist()) for labels in (true, true, given, given)]
    records = read_records([RECORDS])
    assert [(record.noise_kind, record.noise_level, record.seed) for record in records] == [
        (KIND, level, seed) for level in (0, 0.2) for seed in (0, 1)
    ]
    assert [record.noise_sha256 for record in records] == [sha256(true)] * 2 + [sha256(given)] * 2
    assert [record.noise_realised for record in records] == [0, 0, 4 / 24, 4 / 24]
    source = hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert [record.noise_list and record.noise_list.model_dump() for record in records] == [None, None] + 2 * [
        {"source": FILE.name, "source_sha256": source, "kept_true": 1, "undecided": 0, "swappable": 0}
    ]
    # Runs without noise belong to every kind; those of a list to none of the drawn ones.
    kinds = {(place.noise_kind, place.noise_level) for place in Measured.of(records).runs}
    assert kinds == {("none", 0), (KIND, 0.2)}
    assert command("leaderboard", "--benchmarks").status == 0
    with Path("results/benchmarks/leaderboard.csv").open() as file:
        board = {(entry["loss"], entry["noise_kind"], entry["noise_level"]) for entry in csv.DictReader(file)}
    assert {("mine", KIND, "0.0"), ("mine", KIND, "0.2")} <= board


def test_another_list_makes_its_runs_stale_and_no_others(add_list, row, command):
    add_list(WRONG)
    tiny.benchmarks(row, levels=[0, 0.2], kind=KIND)
    assert command("plan", "--benchmarks").status == 0
    plan = Path("benchmarks/plans/cub-mine.json")
    first = plan.read_bytes()
    train(command)
    assert "2 of 2 runs are in the run cache" in train(command).out
    given = add_list(WRONG | {(4, 2): 1})
    done = train(command, status=2)
    assert done.err.count("\n") == 1
    path = list_path("cub", KIND, 0.2)
    assert f"list {path} is another one than was planned with; run: suite plan --benchmarks" in done.err
    assert command("plan", "--benchmarks").status == 0
    assert plan.read_bytes() != first
    assert "1 of 2 runs are in the run cache" in train(command).out
    assert [each["noise_sha256"] for each in json_rows(RECORDS)][1] == sha256(given)
    # Drawn noise has no list, and its plan none of its traces.
    tiny.benchmarks(row, levels=[0, 0.2])
    assert command("plan", "--benchmarks").status == 0
    assert json.loads(plan.read_text())["noise_lists"] == {}


def test_a_list_that_is_missing_damaged_or_of_other_images(add_list, row, command, workplace):
    add_list(WRONG)
    path = list_path("cub", KIND, 0.2)
    tiny.benchmarks(row, levels=[0, 0.2, 0.5], kind=KIND)

    def refused(arguments=("plan", "--benchmarks")):
        done = command(*arguments)
        assert (done.status, done.err.count("\n")) == (2, 1)
        return done.err

    message = refused()
    assert (
        "pipelines/benchmarks/params.yaml: noise.kind = 'prism_symmetric': there is no list of cub at level 0.5"
        in message
    )
    assert "allowed levels: 0, 0.2; add a list with: suite data add-noise cub FILE" in message
    tiny.benchmarks(row, levels=[0.2], kind=KIND)
    whole = path.read_text()
    path.write_text(whole.replace('"labels":[', '"labels":[3,', 1))
    assert f"list {path} is damaged: labels are not those of labels_sha256" in refused()
    path.write_text(whole.replace('"labels":[', f'"labels":[{10**30},', 1))
    assert f"list {path} is damaged: labels.0 = {10**30} cannot be; delete it and add it again with: " in refused()
    path.write_text(whole.replace('"level":0.2', '"level":"x"'))
    assert f"list {path} is damaged: level = 'x' cannot be; delete it and add it again with: " in refused()
    path.write_text(whole.replace('"level":0.2', '"level":0.25'))
    assert f"list {path} is of cub, prism_symmetric at 0.25; delete it" in refused()
    path.write_text(whole)
    assert command("plan", "--benchmarks").status == 0
    tiny.data(
        workplace,
        pictures={key: tiny.factory.photo(7 + number) for number, key in enumerate(tiny.factory.images(8, 6))},
    )
    done = train(command, status=2)
    assert f"list {path} is of other images than the image cache of cub; add it again with: " in done.err


def test_kinds_that_are_refused(row, command):
    for kind, why in (("shuffled", " is no noise kind"), ("asymmetric", ": benchmarks have no frozen features")):
        tiny.benchmarks(row, kind=kind)
        message = command("plan", "--benchmarks").err
        assert (
            f"noise.kind = {kind!r}{why}; allowed: small_cluster, symmetric, prism_symmetric, prism_small_cl" in message
        )
