"""Extra memory of one forward and backward pass at the size of SOP, in multiples of the proxy matrix.

The peak of resident memory in a fresh process over two passes, less what was resident before them, as Linux tells it. The
gradient of the proxies, which every loss must leave behind, is one of the multiples.
"""

import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.benchmark

_PASS = """
import pathlib, re, sys
import torch
from torch.nn.functional import normalize

from baselines.proxy_anchor import ProxyAnchorLoss
from pfml import PotentialFieldLoss

torch.set_num_threads(1)
CLASSES, PROXIES, DIM = 11318, 2, 512


def build(name, classes):
    if name == "pfml":
        return PotentialFieldLoss(classes, DIM, PROXIES, alpha=4.0, delta=0.2)
    return ProxyAnchorLoss(classes, DIM)


def step(loss, classes):
    embeddings = normalize(torch.randn(120, DIM)).requires_grad_()
    labels = torch.randint(classes, (30,)).repeat_interleave(4)
    for _ in range(2):
        loss(embeddings, labels).backward()
        for parameter in loss.parameters():
            parameter.grad = None


def resident(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\\s+(\\d+) kB", status)[1]) * 1024


torch.manual_seed(0)
step(build(sys.argv[1], 50), 50)  # what is loaded on first use
loss = build(sys.argv[1], CLASSES)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of what came before
before = resident("VmRSS")
step(loss, CLASSES)
peak = resident("VmHWM")
matrix = sum(parameter.numel() * parameter.element_size() for parameter in loss.parameters())
print(f"{matrix / 2**20:.0f} MiB of proxies, {(peak - before) / 2**20:.0f} MiB extra: {(peak - before) / matrix:.2f} times")
"""


@pytest.mark.parametrize("name", ["pfml", "proxy_anchor"])
def test_memory_at_sop(name: str, capsys: Any) -> None:
    done = subprocess.run([sys.executable, "-c", _PASS, name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with capsys.disabled():
        print(f"\nmemory at sop, {name}: {done.stdout.strip()}")  # noqa: T201 - the result
