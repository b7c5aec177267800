"""Embeddings of images by a network, shared among the processes."""

from collections.abc import Callable

import numpy as np
import torch
import torch.utils.data
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from suite.training.whole_network.batches import Images, Indices, PlainImages
from suite.training.whole_network.engine import Engine
from suite.training.whole_network.networks import EmbeddingNetwork
from suite.training.whole_network.transforms import Transform


def embed_images(
    engine: Engine,
    network: Callable[[Tensor], Tensor],
    images: Images,
    rows: Indices,
    transform: Transform,
    batch_size: int,
) -> NDArray[np.float32]:
    """Embeddings (N, D) of these rows, in float32, the same in all processes.

    Args:
        engine: what computes them.
        network: from images (B, 3, H, W) to rows (B, D); in evaluation mode.
        images: the images.
        rows: (N,) which of them.
        transform: applied to each, without randomness.
        batch_size: images that a process embeds at once.
    """
    each = -(-len(rows) // engine.world)
    mine = rows[np.arange(engine.rank * each, (engine.rank + 1) * each) % len(rows)]
    loader: torch.utils.data.DataLoader[Tensor] = torch.utils.data.DataLoader(
        PlainImages(images, mine, transform),
        batch_size=batch_size,
        num_workers=engine.machine.workers,
        pin_memory=engine.device.type == "cuda",
        generator=torch.Generator(),
    )
    with torch.no_grad():
        embedded = torch.cat([network(engine.to_device(batch)) for batch in loader])
        found: NDArray[np.float32] = engine.gather(embedded, len(rows)).float().cpu().numpy()
    return found


def without_head(network: EmbeddingNetwork) -> Callable[[Tensor], Tensor]:
    """What a network gives before its head, as rows of unit norm."""

    def embed(images: Tensor) -> Tensor:
        return normalize(network.features(images))

    return embed
