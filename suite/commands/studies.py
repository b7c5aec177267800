"""Studies beside the grid: what the claims about PFML's values and its geometry are judged on."""

from typing import Annotated

import typer

from suite.commands.shared import Dataset, console


def ablation(
    dataset: Dataset,
    axis: Annotated[str, typer.Argument(help="proxies_per_class, alpha, delta or reach.")],
) -> None:
    """Vary one value of pfml around its tuned ones and write a record for each value and seed."""
    from suite.ablation.run import run_ablation
    from suite.config.settings import load_settings

    console.print(f"wrote {run_ablation(dataset, axis, load_settings().ablation.axes, console)}")


def geometry(dataset: Dataset) -> None:
    """Train losses with the same number of proxies and measure where these lie among the embeddings of their class."""
    from suite.config.settings import load_settings
    from suite.geometry.run import run_geometry

    console.print(f"wrote {run_geometry(dataset, load_settings().geometry, console)}")
