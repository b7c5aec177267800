"""Tables of runs with known means: values (tables, seeds, losses)."""

import numpy as np

SCENARIOS = {
    "equal variances": ([1, 1, 1, 1, 1], 0),
    "a strong effect of the seed": ([1, 1, 1, 1, 1], 5),
    "one wild loss": ([1, 1, 1, 1, 8], 0),
    "all variances differ": ([0.2, 0.5, 1, 2, 5], 1),
    "two losses nearly alike": ([1, 1, 1, 0.05, 0.05], 1),
}
"""Standard deviation of each loss's own scatter, and of the scatter that a seed gives to all losses alike."""
MEANS = {"all equal": [0, 0, 0, 0, 0], "two best": [1, 1, 0, 0, -1], "spread": [2, 1.5, 1, 0, -2]}


def draw(means, scenario, seeds=5, tables=8000):
    """Normal values of many tables."""
    own, shared = SCENARIOS[scenario]
    rng = np.random.default_rng(7)
    common = shared * rng.normal(size=(tables, seeds, 1))
    return np.asarray(means, float) + common + np.asarray(own) * rng.normal(size=(tables, seeds, len(means)))
