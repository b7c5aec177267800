"""Smooth-AP: average precision with sigmoids in place of steps.

Source: Brown et al., "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval", ECCV 2020. With s the
cosine, D_ij = s_qj - s_qi for a query q, G the sigmoid at a temperature, P the positives of q and N its negatives,

    AP_q = 1/|P| sum_{i in P} (1 + sum_{j in P, j != i} G(D_ij)) / (1 + sum_{j in P + N, j != i} G(D_ij))
    L = mean_q (1 - AP_q)

over the queries of the batch that have a positive. A query is no item of its own list. The authors' code, and
pytorch-metric-learning with it, leave the query in the list and take batches with equally many images of every class
alone; label noise and short last batches give others, so the formula is written here. (The library, 2.9, also confuses the
number of classes with that of images a class, and is right only where they are equal; tests compare the two there.)

Learning rates are searched from 3e-5, lower than those of other losses: in long trainings good values lay near 1e-4, where
theirs begin.
"""

from typing import Any, ClassVar

from torch import Tensor

from baselines.pairs import BatchLoss, Ranks
from pfml.checks import checked_number


class SmoothAPLoss(BatchLoss):
    """Smooth-AP over the batch.

    Args:
        temperature: of the sigmoid, > 0.

    Raises:
        ValueError: the temperature is out of range.
    """

    formula: ClassVar[str] = (
        "mean_q 1 - mean_{i in P} (1 + sum_{j in P} G(s_qj - s_qi)) / (1 + sum_j G(s_qj - s_qi)), "
        "G(x) = sigmoid(x / temperature)"
    )
    source: ClassVar[str] = "Brown et al., Smooth-AP, ECCV 2020"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "temperature": {"low": 0.002, "high": 0.5, "log": True},
        "learning_rate": {"low": 3e-5, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"temperature": 0.01, "learning_rate": 1e-5}
    undisclosed: ClassVar[tuple[str, ...]] = ("a recipe for CUB-200-2011 and Cars-196: the paper has large data sets",)

    def __init__(self, temperature: float = 0.01) -> None:
        super().__init__()
        self.temperature = checked_number("temperature", temperature, above=0)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        ranks = Ranks(embeddings, labels, self.temperature)
        if len(ranks.query) == 0:
            return embeddings.sum() * 0
        precision = (1 + ranks.positives_before) / (1 + ranks.before)
        return 1 - ranks.mean_over_queries(precision / ranks.positives)
