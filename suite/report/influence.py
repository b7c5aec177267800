"""The stage ``influence``: curves of the losses of ``params.yaml`` that the figures in git do not have."""

from typing import Any

import pandas as pd
from rich.console import Console

from suite.errors import SuiteError
from suite.files import read_json, write_json, write_text
from suite.judging.claims.read import read_influence
from suite.losses.build import sha256_target
from suite.losses.influence.curve import COLUMNS
from suite.losses.influence.kept import Wanted, measure, read_curves
from suite.losses.registry import BUILT_IN
from suite.settings.paths import INFLUENCE_CURVES, INFLUENCE_FILE, INFLUENCE_PLAN, INFLUENCE_REASONS


def write_influence(console: Console) -> None:
    """Measure what was not measured before, and write the curves of all losses and the reasons of those that have none.

    Raises:
        SuiteError: there is no plan, or the code of a loss is not the planned one.
    """
    asked = [each for each in _planned() if not in_git(each.target, each.values, each.loss)]
    for each in asked:
        if sha256_target(each.target, f"loss {each.loss} ({each.target})") != each.sha256:
            raise SuiteError(
                f"the code of loss {each.loss} ({each.target}) has changed since the plan was made; run: suite plan"
            )
    found = measure(asked, console)
    curves = [each for each in found.values() if not isinstance(each, str)]
    table = pd.concat(curves) if curves else pd.DataFrame(columns=list(COLUMNS))
    write_text(INFLUENCE_CURVES, table.to_csv(index=False))
    write_json(INFLUENCE_REASONS, {loss: each for loss, each in found.items() if isinstance(each, str)})


def in_git(target: str, values: dict[str, Any], loss: str) -> bool:
    """Whether the figures in git have the curves of a loss: one that is built in, with no value set by hand."""
    committed = committed_curves()
    return BUILT_IN.get(loss) == target and not values and committed is not None and loss in set(committed["loss"])


def committed_curves() -> pd.DataFrame | None:
    """The curves of ``suite figures``, which git keeps.

    Raises:
        SuiteError: the file is damaged.
    """
    return read_influence(INFLUENCE_FILE) if INFLUENCE_FILE.is_file() else None


def measured_curves() -> tuple[pd.DataFrame | None, dict[str, str]]:
    """What the stage has left: curves, and why a loss has none.

    Raises:
        SuiteError: a file is damaged.
    """
    reasons = read_json(INFLUENCE_REASONS, _ANEW) if INFLUENCE_REASONS.is_file() else {}
    curves = read_curves(INFLUENCE_CURVES)
    if not isinstance(reasons, dict) or (curves is None and INFLUENCE_CURVES.is_file()):
        raise SuiteError(f"{INFLUENCE_CURVES.parent} holds no influence curves; {_ANEW}")
    return curves, reasons


_ANEW = "delete it and run: suite influence"


def _planned() -> list[Wanted]:
    if not INFLUENCE_PLAN.is_file():
        raise SuiteError(f"the plan {INFLUENCE_PLAN} is missing; run: suite plan")
    try:
        return [Wanted(**each) for each in read_json(INFLUENCE_PLAN)["losses"]]
    except (KeyError, TypeError) as error:
        raise SuiteError(f"the plan {INFLUENCE_PLAN} is damaged; delete it, then run: dvc repro") from error
