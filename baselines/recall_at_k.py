"""Recall@k surrogate: the share of positives among the first k, with sigmoids in place of both steps.

Source: Patel, Tolias & Matas, "Recall@k Surrogate Loss with Large Batches and Similarity Mixup", CVPR 2022. With s the
cosine, q a query of the batch, P its positives and the other images of the batch its list,

    r_x = 1 + sum_{z != x} sigmoid((s_qz - s_qx) / temperature)                           soft rank of positive x
    R_k = min(n_k, sum_{x in P} sigmoid((k - r_x) / (k rank_temperature))) / n_k,    n_k = min(k, |P|)
    L = mean_q (1 - mean_{k in K} R_k)

over the queries that have a positive; K = 1, 2, 4, ... up to ``largest_k``. The divisor n_k, the bound of the sum by it and
the temperature of the second sigmoid, which grows with k, are those of the authors' code (losses.py and main.py of
yash0307/RecallatK_surrogate). Deviations: a query is no item of its own list (it is in the code); without similarity
mixup.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from baselines.pairs import BatchLoss, Ranks
from pfml.checks import checked_integer, checked_number


class RecallAtKLoss(BatchLoss):
    """Recall@k surrogate over the batch.

    Args:
        largest_k: the lengths of the short list are the powers of 2 up to it; >= 1.
        temperature: of the sigmoid that ranks, > 0.
        rank_temperature: of the sigmoid that cuts the list, as a share of k, > 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = (
        "mean_q 1 - mean_k min(n_k, sum_{x in P} sigmoid((k - r_x) / (k rank_temperature))) / n_k, n_k = min(k, |P|), "
        "r_x = 1 + sum_z sigmoid((s_qz - s_qx) / temperature)"
    )
    source: ClassVar[str] = "Patel, Tolias & Matas, Recall@k Surrogate Loss, CVPR 2022"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "largest_k": {"values": [1, 4, 16]},
        "temperature": {"low": 0.002, "high": 0.2, "log": True},
        "rank_temperature": {"low": 0.3, "high": 3.0, "log": True},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"largest_k": 16, "temperature": 0.01, "rank_temperature": 1.0}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "values for small batches: the authors' code takes 400 images on CUB-200-2011, 392 on Cars-196, 4,000 on large data",
    )

    def __init__(self, largest_k: int = 16, temperature: float = 0.01, rank_temperature: float = 1.0) -> None:
        super().__init__()
        self.largest_k = checked_integer("largest_k", largest_k, at_least=1)
        self.temperature = checked_number("temperature", temperature, above=0)
        self.rank_temperature = checked_number("rank_temperature", rank_temperature, above=0)

    @property
    def lengths(self) -> list[int]:
        """K: 1, 2, 4, ... up to ``largest_k``."""
        return [2**power for power in range(self.largest_k.bit_length())]

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        ranks = Ranks(embeddings, labels, self.temperature)
        if len(ranks.query) == 0:
            return embeddings.sum() * 0
        queries, first, counts = torch.unique_consecutive(ranks.query, return_inverse=True, return_counts=True)
        recalls = []
        for k in self.lengths:
            within = ((k - 1 - ranks.before) / (k * self.rank_temperature)).sigmoid()
            found = within.new_zeros(len(queries)).index_add(0, first, within)
            possible = counts.clamp(max=k).to(found.dtype)
            recalls.append((torch.minimum(found, possible) / possible).mean())
        return 1 - torch.stack(recalls).mean()
