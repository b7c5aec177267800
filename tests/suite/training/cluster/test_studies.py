"""Studies on a cluster: their commands then find all trials and runs done, and write what they write without it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.settings.paths import RUN_CACHE_FOLDER, STUDY_OUTPUTS
from suite.settings.plans import Search, plan_path, read_plan_file, tuned_plan_path, write_plan_file
from suite.training.studies.selection import STUDIES
from tests.helpers.synthetic import tuned, write_complete
from tests.suite.training.cluster.grids import grid
from tests.suite.training.planning import RECIPE, SMALL

pytestmark = pytest.mark.usefixtures("one_worker")
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "min_distance_ratio": {"low": 0.05, "high": 0.5}}
SETTINGS = {
    "datasets": {"emoji": {}},
    "losses": {"pfml": {}},
    "noise": {"levels": [0, 0.4]},
    "recipe": RECIPE,
    "tuning": {"trials": 1, "folds": 2},
    "paper_values": {"pfml": {}},
    "ablation": {"emoji": {"alpha": [0], "delta": [0.4]}},
    "crossed": {"values": {"alpha": [0, 2]}, "searched": ["learning_rate"], "trials": 1, "folds": 2},
    "splits": {"losses": {"pfml": {}}, "count": 1, "trials": 1, "folds": 2},
    "fresh_seeds": {"losses": {"pfml": {}}, "count": 2},
    "extended": {"losses": {"pfml": {}}, "noise_kinds": ["small_cluster"]},
    "geometry": {"losses": {"pfml": {}}, "proxies_per_class": 2, "deltas": [0.4], "trials": 1, "folds": 2},
}
COMMANDS = [
    ("paper-values", "emoji", "pfml"),
    ("ablation", "emoji", "alpha"),
    ("ablation", "emoji", "delta"),
    ("crossed", "emoji", "alpha"),
    ("splits", "emoji", "pfml"),
    ("fresh-seeds", "emoji", "pfml"),
    ("extended", "emoji", "pfml"),
    ("geometry", "emoji", "pfml"),
]
RUNS = {"paper-values": 4, "ablation": 4, "crossed": 8, "splits": 4, "fresh-seeds": 4, "extended": 2, "geometry": 2}


@pytest.fixture
def planned(workplace):
    """pfml with two searches of one seed each, and settings that name it in every study."""
    plan = replace(tuned("pfml", alpha=1, delta=0.8, proxies_per_class=1), searches=2, noise_levels=(0.0, 0.4))
    write_complete(*(replace(plan, search=number) for number in (0, 1)))
    plans = read_plan_file(tuned_plan_path("emoji", "pfml"))
    write_plan_file(plan_path("searches", "emoji", "pfml"), [(plans[0][0], Search(SPACE, {}, 9, 2))])
    at_paper_values = replace(plan, track="paper_values", hyperparameter_source="paper", searches=1)
    write_plan_file(plan_path("paper_values", "emoji", "pfml"), [(at_paper_values, None)])
    write_plan_file(plan_path("extended", "emoji", "pfml"), plans)
    Path("params.yaml").write_text(yaml.safe_dump(SMALL | SETTINGS))


def outputs(command):
    """What the commands of the studies write and print."""
    printed = ""
    for words in COMMANDS:
        done = command(*words)
        assert done.status == 0, done.err
        printed += done.out
    return {path.as_posix(): path.read_bytes() for path in STUDY_OUTPUTS.rglob("*.jsonl")}, printed


def test_every_study_finds_its_trials_and_runs_done(dask, planned, command):
    expected, _ = outputs(command)
    assert len(expected) == len(COMMANDS)
    for folder in (RUN_CACHE_FOLDER, STUDY_OUTPUTS):
        shutil.rmtree(folder)
    done = grid(dask, studies=tuple(STUDIES))
    assert done.failures == []
    assert f"grid: {sum(RUNS.values())} runs: 0 from the run cache, {sum(RUNS.values())} computed" in done.printed
    assert not STUDY_OUTPUTS.exists()
    found, printed = outputs(command)
    assert found == expected
    assert "trial 0: " not in printed
    assert printed.count("resuming, 1 of 1 trials are done") == 7
    for study, count in RUNS.items():
        parts = [line for line in printed.splitlines() if line.startswith(study) and "are in the run cache" in line]
        counts = [line.split(": ")[1].split(" runs")[0].split(" of ") for line in parts]
        assert sum(int(cached) for cached, _ in counts) == sum(int(total) for _, total in counts) == count, parts


def test_studies_can_be_cut_down(dask, planned):
    printed = grid(dask, studies=("fresh-seeds",), datasets=("emoji",), losses=("pfml",)).printed
    assert "grid: 4 runs: 0 from the run cache, 4 computed" in printed
    assert "fresh-seeds-emoji-pfml noise 0.4 seed 3: R@1" in printed
