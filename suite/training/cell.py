"""One stage of the grid: all seeds of a (data set, loss, noise level), resumable seed by seed.

Each finished seed is kept in ``partial/`` under a key that covers everything it depends on: plan, features, noise, code and
versions. A stage that was killed takes up the seeds whose key still fits; one that ends deletes them, so that a later,
deliberate rerun computes afresh. The outputs are written at the end, in the order of seeds, and so have the same bytes
however often the stage was interrupted and whatever the number of processes.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from suite.config.grid import RECORDS_FOLDER, Cell
from suite.config.plan import CellPlan, cell_plan_path
from suite.errors import SuiteError
from suite.features.store import Features, features_path, load_features
from suite.files import write_json, write_lines
from suite.hashing import sha256_file, sha256_source, sha256_value
from suite.losses.registry import load_target, preload
from suite.parallel import in_parallel, report
from suite.progress import progress_bar
from suite.timing import StageClock
from suite.training.run import Outcome, Run, run_seed, versions

PARTIAL_FOLDER = Path("partial")
CURVES_FOLDER = Path("curves")
_CODE = Path(__file__).parents[1]


def load_plan(dataset: str, loss: str) -> CellPlan:
    """Read a cell's plan.

    Raises:
        SuiteError: there is none.
    """
    path = cell_plan_path(dataset, loss)
    if not path.is_file():
        raise SuiteError(
            f"no plan for loss {loss!r} on data set {dataset!r} ({path}): name both in params.yaml, then: suite plan"
        )
    return CellPlan.from_dict(json.loads(path.read_text()))


def run_cell(cell: Cell, noise_kind: str, seeds: int, console: Console) -> None:
    """Run or resume all seeds of a cell and write its records, curves and times."""
    clock = StageClock()
    plan = load_plan(cell.dataset, cell.loss)
    path = features_path(cell.dataset)
    features = load_features(path)
    entry = load_target(plan.loss, plan.target)
    if entry.source_sha256 != plan.source_sha256:
        raise SuiteError(
            f"loss {plan.loss}: its code ({plan.target}) has changed since the plan was made; run: suite plan"
        )
    preload(entry, plan.hyperparameters)
    runs = [Run(plan, noise_kind, cell.noise_level, seed) for seed in range(seeds)]
    keys = _keys(runs, path)
    folder = PARTIAL_FOLDER / cell.name
    outcomes = {
        run.seed: found for run, key in zip(runs, keys, strict=True) if (found := _resume(folder, run.seed, key))
    }
    if outcomes:
        console.print(f"{cell.name}: resuming, seeds {sorted(outcomes)} are done")
    waiting = [run for run in runs if run.seed not in outcomes]
    with progress_bar(console, "epochs") as progress:
        bars = {
            run.seed: progress.add_task(f"{cell.name} seed {run.seed}", total=plan.recipe.epochs) for run in waiting
        }

        def on_message(message: tuple[int, int]) -> None:
            progress.update(bars[message[0]], completed=message[1], refresh=True)

        for run, outcome in in_parallel(_run, features, waiting, on_message):
            outcomes[run.seed] = outcome
            write_json(folder / f"seed-{run.seed}.json", {"key": keys[run.seed]} | asdict(outcome))
            console.print(f"{cell.name} seed {run.seed}: {_summary(outcome)}")
    _write_outputs(cell, [outcomes[seed] for seed in range(seeds)])
    clock.write(cell.name, {str(seed): outcomes[seed].seconds for seed in range(seeds)})
    shutil.rmtree(folder, ignore_errors=True)


def _run(features: Features, run: Run) -> Outcome:
    return run_seed(run, features, report)


def _keys(runs: list[Run], features: Path) -> list[str]:
    shared = [sha256_file(features), sha256_source(_CODE), versions()]
    return [sha256_value([*shared, run.plan.as_dict(), run.noise_kind, run.noise_level, run.seed]) for run in runs]


def _resume(folder: Path, seed: int, key: str) -> Outcome | None:
    path = folder / f"seed-{seed}.json"
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text())
    except json.JSONDecodeError:
        return None
    return Outcome(kept["record"], kept["curve"], kept["seconds"]) if kept["key"] == key else None


def _write_outputs(cell: Cell, outcomes: list[Outcome]) -> None:
    curves = [{"seed": o.record["seed"], "epoch": e, "loss": v} for o in outcomes for e, v in enumerate(o.curve, 1)]
    write_lines(CURVES_FOLDER / f"{cell.name}.jsonl", curves)
    write_lines(RECORDS_FOLDER / f"{cell.name}.jsonl", [outcome.record for outcome in outcomes])


def _summary(outcome: Outcome) -> str:
    record = outcome.record
    result = (
        f"failed, {record['failure']}" if record["failure"] else f"R@1 {100 * record['metrics']['recall_at_1']:.1f} %"
    )
    return f"{result} in {outcome.seconds:.1f} s"
