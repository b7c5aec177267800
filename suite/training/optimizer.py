"""AdamW on a cosine schedule, through torch's functional form.

AdamW: Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019), with the usual moments (.9, .999). The class
``torch.optim.AdamW`` imports torch's compiler on first use, which takes as long as importing torch itself, in every stage;
the functional form computes the same without it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass
class ParameterGroup:
    """Parameters that share a learning rate and a weight decay, with AdamW's moments of them."""

    parameters: list[nn.Parameter]
    learning_rate: float
    weight_decay: float
    _means: list[Tensor] = field(init=False)
    _squares: list[Tensor] = field(init=False)
    _steps: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self._means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self.parameters]

    def step(self, share: float) -> None:
        """One step at ``share`` of the learning rate; parameters without a gradient stay."""
        used = [i for i, parameter in enumerate(self.parameters) if parameter.grad is not None]
        adamw(
            [self.parameters[i] for i in used],
            [gradient for i in used if (gradient := self.parameters[i].grad) is not None],
            [self._means[i] for i in used],
            [self._squares[i] for i in used],
            [],
            [self._steps[i] for i in used],
            fused=True,
            amsgrad=False,
            beta1=_BETA1,
            beta2=_BETA2,
            lr=share * self.learning_rate,
            weight_decay=self.weight_decay,
            eps=_EPSILON,
            maximize=False,
        )


class CosineAdamW:
    """AdamW whose learning rates fall from their full value at the first step to almost zero at the last.

    The share at step t of T (from 0) is (1 + cos(pi t / T)) / 2: Loshchilov & Hutter, "SGDR" (ICLR 2017), Eq. 5, one cycle.

    Args:
        groups: groups of parameters; those without any are allowed.
        total_steps: T, at least 1.
    """

    def __init__(self, groups: Sequence[ParameterGroup], total_steps: int) -> None:
        self.groups = list(groups)
        self._total_steps = total_steps
        self._taken = 0

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters by their gradients, then forget the gradients."""
        share = 0.5 * (1 + math.cos(math.pi * self._taken / self._total_steps))
        for group in self.groups:
            group.step(share)
            for parameter in group.parameters:
                parameter.grad = None
        self._taken += 1
