"""Small grids: their plans, what they leave on a cluster and on this machine."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import yaml

from suite.settings.paths import RUN_CACHE_FOLDER, RUNS_FOLDER
from suite.settings.plans import plan_path, runs_of, tuned_plan_path
from suite.training.cache import clear
from suite.training.stage import train
from tests.helpers.dask_cluster import wait_for
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import CONTRASTIVE, frozen_plan, own_loss, silent, write_plan
from tests.suite.training.planning import RECIPE, SMALL

LEVELS = (0.0, 0.4)
OUTPUTS = ("records.jsonl", "curves.jsonl", "embeddings-0.safetensors", "embeddings-0.4.safetensors")


def planned(loss="contrastive", target=CONTRASTIVE):
    """Three seeds at two noise levels, planned and complete."""
    return write(replace(frozen_plan(loss, target, seeds=3), noise_levels=LEVELS))


def users(body, name="own", **changes):
    """The same of a user's loss."""
    return write(replace(frozen_plan(name, own_loss(body, name), seeds=3), **{"noise_levels": LEVELS} | changes))


def write(plan, search=None):
    path = plan_path("tuned", plan.dataset, plan.loss)
    write_plan(path, plan, search)
    if search is None:
        write_plan(tuned_plan_path(plan.dataset, plan.loss), plan)
    losses = {file.stem.partition("-")[2]: {"target": "made:Up"} for file in path.parent.glob("*.json")}
    settings = SMALL | {"datasets": {"emoji": {}}, "losses": losses, "recipe": RECIPE}
    settings |= {"noise": {"levels": [0]}, "tuning": {"trials": 2, "folds": 2}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    return plan


def grid(cluster, *, patience=60.0, **selection):
    """Run a grid in this process; gives what it printed, and the runs that raised."""
    from suite.training.cluster.connection import Where
    from suite.training.cluster.grid import run_grid
    from suite.training.cluster.selection import Selection

    console = silent()
    where = Where(address=cluster.address, patience=patience)
    failures = run_grid(Selection(**selection), where, console)
    return SimpleNamespace(printed=console.file.getvalue(), failures=failures)


def local(plan):
    """What a stage on this machine leaves; nothing of it stays in the cache."""
    clear(plan.dataset, plan.loss)
    train(plan.dataset, plan.loss, silent())
    found = outputs(plan)
    clear(plan.dataset, plan.loss)
    shutil.rmtree(RUNS_FOLDER)
    return found


def from_cache(plan):
    """What the stage leaves that finds all runs in the cache."""
    console = silent()
    train(plan.dataset, plan.loss, console)
    assert f"{len(runs_of(plan))} of {len(runs_of(plan))} runs are in the run cache" in console.file.getvalue()
    return outputs(plan)


def outputs(plan):
    folder = RUNS_FOLDER / f"{plan.dataset}-{plan.loss}"
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def cached(loss):
    return sorted((RUN_CACHE_FOLDER / f"emoji-{loss}").glob("*.json"))


def start_driver(dask, log, *options):
    code = "from suite.cli.main import main; main()"
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", code, "grid", "--address", dask.address, *options],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )


def wait_for_workers(cluster, count=1):
    from suite.training.cluster.connection import Where, connected

    with connected(Where(address=cluster.address)) as client:
        wait_for(lambda: len(client.scheduler_info()["workers"]) >= count)
