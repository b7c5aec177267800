"""Multi-similarity loss with its miner, through pytorch-metric-learning.

Source: Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", CVPR 2019,
Eq. 10-12. With s the cosine and, for anchor i, positives P_i and negatives N_i that mining keeps,

    keep negative j if s_ij > min_{k positive} s_ik - epsilon, positive j if s_ij < max_{k negative} s_ik + epsilon
    L = mean_i  1/alpha log(1 + sum_{P_i} exp(-alpha (s_ik - base)))
              + 1/beta  log(1 + sum_{N_i} exp( beta  (s_ik - base)))

The paper's lambda is ``base`` here. Defaults are those of the authors' code (2, 40, .5, .1); others use 50 for
beta. Deviation, of the library: where mining keeps at most one positive and one negative pair, the loss is zero.
"""

from typing import Any, ClassVar

from baselines.frame import MinedPairsLoss
from pfml.checks import checked_number


class MultiSimilarityLoss(MinedPairsLoss):
    """Multi-similarity loss on mined pairs.

    Args:
        alpha: scale of positive pairs, > 0.
        beta: scale of negative pairs, > 0.
        base: similarity from which pairs count as hard (the paper's lambda).
        epsilon: slack of mining, >= 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = (
        "mean_i log(1 + sum_{P_i} exp(-alpha (s - base))) / alpha + log(1 + sum_{N_i} exp(beta (s - base))) / beta"
    )
    source: ClassVar[str] = "Wang et al., Multi-Similarity Loss with General Pair Weighting, CVPR 2019, Eq. 10-12"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "alpha": {"low": 0.03, "high": 10.0, "log": True},
        "beta": {"low": 2.0, "high": 80.0, "log": True},
        "base": {"low": 0.0, "high": 1.0, "log": False},
        "epsilon": {"low": 0.0, "high": 1.0, "log": False},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {
        "alpha": 2.0,
        "beta": 40.0,
        "base": 0.5,
        "epsilon": 0.1,
        "learning_rate": 3e-5,
    }
    undisclosed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, alpha: float = 2.0, beta: float = 40.0, base: float = 0.5, epsilon: float = 0.1) -> None:
        super().__init__()
        self.alpha = checked_number("alpha", alpha, above=0)
        self.beta = checked_number("beta", beta, above=0)
        self.base = checked_number("base", base)
        self.epsilon = checked_number("epsilon", epsilon, at_least=0)
        from pytorch_metric_learning.losses import MultiSimilarityLoss as LibraryLoss
        from pytorch_metric_learning.miners import MultiSimilarityMiner

        self.miner = MultiSimilarityMiner(self.epsilon)
        self.loss = LibraryLoss(self.alpha, self.beta, self.base)
