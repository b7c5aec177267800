"""Fine-tuned networks: a timm backbone, pooling, one linear layer, L2 norm, with batch norm frozen as the recipe says.

- ``resnet50`` with torchvision's first weights is timm's ``resnet50.tv_in1k``; ViT-S/16 of DINO is
  ``vit_small_patch16_224.dino``. Such weights come from the hub, or from its cache on a machine without a network.
- ``tf_efficientnet_lite0`` with ``EMBEDDED_WEIGHTS`` is the embedded backbone, without any download.
- BN-Inception: neither timm nor torchvision has it. Recipes that name it can be read, not run.

Batch norm can be frozen in two ways that papers do not tell apart: the running statistics alone (the layer stays in
evaluation mode while the rest trains), or its scale and shift too.
"""

from collections.abc import Iterator
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from suite.errors import SuiteError, allowed
from suite.settings.paper_recipes import Backbone
from suite.settings.params import EMBEDDED_BACKBONE
from suite.training.backbone import WEIGHTS_MODULE, load_embedded_backbone

EMBEDDED_WEIGHTS = WEIGHTS_MODULE
"""Name of the embedded weights in a recipe."""


class EmbeddingNetwork(nn.Module):
    """From images to unit vectors.

    Args:
        trunk: a timm model; its ``forward_features`` gives maps (N, C, H, W) or tokens (N, T, C).
        settings: pooling, dimension, initialisation and frozen batch norm.

    Raises:
        SuiteError: the pooling does not suit the trunk.
    """

    def __init__(self, trunk: nn.Module, settings: Backbone) -> None:
        super().__init__()
        self.trunk = trunk
        self.pooling = settings.pooling
        self.freeze_batch_norm = settings.freeze_batch_norm
        self._prefix_tokens = int(getattr(trunk, "num_prefix_tokens", 0))
        poolings = ("token", "average") if self._is_transformer else ("average", "max", "average_plus_max")
        if self.pooling not in poolings:
            raise SuiteError(
                f"backbone.pooling = {self.pooling!r} with {settings.architecture}; allowed: {allowed(poolings)}"
            )
        features: Any = trunk.num_features
        self.head = nn.Linear(int(features), settings.embedding_dim)
        if settings.head_initialisation == "kaiming_normal_fan_out":
            nn.init.kaiming_normal_(self.head.weight, mode="fan_out")
            nn.init.zeros_(self.head.bias)
        self.learn_trunk(learn=True)
        self.train()

    @property
    def _is_transformer(self) -> bool:
        return self._prefix_tokens > 0

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (N, D) with rows of unit norm, in float32 also under autocast.

        Args:
            images: (N, 3, H, W), normalised as the weights expect.
        """
        embeddings = self.head(self.features(images))
        with torch.autocast(embeddings.device.type, enabled=False):
            return normalize(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))

    def features(self, images: Tensor) -> Tensor:
        """Pooled features (N, C), which the head takes."""
        trunk: Any = self.trunk
        return self.pool(trunk.forward_features(images))

    def pool(self, features: Tensor) -> Tensor:
        """Pooled features (N, C) of maps (N, C, H, W) or tokens (N, T, C)."""
        if self.pooling == "token":
            return features[:, 0]
        if self._is_transformer:
            return features[:, self._prefix_tokens :].mean(dim=1)
        average = features.mean(dim=(2, 3))
        if self.pooling == "average":
            return average
        largest = features.amax(dim=(2, 3))
        return largest if self.pooling == "max" else average + largest

    def train(self, mode: bool = True) -> "EmbeddingNetwork":  # noqa: FBT001, FBT002 - torch's signature
        """Training mode, but for batch norm whose statistics are frozen."""
        super().train(mode)
        if self.freeze_batch_norm != "none":
            for layer in self._batch_norms():
                layer.eval()
        return self

    def learn_trunk(self, *, learn: bool) -> None:
        """Let the trunk learn or not, as in warm-up epochs; frozen scale and shift of batch norm never learn."""
        self.trunk.requires_grad_(requires_grad=learn)
        if self.freeze_batch_norm == "statistics_and_affine":
            for layer in self._batch_norms():
                layer.requires_grad_(requires_grad=False)

    @property
    def has_batch_norm(self) -> bool:
        """Whether the trunk has layers of batch norm."""
        return any(True for _ in self._batch_norms())

    def _batch_norms(self) -> Iterator[nn.Module]:
        return (layer for layer in self.trunk.modules() if isinstance(layer, _BatchNorm))


def build_network(settings: Backbone) -> EmbeddingNetwork:
    """The network of a recipe; random weights where ``weights`` is None.

    Raises:
        SuiteError: no kept library has the architecture, the weights are those of another one, or they cannot be had.
    """
    check_architecture(settings)
    return EmbeddingNetwork(_trunk(settings.architecture, settings.weights), settings)


def check_architecture(settings: Backbone) -> None:
    """Check that a recipe's network can be built, without building it.

    Raises:
        SuiteError: no kept library has the architecture.
    """
    if settings.architecture == "bn_inception":
        raise SuiteError(
            "backbone.architecture = 'bn_inception': no maintained library has it; allowed: resnet50, "
            "vit_small_patch16_224, tf_efficientnet_lite0"
        )


def _trunk(architecture: str, weights: str | None) -> nn.Module:
    if weights == EMBEDDED_WEIGHTS and architecture == EMBEDDED_BACKBONE:
        return load_embedded_backbone()
    if weights is not None and weights.split(".")[0] != architecture:
        raise SuiteError(
            f"backbone.weights = {weights!r} are not of {architecture}; allowed: {architecture}.TAG or null"
        )
    try:
        trunk: nn.Module = timm.create_model(weights or architecture, pretrained=weights is not None, num_classes=0)
    except Exception as error:  # the hub raises whatever its network layer does
        raise SuiteError(
            f"backbone.weights = {weights!r} cannot be loaded: {error}; fetch them once on a machine with a network "
            "and copy the cache of huggingface_hub"
        ) from error
    return trunk
