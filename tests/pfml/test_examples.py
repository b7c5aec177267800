"""The examples of docs/examples run, and the loss falls in each; that of the README runs."""

import os
import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path) -> None:
    if example.stem == "lightning_module":
        pytest.importorskip("lightning")
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


def test_the_loop_of_the_readme() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["value"].isfinite()
    assert {group["lr"] for group in names["optimizer"].param_groups} == {5e-4, 5e-2}
    assert all(weight.grad is not None for weight in [*names["network"].parameters(), *names["loss"].parameters()])
