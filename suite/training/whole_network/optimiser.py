"""A published recipe's optimiser: Adam or AdamW, clipping by value, constant or stepwise learning rates.

``adam`` couples weight decay to the gradient (Kingma & Ba, ICLR 2015, with L2 regularisation), ``adamw`` decouples it
(Loshchilov & Hutter, ICLR 2019); both are torch's, with its moments (.9, .999).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.settings.paper_recipes import RecipeSettings, Schedule

_CLASSES: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class RecipeOptimizer:
    """Moves the parameters of a network and, at their own learning rate, those of its loss.

    Args:
        network: all its parameters share one learning rate and weight decay.
        loss: its parameters are proxies.
        settings: of the recipe.
        steps_per_epoch: steps that make an epoch, in which the schedule may count.

    Raises:
        SuiteError: the loss has proxies and the recipe has no learning rate for them.
    """

    def __init__(self, network: nn.Module, loss: nn.Module, settings: RecipeSettings, steps_per_epoch: int) -> None:
        chosen = settings.optimiser
        groups = [_group(network.parameters(), chosen.learning_rate, chosen.weight_decay)]
        proxies = list(loss.parameters())
        if proxies:
            if chosen.proxy_learning_rate_factor is None:
                raise SuiteError(
                    f"optimiser.proxy_learning_rate_factor = null: loss {settings.loss.name} has proxies; "
                    "allowed: numbers above 0"
                )
            rate = chosen.learning_rate * chosen.proxy_learning_rate_factor
            groups.append(_group(proxies, rate, chosen.weight_decay if chosen.decay_proxies else 0.0))
        self._torch = _CLASSES[chosen.name](groups, lr=chosen.learning_rate)
        self._full_rates = [float(group["lr"]) for group in groups]
        self._clip = chosen.clip_gradient_value
        self._schedule = settings.schedule
        self._steps_per_epoch = steps_per_epoch
        self._taken = 0

    def step(self) -> None:
        """Move all parameters that have a gradient, then forget the gradients."""
        share = learning_rate_share(self._schedule, self._taken, self._steps_per_epoch)
        for group, rate in zip(self._torch.param_groups, self._full_rates, strict=True):
            group["lr"] = share * rate
        if self._clip is not None:
            nn.utils.clip_grad_value_(self._parameters(), self._clip)
        self._torch.step()
        self._torch.zero_grad(set_to_none=True)
        self._taken += 1

    def state_dict(self) -> dict[str, Any]:
        """Moments and number of steps: plain data and tensors."""
        return {"taken": self._taken, "torch": self._torch.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._taken = state["taken"]
        self._torch.load_state_dict(state["torch"])

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self._torch.param_groups for parameter in group["params"]]


def learning_rate_share(schedule: Schedule, taken: int, steps_per_epoch: int) -> float:
    """The share of the full learning rates at a step.

    Args:
        schedule: ``step`` multiplies by ``gamma`` after each ``step`` units, which are epochs or steps.
        taken: steps before this one.
        steps_per_epoch: steps that make an epoch.
    """
    if schedule.step is None or schedule.gamma is None:
        return 1.0
    units = taken if schedule.unit == "iterations" else taken // steps_per_epoch
    return float(schedule.gamma ** (units // schedule.step))


def _group(parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> dict[str, Any]:
    return {"params": list(parameters), "lr": learning_rate, "weight_decay": weight_decay}
