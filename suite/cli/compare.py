"""``suite compare``: two losses side by side, or one beside pfml and the best baseline, from the committed records."""

from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(help="Name of a loss on the leaderboard.")],
    second: Annotated[
        str | None, typer.Argument(help="Name of the loss it is compared with; pfml and the best baseline if left out.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="One data set; all if left out.")] = None,
    noise: Annotated[float | None, typer.Option(help="One noise level; all if left out.")] = None,
    track: Annotated[str, typer.Option(help="tuned or published.")] = "tuned",
    metric: Annotated[str, typer.Option(help="What to compare by, e.g. map_at_r.")] = "recall_at_1",
) -> None:
    """Paired difference of two losses for each data set and noise level: interval, p and one sentence."""
    from rich.console import Console

    from suite.evaluation.flat import read_flat
    from suite.judging.leaderboard import contrast, verdicts
    from suite.report.leaderboard.write import RECORDS_FILE
    from suite.settings.params import load_settings

    records = read_flat(RECORDS_FILE)
    if second is None:
        mine = contrast.within(records, dataset=dataset, noise=noise, track=track, metric=metric)
        found = verdicts.verdicts_on(first, mine, verdicts.user_losses(load_settings()), metric)
        text = [
            verdicts.as_text(found),
            verdicts.sentence(found),
            verdicts.EXPLAINED.format(metric=contrast.NAMES[metric]),
        ]
    else:
        losses = (first, second)
        chosen = contrast.select(records, losses, dataset=dataset, noise=noise, track=track, metric=metric)
        found = contrast.contrast(chosen, losses, metric)
        text = [contrast.as_text(found, losses), contrast.sentence(found, losses, metric)]
    console = Console(soft_wrap=True)
    for part in text:
        console.print(part, markup=False, highlight=False)
