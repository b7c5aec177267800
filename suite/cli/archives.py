"""``suite data add``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


class Published(StrEnum):
    """The published data sets."""

    cub = "cub"
    cars = "cars"
    sop = "sop"


def add(
    dataset: Annotated[Published, typer.Argument(help="The data set.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Its archives and annotation files.")],
    folder: Annotated[Path, typer.Option(help="Where archives/ and cache/ go.")] = Path("published"),
    short_side: Annotated[
        int, typer.Option(min=0, help="Pixels of the cached images' short side; 0: full size.")
    ] = 256,
    max_unusable: Annotated[
        int, typer.Option(min=0, help="Stop when more annotated images than this are missing or corrupt.")
    ] = 0,
    track: Annotated[bool, typer.Option(help="Put the archives under DVC.")] = True,
    editions: Annotated[
        Path | None, typer.Option(help="What the archives must hold, where that is not what was published (YAML).")
    ] = None,
) -> None:
    """Verify the archives of CUB-200-2011, Cars-196 or SOP and cache their images for training.

    Run it again after an interruption: it goes on where it stopped.
    """
    from suite.data.archives.add import Options
    from suite.data.archives.add import add as add_archives
    from suite.data.archives.editions import EDITIONS_FILE

    options = Options(folder, editions or EDITIONS_FILE, short_side, max_unusable, track)
    add_archives(dataset.value, files, options, Console(soft_wrap=True))
