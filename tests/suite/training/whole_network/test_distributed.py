"""Two processes over gloo take the steps that one process takes, through the real command.

The installed command starts the second process by itself; what needs one process runs in that of the test.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed

from suite.training.cache import clear
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import json_rows
from tests.suite.training.whole_network import tiny

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch was built without gloo")


def suite(*arguments):
    """Run the installed command, which starts the further processes by itself."""
    program = shutil.which("suite", path=str(Path(sys.executable).parent))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


TRAIN = ("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0", "--devices")


def found():
    """The losses of the epochs, and the record."""
    (record,) = json_rows(Path("benchmarks/runs/cub-pfml/records.jsonl"))
    return [row["loss"] for row in json_rows(Path("benchmarks/runs/cub-pfml/curves.jsonl"))], record


def test_losses_and_results_are_those_of_one_process(command, cub):
    """Proxies, warm-up (parts that get no gradient), clipping, and a batch that two processes cannot halve."""
    changes = {
        "schedule__warm_up_epochs": 1,
        "batches__size": 9,
        "batches__samples_per_class": 3,
        "optimiser__clip_gradient_value": 0.1,
        "optimiser__name": "adamw",
        "loss__hyperparameters": {"proxies_per_class": 2, "alpha": 2.0, "delta": 0.8, "scale": "dimensionless"},
    }
    tiny.recipe_file(cub / "r.yaml", **changes)
    tiny.benchmarks({"pfml": {"recipe": "r.yaml"}}, levels=[0.2])
    assert command("plan", "--benchmarks").status == 0
    done = command(*TRAIN, "1")
    assert done.status == 0, done.err
    assert "1 x cpu" in done.out
    alone, record = found()
    clear("cub", "pfml")
    done = suite(*TRAIN, "2")
    assert done.returncode == 0, done.stderr
    assert "2 x cpu" in done.stdout
    assert done.stdout.count("R@1") == 1
    together, other = found()
    assert len(alone) == 2
    assert together == pytest.approx(alone, rel=1e-5)
    assert other["metrics"] == pytest.approx(record["metrics"], abs=0.05)
    assert other["before_training"] == record["before_training"]


def test_batch_norm_that_learns_needs_gpus_or_one_process(command, cub):
    tiny.recipe_file(cub / "r.yaml", backbone__freeze_batch_norm="none")
    tiny.benchmarks({"pfml": {"recipe": "r.yaml"}})
    assert command("plan", "--benchmarks").status == 0
    done = suite(*TRAIN, "2")
    assert done.returncode != 0
    assert "backbone.freeze_batch_norm = 'none' over several processes needs GPUs; allowed: one process" in done.stderr
