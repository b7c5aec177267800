"""The commands, by subject. Each imports what it needs when it runs: loading torch takes longer than some of them."""

import sys
from importlib.util import find_spec

if find_spec("typer") is None:  # `pip install .` brings this command too, with torch alone
    missing = "the libraries of the suite are missing: in a clone of its repository run pip install -e '.[suite]'"
    sys.stderr.write(f"error: {missing}\n")
    sys.exit(2)
