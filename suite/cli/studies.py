"""Studies beside the grid: what the claims about PFML's values and its geometry are judged on."""

from typing import Annotated

import typer

from suite.cli.shared import Dataset, Loss, console
from suite.errors import SuiteError, allowed


def ablation(
    dataset: Dataset,
    axis: Annotated[str, typer.Argument(help="proxies_per_class, alpha, delta or reach.")],
) -> None:
    """Vary one value of pfml around its tuned ones and write a record for each value and seed."""
    from suite.settings.params import PARAMS_FILE, load_settings
    from suite.training.studies.ablation import run_ablation

    studied = load_settings().ablation
    if dataset not in studied:
        raise SuiteError(f"{PARAMS_FILE}: ablation has no data set {dataset!r}; allowed: {allowed(studied)}")
    console.print(f"wrote {run_ablation(dataset, axis, studied[dataset], console)}")


def geometry(dataset: Dataset, loss: Loss) -> None:
    """Train a loss with the number of proxies that all get, and measure where they lie among their class's embeddings."""
    from suite.settings.params import load_settings
    from suite.training.studies.geometry import run_geometry

    console.print(f"wrote {run_geometry(dataset, loss, load_settings().geometry.proxies_per_class, console)}")


def published(dataset: Dataset, loss: Loss) -> None:
    """Train and evaluate a loss at the values of its paper, at all noise levels and seeds."""
    from suite.settings.params import load_settings
    from suite.training.studies.paper_values import run_published

    console.print(f"wrote {run_published(dataset, loss, load_settings().noise.levels, console)}")


def adopt() -> None:
    """Take finished searches and studies into the files that git keeps, which a plain dvc repro uses."""
    from suite.training.studies.promote import adopt

    for path in adopt():
        console.print(f"wrote {path}")
