"""``suite compare A B``: two losses side by side, from the committed records."""

from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(help="Name of a loss on the leaderboard.")],
    second: Annotated[str, typer.Argument(help="Name of the loss it is compared with.")],
    dataset: Annotated[str | None, typer.Option(help="One data set; all if left out.")] = None,
    noise: Annotated[float | None, typer.Option(help="One noise level; all if left out.")] = None,
    track: Annotated[str, typer.Option(help="tuned or published.")] = "tuned",
    metric: Annotated[str, typer.Option(help="What to compare by, e.g. map_at_r.")] = "recall_at_1",
) -> None:
    """Paired difference of two losses for each data set and noise level: interval, p and one sentence."""
    from rich.console import Console

    from suite.evaluation.flat import read_flat
    from suite.leaderboard.contrast import as_text, contrast, select, sentence
    from suite.leaderboard.write import RECORDS_FILE

    losses = (first, second)
    chosen = select(read_flat(RECORDS_FILE), losses, dataset=dataset, noise=noise, track=track, metric=metric)
    found = contrast(chosen, losses, metric)
    console = Console(soft_wrap=True)
    console.print(as_text(found, losses), markup=False, highlight=False)
    console.print(sentence(found, losses, metric), markup=False, highlight=False)
