"""What decides a result besides a run itself: versions of Python and libraries, and the digests of code, of one process."""

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from suite.hashing import PACKAGES, ROOT, sha256_code, sha256_source, sha256_value
from suite.losses.build import parts_of, sha256_target
from suite.settings.plans import Regime
from suite.training.cache import VERSIONED

Description = dict[str, str]
"""A version or a digest of each thing, by its name."""


def describe(regime: Regime, targets: Sequence[str] = (), modules: Sequence[str] = ()) -> Description:
    """Describe this process.

    Args:
        regime: whose code counts.
        targets: losses in modules that are installed beside the suite, ``module:Class``; their code counts too.
        modules: of the suite, by their dotted names; their code counts too.

    Raises:
        SuiteError: such a module cannot be imported.
    """
    libraries = [*VERSIONED, "timm"]
    if regime == "published":
        from suite.training.whole_network.planner import network_code_sha256
        from suite.training.whole_network.stage import VERSIONED as MORE

        libraries, code = list(dict.fromkeys([*libraries, *MORE])), network_code_sha256()
    elif regime == "finetuned":
        from suite.training.finetuned.planner import finetuned_code_sha256

        code = finetuned_code_sha256()
    else:
        from suite.training.stage import code_sha256

        code = code_sha256()
    found = {"python": platform.python_version()} | {name: _version(name) for name in libraries}
    found["code of training"] = code
    found["code of the workers"] = sha256_code(Path(__file__).with_name("worker.py"))
    found["code of the losses"] = sha256_value([sha256_source(ROOT / name) for name in ("pfml", "baselines")])
    for module in modules:
        found[f"code of {module}"] = sha256_code(Path(str(import_module(module).__file__)))
    return found | {f"code of {target}": sha256_target(target, target) for target in targets}


@cache
def description_of_worker(regime: Regime, targets: tuple[str, ...], modules: tuple[str, ...]) -> Description:
    """As ``describe`` gave it first: a worker runs the code that it has loaded, whatever lies on the disk since."""
    return describe(regime, targets, modules)


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Name what differs, e.g. ``torch 2.3.0 (here 2.4.1), code of training 0a1b2c3d (here 4e5f6a7b)``; empty if nothing."""
    return ", ".join(
        f"{name} {_short(name, found.get(name, 'none'))} (here {_short(name, value)})"
        for name, value in expected.items()
        if found.get(name) != value
    )


def installed_targets(targets: Sequence[str]) -> list[str]:
    """Those parts of targets that lie neither in a file nor in this repository's packages."""
    parts = {part for target in targets for part in parts_of(target) if part}
    return sorted(
        part for part in parts if ".py:" not in part and part.partition(":")[0].partition(".")[0] not in PACKAGES
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _short(name: str, value: str) -> str:
    return value[:8] if name.startswith("code of") else value
