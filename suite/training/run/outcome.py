"""What a run leaves, before it is put on record."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.evaluation.retrieval import Retrieval


class TrainingFailure(Exception):  # noqa: N818 - a result, not an error
    """Training cannot go on: the loss or the model left the finite numbers. A result, not a mistake of the user."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run measured.

    Attributes:
        data_sha256: digest of its data.
        noise_sha256: digest of the labels that it trained on.
        noise_realised: share of them that are wrong.
        found: retrieval on the test classes, None for a failed run or where it is not what was measured.
        failure: why it failed, None for a finished run.
        validation_epoch: number and metrics of the epoch that was best on validation classes.
        curve: mean training loss of each epoch.
        embeddings: of the test classes where they are kept: arrays ``embeddings``, ``labels`` and ``rows``.
        more: further fields of the record.
    """

    data_sha256: str
    noise_sha256: str
    noise_realised: float
    found: Retrieval | None
    failure: str | None
    validation_epoch: dict[str, Any] | None
    curve: list[float]
    embeddings: dict[str, NDArray[np.generic]] | None = None
    more: dict[str, Any] | None = None
