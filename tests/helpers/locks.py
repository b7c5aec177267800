"""Work that another process has taken."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.paths import ROOT

_OTHER = """
import sys
from pathlib import Path
from rich.console import Console
from suite.files import alone
with alone(Path(sys.argv[1]), Console()):
    print("taken", flush=True)
    sys.stdin.read()
"""


@contextmanager
def taken_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of this file until its standard input ends, or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _OTHER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout.readline() == "taken\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
