"""A run of the geometry study in which the network learns."""

from collections.abc import Callable

import numpy as np
from torch import nn

from suite.settings.plans import FinetunedPlan, Regime, Run
from suite.training.finetuned.run import embed, fit
from suite.training.finetuned.views import Source
from suite.training.run.frozen import Outcome
from suite.training.studies.proxy_runs import AfterEpoch, measure_frozen, measured


def measure_finetuned(run: Run[FinetunedPlan], views: Source) -> Outcome:
    """Train on views with true labels, and measure on the plain training images, as ``measured`` does."""
    rows = views.training_rows
    labels = views.labels[rows]

    def train(num_classes: int, after_epoch: AfterEpoch) -> tuple[nn.Module, nn.Module]:
        return fit(run.plan, views, np.arange(len(rows)), labels, run.seed, num_classes, after_epoch)

    more = {"views_sha256": views.sha256}
    return measured(run, labels, views.data_sha256, train, lambda network: embed(network, views, rows), more)


def measure_of(regime: Regime) -> Callable[..., Outcome]:
    """What trains and measures in a regime."""
    return measure_frozen if regime == "frozen" else measure_finetuned
