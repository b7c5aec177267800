"""From what a user types to a loss under test."""

from pathlib import Path

from suite.losses.checks.subject import Subject
from suite.losses.registry import BUILT_IN, check_hyperparameters, find_loss, load_target
from suite.settings.params import LossSettings, load_settings
from suite.settings.paths import PARAMS_FILE


def find_subject(target: str) -> Subject:
    """A loss by its name in ``params.yaml``, with the hyper-parameters set there; by its built-in name; or by its target.

    Raises:
        SuiteError: it cannot be found or built.
    """
    settings = load_settings() if ":" not in target and Path(PARAMS_FILE).is_file() else None
    if settings is not None and target in settings.losses:
        entry = find_loss(target, settings.losses[target])
        values = settings.losses[target].by_hand
        check_hyperparameters(entry, values, f"{PARAMS_FILE}: losses.{target}.params")
        subject = Subject(entry, values)
    elif ":" in target:
        name = target.rpartition(":")[2]
        subject = Subject(load_target(name, target, "suite check: target"))
    else:
        subject = Subject(find_loss(target, LossSettings(target=BUILT_IN.get(target))))
    subject.build()
    return subject
