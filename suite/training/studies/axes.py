"""The axes of the paper's ablations, as changes of a plan."""

from collections.abc import Callable
from dataclasses import replace

from suite.settings.plans import CellPlan, Hyperparameters
from suite.training.planner import with_values
from suite.losses.registry import build_loss, load_target


def vary(plan: CellPlan, axis: str, value: float) -> CellPlan:
    """The plan with one value changed, all others as they are.

    Args:
        plan: a plan of pfml.
        axis: ``proxies_per_class``, ``alpha``, ``delta`` (radius of attraction and of repulsion) or ``reach`` (how much
            farther repulsion reaches than attraction).
        value: on that axis.
    """
    changed = with_values(plan, _CHANGES[axis](plan, value))
    return replace(changed, track="ablation", validation_epoch=None)


def _delta(plan: CellPlan) -> float:
    """Radius of attraction of a plan, the loss's default where it sets none."""
    loss = build_loss(load_target(plan.loss, plan.target), plan.hyperparameters, num_classes=2, embedding_dim=2)
    return float(loss.delta)  # type: ignore[arg-type]


_CHANGES: dict[str, Callable[[CellPlan, float], Hyperparameters]] = {
    "proxies_per_class": lambda _, value: {"proxies_per_class": int(value)},
    "alpha": lambda _, value: {"alpha": value},
    "delta": lambda _, value: {"delta": value, "delta_repulsion": None},
    "reach": lambda plan, value: {"delta_repulsion": _delta(plan) + value},
}
