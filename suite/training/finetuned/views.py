"""Views: what the standing blocks of the backbone make of each image, stored once per data set, for all runs.

View 0 is the plain image, of all images; views 1 to V are random crops, flips and mild changes of colour, of the training
images. Each is one file of float16, ``finetuned/views/DATASET/NUMBER.npy``, written as a whole; beside them lie the pooled
features of the plain training images and a manifest that says what all was made from, with digests.
They are read as memory maps, which processes share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.data.split import num_training_classes
from suite.data.table import ImageTable
from suite.errors import SuiteError
from suite.files import read_json
from suite.hashing import sha256_code, sha256_file, sha256_value
from suite.settings.finetuned import ViewPlan
from suite.settings.paths import FINETUNED_FILE, VIEWS_FOLDER
from suite.training.backbone import Backbone
from suite.training.finetuned.network import cut_backbone, sha256_weights, whole_backbone

FEATURES_NAME = "features.npy"
MANIFEST_NAME = "manifest.json"
_LIBRARIES = ("numpy", "pillow", "timm", "torch", "torchvision")
"""What views, and images that are changed for each batch, are computed with."""
Rows = NDArray[np.int64]
Maps = NDArray[np.float16]


@dataclass(frozen=True)
class Source:
    """What runs learn from.

    Attributes:
        features: (M, F) pooled features of the plain training images, float16.
        labels: (N,) of all images, 0 to C - 1 in the stored order.
        num_training_classes: labels below it train, the others test.
        blocks: the blocks of the backbone that learn, as pretrained; to pooled features.
        data_sha256: digest of the data file that they come from.
        sha256: digest of all files, of what they were made from, and of the weights of ``blocks``.
    """

    features: NDArray[np.float16]
    labels: Rows
    num_training_classes: int
    blocks: nn.Module = field(repr=False)
    data_sha256: str
    sha256: str
    device = torch.device("cpu")
    """Where networks learn."""

    @property
    def training_rows(self) -> Rows:
        """(M,) rows of the training images in the data set."""
        return np.flatnonzero(self.labels < self.num_training_classes)

    @property
    def test_rows(self) -> Rows:
        """Rows of the test images in the data set."""
        return np.flatnonzero(self.labels >= self.num_training_classes)

    @property
    def count(self) -> int:
        """Number of views of a training image."""
        raise NotImplementedError

    def plain(self, rows: Rows) -> Tensor:
        """What blocks take (B, C, h, w) of the plain images of these rows of the data set."""
        raise NotImplementedError

    def drawn(self, places: Rows, numbers: Rows) -> Tensor:
        """The same of the training images at these places (B,) of ``training_rows``, in the views (B,) named."""
        raise NotImplementedError


@dataclass(frozen=True)
class Views(Source):
    """Views of a data set, read as memory maps, which processes share.

    Attributes:
        maps: view 0 (N, C, h, w) of all images, then V views (M, C, h, w) of the training images, float16.
    """

    maps: tuple[Maps, ...]

    @property
    def count(self) -> int:
        """Number of views of a training image, the plain one among them."""
        return len(self.maps)

    def plain(self, rows: Rows) -> Tensor:
        """Maps (B, C, h, w) of the plain images of these rows of the data set."""
        return as_input(self.maps[0][rows])

    def drawn(self, places: Rows, numbers: Rows) -> Tensor:
        """Maps (B, C, h, w) of the training images at these places (B,) of ``training_rows``, in the views (B,) named."""
        found = np.empty((len(places), *self.maps[0].shape[1:]), np.float16)
        rows = self.training_rows[places]
        for number, maps in enumerate(self.maps):
            mine = numbers == number
            found[mine] = maps[(places if number else rows)[mine]]
        return as_input(found)


def as_input(maps: Maps) -> Tensor:
    """Maps (B, C, h, w) in float32, as blocks take them."""
    return torch.from_numpy(maps).float()


def views_folder(dataset: str) -> Path:
    """Where the views of a data set lie."""
    return Path(VIEWS_FOLDER.format(dataset=dataset))


def made_from(plan: ViewPlan, standing: nn.Module, blocks: nn.Module) -> dict[str, Any]:
    """All that decides the bytes of views, or of images that are changed for each batch: settings, weights, code, libraries.

    Args:
        plan: how images are changed.
        standing: the blocks that stand.
        blocks: the blocks that learn.
    """
    names = ["maps.py", *(["images.py"] if plan.whole_network else [])]
    return {
        "plan": plan.as_dict(),
        "standing_sha256": sha256_weights(standing),
        "blocks_sha256": sha256_weights(blocks),
        "code_sha256": {name: sha256_code(Path(__file__).with_name(name)) for name in names},
        "versions": {name: version(name) for name in _LIBRARIES},
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """What is known of the views in a folder; empty where there is none."""
    try:
        manifest: dict[str, Any] = read_json(folder / MANIFEST_NAME)
    except (OSError, ValueError):
        return {}
    return manifest


def cut(plan: ViewPlan, table: ImageTable, backbone: Backbone) -> tuple[nn.Module, nn.Module]:
    """The blocks that stand and those that learn, for the images of a data set.

    Raises:
        SuiteError: the backbone cannot be cut there, or not learn as a whole.
    """
    side = backbone.side or table.decode(np.arange(1)).shape[1]
    if plan.whole_network:
        return nn.Identity(), whole_backbone(backbone, side, f"{FINETUNED_FILE}: recipe.whole_network")
    return cut_backbone(backbone, side, plan.cut, f"{FINETUNED_FILE}: recipe.cut")


def load_views(plan: ViewPlan, table: ImageTable, backbone: Backbone) -> Views:
    """Open the views of a data set.

    Args:
        plan: what they must have been made from.
        table: the images of the data set.
        backbone: the whole network.

    Raises:
        SuiteError: they are missing, stale, incomplete, cut short or altered.
    """
    names = [*(f"{number}.npy" for number in range(plan.views + 1)), FEATURES_NAME]
    arrays, known = open_files(plan, table, backbone, names)
    return Views(maps=tuple(arrays[:-1]), features=arrays[-1], **known)


def open_files(
    plan: ViewPlan, table: ImageTable, backbone: Backbone, names: Sequence[str]
) -> tuple[list[NDArray[np.float16]], dict[str, Any]]:
    """Files of the folder of a data set as memory maps, and the other attributes of a ``Source``.

    Raises:
        SuiteError: they are missing, stale, incomplete, cut short or altered.
    """
    folder = views_folder(plan.dataset)
    again = f"make them with: suite views {plan.dataset}"
    manifest = read_manifest(folder)
    if not manifest:
        raise SuiteError(f"views {folder} are missing; {again}")
    standing, blocks = cut(plan, table, backbone)
    wanted = made_from(plan, standing, blocks)
    if manifest["made_from"] != wanted:
        changed = ", ".join(_differences(manifest["made_from"], wanted))
        raise SuiteError(f"views {folder} are stale: {changed} changed since they were made; {again}")
    known = {
        "labels": table.labels,
        "num_training_classes": num_training_classes(table.num_classes),
        "blocks": blocks,
        "data_sha256": plan.data_sha256,
        "sha256": sha256_value(manifest),
    }
    return [_open(folder / name, manifest["files"].get(name), again) for name in names], known


def _open(path: Path, sha256: str | None, again: str) -> NDArray[np.float16]:
    if sha256 is None or not path.is_file():
        raise SuiteError(f"views {path.parent} are incomplete: {path.name} is missing; {again}")
    if sha256_file(path) != sha256:
        raise SuiteError(f"views {path} were cut short or altered; {again}")
    array: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return array


def _differences(first: dict[str, Any], second: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of what differs between two nested mappings."""
    for name, value in second.items():
        other = first.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            yield from _differences(other, value, f"{prefix}{name}.")
        elif value != other:
            yield prefix + name
