"""docs/cluster.md: each of its commands is run, sbatch by the scripts that it submits; ssh, srun and dvc are stand-ins.

Those of its fenced block need GPUs and are not run.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from suite.data.features import save_features
from suite.settings.plans import Search, plan_path, tuned_plan_path
from tests.helpers.dask_cluster import wait_for
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import CONTRASTIVE, features_path, frozen_plan, make_features, write_plan
from tests.suite.training.planning import RECIPE, SMALL

pytest.importorskip("distributed")

PAGE = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for line in PAGE.splitlines()
    if re.match(r"    (suite|dask|ssh|dvc|pip|sbatch) ", line)
]
STUBS = {
    "ssh": 'shift\nexec "$@"\n',
    "srun": 'for task in 1 2; do "$@" & done\nwait\n',
    "dvc": 'echo "dvc $*" >> dvc.txt\n',
    "suite": f'exec {sys.executable} -c "from suite.cli.main import main; main()" "$@"\n',
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project, and an environment with stand-ins."""
    monkeypatch.chdir(tmp_path)
    for loss in ("pfml", "triplet"):
        plan = frozen_plan(loss, CONTRASTIVE, seeds=2)
        write_plan(plan_path("tuned", "emoji", loss), plan)
        write_plan(tuned_plan_path("emoji", loss), plan)
        write_plan(
            plan_path("searches", "emoji", loss), plan, Search({"pos_margin": {"low": 0.0, "high": 0.5}}, {}, 9, 2)
        )
    save_features(features_path(), make_features())
    settings = SMALL | {"datasets": {"emoji": {}}, "noise": {"levels": [0]}, "recipe": RECIPE}
    settings |= {"tuning": {"trials": 2, "folds": 2}, "fresh_seeds": {"losses": {"triplet": {}}, "count": 2}}
    settings |= {"splits": {"losses": {"pfml": {}}, "count": 1, "trials": 1}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in STUBS.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}")
        (folder / name).chmod(0o755)
    path = os.pathsep.join((str(folder), str(Path(sys.executable).parent), os.environ["PATH"]))
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}


def cached():
    return len(list(Path("run_cache").glob("*/*.json")))


def run(line, environment):
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_command_of_the_page_is_left_out():
    kinds = {" ".join(line.split()[:2]) for line in COMMANDS}
    assert kinds == {
        "pip install",
        "dvc repro",
        "suite grid",
        "dask scheduler",
        "ssh node2",
        *(line for line in kinds if line.startswith("sbatch --ntasks")),
    }
    assert [line for line in COMMANDS if line.startswith("pip")] == ["pip install -e '.[cluster]'"]
    assert "cluster = [" in (ROOT / "pyproject.toml").read_text()


def test_the_commands_for_one_machine(project):
    lines = [line for line in COMMANDS if line.startswith("dvc") or "--local" in line]
    assert len(lines) == 9
    other = [line for line in lines if "--regime" in line or "--study" in line]
    printed = [run(line, project) for line in lines if line not in other]
    assert "grid: 4 runs: 0 from the run cache, 4 computed" in printed[1]
    assert "grid: 4 runs: 4 from the run cache, 0 computed" in printed[3]
    assert Path("dvc.txt").read_text().splitlines() == [
        "dvc repro features",
        "dvc repro",
        "dvc repro pipelines/finetuned/dvc.yaml:views",
        "dvc repro pipelines/finetuned/dvc.yaml",
        "dvc repro pipelines/studies/dvc.yaml",
    ]
    assert cached() == 4
    finetuned, studies = other
    assert finetuned == "suite grid --local 2 --regime finetuned"  # tests/suite/training/cluster/test_finetuned.py
    assert "grid: 4 runs: 0 from the run cache, 4 computed" in run(studies, project)


def start(line, environment):
    quiet = subprocess.DEVNULL
    return subprocess.Popen(["bash", "-c", line], env=environment, stdout=quiet, stderr=quiet, start_new_session=True)


def free_port():
    with socket.socket() as found:
        found.bind(("", 0))
        return str(found.getsockname()[1])


def test_the_commands_for_machines_that_ssh_reaches(project):
    port = free_port()
    lines = [line for line in COMMANDS if line.startswith(("dask", "ssh")) or "--address" in line]
    assert len(lines) == 3
    *background, last = [line.replace("8786", port).replace("node1", "127.0.0.1") for line in lines]
    processes = []
    try:
        for line in background:
            processes.append(start(line, project))
            time.sleep(2.0)
        assert "4 computed, 0 failed" in run(last, project)
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("name", ["grid-cpu", "grid-gpu"])
def test_the_templates_of_sbatch(project, name):
    script = ROOT / f"docs/examples/{name}.sbatch"
    assert f"docs/examples/{name}.sbatch" in PAGE
    text = script.read_text()
    if name == "grid-gpu":  # its driver needs an image cache: here it runs embedded data on the same workers
        assert "suite grid --regime published --scheduler-file" in text
        text = text.replace("--regime published", "")
    Path("job.sh").write_text(text)
    process = subprocess.Popen(
        ["bash", "job.sh"], env=project, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert "4 computed, 0 failed" in process.communicate(timeout=150)[0]
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: not list(Path().glob("scheduler-*.json")))
