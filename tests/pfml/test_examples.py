"""The examples of docs/examples run, and the loss falls in each."""

import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path) -> None:
    if example.stem == "two_processes" and not torch.distributed.is_gloo_available():
        pytest.skip("torch was built without gloo")
    done = subprocess.run(
        [sys.executable, str(example)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    values = literal_eval(done.stdout.splitlines()[-1])
    part = len(values) // 4
    assert sum(values[-part:]) < 0.8 * sum(values[:part])
