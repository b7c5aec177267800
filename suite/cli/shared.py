"""What the commands share: consoles and arguments."""

from typing import Annotated

import typer
from rich.console import Console

console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)

Dataset = Annotated[str, typer.Argument(help="Name of a data set, e.g. emoji.")]
Loss = Annotated[str, typer.Argument(help="Name of a loss in params.yaml.")]
Published = Annotated[
    bool, typer.Option("--published", help="Of the published data sets, by pipelines/published/params.yaml.")
]
