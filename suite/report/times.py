"""Writes ``results/times.csv``, apart from the leaderboard: it changes from run to run."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.files import ANEW, read_json, write_text
from suite.settings.benchmarks import BenchmarkSettings
from suite.settings.params import Settings
from suite.settings.paths import BENCHMARK_RESULTS, BENCHMARKS_FOLDER, FINETUNED_RESULTS, TIMES_FILE, TIMES_FOLDER
from suite.settings.plans import folder_of

_CENTURY = 100 * 365.25 * 86400
"""Seconds."""


def write_times(settings: Settings) -> None:
    """Collect wall-clock seconds in ``results/times.csv``: one row a stage that computes features or trains.

    ``seconds`` is the sum over the stage's runs, ``mean_seconds`` their mean. Runs of a stage may overlap in time. A run
    from the run cache counts with the seconds that it took when it was computed.

    Raises:
        SuiteError: a file of ``times/`` is missing.
    """
    stages = [(f"features-{dataset}", dataset, None) for dataset in settings.datasets]
    trained = [(f"{dataset}-{loss}", dataset, loss) for dataset in settings.datasets for loss in settings.losses]
    _write_times([*stages, *trained], TIMES_FOLDER, TIMES_FILE)


def _seconds(path: Path) -> list[float]:
    found = read_json(path)
    runs = found.get("runs") if isinstance(found, dict) else None
    if not isinstance(runs, dict) or not all(map(_is_time, runs.values())):
        raise SuiteError(f"times file {path} holds no seconds of runs, each from 0 to a century; {ANEW}")
    return list(runs.values())


def _is_time(value: object) -> bool:
    """Whether a value may be the seconds of a run."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _CENTURY


def write_finetuned_times(settings: Settings) -> None:
    """The same for runs in which the network learns, in ``results/finetuned/times.csv``; views in place of features."""
    stages = [(f"views-{dataset}", dataset, None) for dataset in settings.datasets]
    trained = [(f"{dataset}-{loss}", dataset, loss) for dataset in settings.datasets for loss in settings.losses]
    _write_times([*stages, *trained], folder_of("finetuned") / TIMES_FOLDER, FINETUNED_RESULTS / TIMES_FILE.name)


def write_benchmark_times(settings: BenchmarkSettings) -> None:
    """The same for CUB, Cars and SOP, in ``results/benchmarks/times.csv``."""
    stages = [(f"{dataset}-{row}", dataset, row) for dataset, row in settings.named_rows]
    _write_times(stages, BENCHMARKS_FOLDER / TIMES_FOLDER, BENCHMARK_RESULTS / TIMES_FILE.name)


def _write_times(stages: Sequence[tuple[str, str, str | None]], folder: Path, target: Path) -> None:
    rows = []
    for name, dataset, loss in stages:
        path = folder / f"{name}.json"
        if not path.is_file():
            raise SuiteError(f"times file {path} is missing; run: dvc repro")
        seconds = _seconds(path)
        total = round(sum(seconds), 3)
        mean = round(total / len(seconds), 3) if seconds else None
        rows.append(
            {
                "name": name,
                "dataset": dataset,
                "loss": loss,
                "runs": len(seconds),
                "seconds": total,
                "mean_seconds": mean,
            }
        )
    write_text(target, pd.DataFrame(rows).to_csv(index=False))
