"""The plan of a data set: what its features depend on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from suite.data.catalog import check_name, verified
from suite.settings.params import BackboneSettings, DatasetSettings
from suite.settings.paths import DATASET_PLAN, PARAMS_FILE
from suite.training.batch_checks import TrainingHalf, training_half


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """A verified data set, and the network that gives its features.

    Attributes:
        dataset: its name.
        data_sha256: digest of its file.
        max_classes: the cut, or None for all classes.
        backbone: the network.
    """

    dataset: str
    data_sha256: str
    max_classes: int | None
    backbone: BackboneSettings

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"backbone": self.backbone.model_dump()}

    @property
    def half(self) -> TrainingHalf:
        """Its training classes."""
        return training_half(self.dataset, self.max_classes)


def dataset_plan_path(dataset: str) -> Path:
    """Plan file of a data set."""
    return Path(DATASET_PLAN.format(dataset=dataset))


def plan_dataset(name: str, settings: DatasetSettings, backbone: BackboneSettings) -> DatasetPlan:
    """Plan one data set, its file verified.

    Raises:
        SuiteError: there is no such data set, or its file was altered.
    """
    check_name(name, f"{PARAMS_FILE}: datasets")
    return DatasetPlan(name, verified(name).sha256, settings.max_classes, backbone)
