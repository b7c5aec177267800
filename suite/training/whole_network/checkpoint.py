"""Checkpoints: all that a run needs to go on after an epoch, in one file that is replaced as a whole.

Random numbers are not among it: each epoch has streams of its own. Files are read with ``weights_only``, so that a file from
someone else cannot run code.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from suite.errors import SuiteError
from suite.files import replacing


class Stateful(Protocol):
    """Networks, losses and optimisers."""

    def state_dict(self) -> dict[str, Any]:
        """What it holds."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take over what ``state_dict`` gave."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that a run goes on from.

    Attributes:
        path: the file.
        key: what the run depends on; a checkpoint with another key is ignored.
    """

    path: Path
    key: str

    def save(self, curve: list[float], parts: dict[str, Stateful]) -> None:
        """Keep these parts after an epoch; ``curve`` has the mean loss of each that has ended.

        Raises:
            SuiteError: there is no room for it.
        """
        state = {"key": self.key, "curve": curve} | {name: part.state_dict() for name, part in parts.items()}
        try:
            with replacing(self.path) as temporary:
                torch.save(state, temporary)
        except (OSError, RuntimeError) as error:  # torch's writer raises the latter on a full disk
            raise SuiteError(f"checkpoint {self.path} cannot be written: {error}") from error

    def load(self, parts: dict[str, Stateful]) -> list[float]:
        """Put the kept state into these parts; gives the mean loss of each epoch that has ended, none without a file."""
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return []
        if not isinstance(state, dict) or state.get("key") != self.key:
            return []
        for name, part in parts.items():
            part.load_state_dict(state[name])
        curve: list[float] = state["curve"]
        return curve
