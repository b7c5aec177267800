"""What must be the same for two boards to mix: one number, and digests of the code that decides outcomes.

The digest of a regime's code covers the training loop, label noise, random streams and the evaluator, as in
``suite.hashing.code_files``. A second one covers what a run begins with: features or views, the split of the classes, the
folds and trials of searches. It is of all files that these import, but for those that carry out, keep or refuse. Data have
digests of their own, in the records. A version of the suite that changes none of these may mix with another one; its rows
tell the version.
"""

import tomllib
from importlib.metadata import version

from pydantic import ConfigDict

from suite.hashing import ROOT, code_files, sha256_code, sha256_file, sha256_value
from suite.settings.plans import Regime
from suite.settings.reading import Strict

NUMBER = 1
"""Raised where what is compared changes and no digest tells, such as what a check asks for."""
DISTRIBUTION = "pfml-suite"
_EVALUATOR = ROOT / "suite/evaluation/retrieval.py"
_RUNS: dict[Regime, str] = {"frozen": "suite/training/run/frozen.py", "finetuned": "suite/training/finetuned/run.py"}
"""The run function of each regime. It is read and not imported: a leaderboard needs no torch."""
_TUNING = "suite/training/tuning/resolve.py"
_PREPARATION: dict[Regime, tuple[str, ...]] = {
    "frozen": ("suite/training/features.py", _TUNING),
    "finetuned": (
        "suite/training/finetuned/making.py",
        "suite/training/finetuned/images.py",
        "suite/training/finetuned/validation.py",
        _TUNING,
    ),
}
"""What makes the inputs of a regime's runs and finds their values."""
CONDUCT = (
    "suite/processes.py",
    "suite/progress.py",
    "suite/data/catalog.py",
    "suite/evaluation/record_parts.py",
    "suite/evaluation/records.py",
    "suite/losses/apart.py",
    "suite/losses/probe.py",
    "suite/losses/registry.py",
    "suite/training/cache.py",
    "suite/training/stage.py",
)
"""They carry runs out, keep what runs leave, name data sets and losses, or refuse; so they decide no outcome."""
REGIMES: tuple[Regime, ...] = ("frozen", "finetuned")
"""Regimes whose records can be handed in."""


class Protocol(Strict):
    """What decides outcomes besides data, settings and the loss."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    number: int
    """Of the protocol: another one is not compared."""
    evaluator_sha256: str
    """Digest of the code of the metrics."""
    code_sha256: dict[Regime, str]
    """Of the code that trains and evaluates, by regime."""
    preparation_sha256: dict[Regime, str]
    """Of the code that makes features or views, splits classes, and searches, by regime."""


def protocol() -> Protocol:
    """That of this suite."""
    return Protocol(
        number=NUMBER,
        evaluator_sha256=sha256_code(_EVALUATOR),
        code_sha256={regime: sha256_code(ROOT / file) for regime, file in _RUNS.items()},
        preparation_sha256={regime: _preparation_sha256(regime) for regime in REGIMES},
    )


def _preparation_sha256(regime: Regime) -> str:
    files = {path for name in _PREPARATION[regime] for path in code_files(ROOT / name)}
    named = {path.relative_to(ROOT).as_posix(): path for path in files}
    return sha256_value([(name, sha256_file(path)) for name, path in sorted(named.items()) if name not in CONDUCT])


def suite_version() -> str:
    """The version of this suite: that of its code where it lies in its repository, else that of what was installed.

    The metadata of an installation that can be edited keep the version of the day on which it was made.
    """
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, ValueError):
        return version(DISTRIBUTION)
    return str(project["version"] if project.get("name") == DISTRIBUTION else version(DISTRIBUTION))


def difference(theirs: Protocol, regimes: set[Regime]) -> str:
    """Where another protocol differs from this suite's in what these regimes depend on; empty if nowhere."""
    mine = protocol()
    if theirs.number != mine.number:
        return f"protocol.number = {theirs.number}; allowed: {mine.number}, that of suite {suite_version()}"
    if theirs.evaluator_sha256 != mine.evaluator_sha256:
        return f"protocol.evaluator_sha256 is another evaluator's; allowed: that of suite {suite_version()}"
    for regime in sorted(regimes):
        if theirs.code_sha256.get(regime) != mine.code_sha256[regime]:
            where = f"protocol.code_sha256.{regime}"
            return f"{where}: other code trained and evaluated; allowed: that of suite {suite_version()}"
        if theirs.preparation_sha256.get(regime) != mine.preparation_sha256[regime]:
            where = f"protocol.preparation_sha256.{regime}"
            return f"{where}: other code made features or searched; allowed: that of suite {suite_version()}"
    return ""
