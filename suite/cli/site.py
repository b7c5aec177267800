"""``suite site``: the results as web pages."""

from typing import Annotated

import typer
from rich.console import Console

from suite.training.times import begin_work


def site(
    *, open_page: Annotated[bool, typer.Option("--open", help="Open the first page in the browser.")] = False
) -> None:
    """Write results/site/index.html and the pages beside it from whatever results there are."""
    from suite.report.leaderboard.write import user_verdicts
    from suite.report.site.write import write_site
    from suite.settings.params import load_settings

    begin_work()
    settings = load_settings()
    page = write_site(settings)
    console = Console(soft_wrap=True)
    for told in user_verdicts(settings):
        console.print(told, markup=False, highlight=False)
    console.print(f"wrote {page}", highlight=False)
    if open_page:
        typer.launch(page.resolve().as_uri())
