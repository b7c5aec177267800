"""One evaluation of a loss on a random batch, before anything is trained with it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.errors import SuiteError
from suite.losses.build import offered_to, scalar
from suite.processes import guarded

_IMAGES = 35
"""In the training set of the evaluation, where it is no matter how many."""


def ask(
    place: str, loss: nn.Module, num_classes: int, embedding_dim: int, images: int = _IMAGES
) -> tuple[Tensor, Tensor, str]:
    """Evaluate a loss once; gives its value, the embeddings (12, D), and how to name the evaluation.

    Args:
        place: what names the loss, for messages.
        loss: it.
        num_classes: number of training classes.
        embedding_dim: D.
        images: number of training images; a loss that asks for ``indices`` is shown the first and the last.

    Raises:
        SuiteError: it raises something or gives no finite scalar.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(min(4, num_classes)).repeat_interleave(3)
    raw = torch.randn(len(labels), embedding_dim, generator=generator)
    embeddings = functional.normalize(raw, dim=1).requires_grad_()
    rows = torch.linspace(0, images - 1, len(labels), dtype=torch.float64).long()
    given = offered_to(loss)(rows, 1)
    of = f", indices up to {images - 1}," if "indices" in given else ""
    where = f"{place}: on a batch of {len(labels)} unit embeddings{of} the loss"
    made_before = {id(parameter) for parameter in loss.parameters()}
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in loss.parameters()):
        raise SuiteError(f"{where} makes a parameter in forward, which is never trained; make it in the constructor")
    with guarded(where):
        value = loss(embeddings, labels, **given)
    if {id(parameter) for parameter in loss.parameters()} != made_before:
        raise SuiteError(f"{where} made a parameter in forward, which is never trained; make it in the constructor")
    value = scalar(value, where)
    if not torch.isfinite(value):
        raise SuiteError(f"{where} gave {value.item()}; allowed are finite values")
    return value, embeddings, where


def probe(place: str, loss: nn.Module, num_classes: int, embedding_dim: int, images: int = _IMAGES) -> None:
    """Check that a loss gives a finite scalar whose gradient reaches the embeddings and is finite.

    Args:
        place: what names the loss, for messages.
        loss: it.
        num_classes: number of training classes.
        embedding_dim: of the embeddings.
        images: number of training images.

    Raises:
        SuiteError: it does not; the message says what it gave instead.
    """
    value, embeddings, where = ask(place, loss, num_classes, embedding_dim, images)
    if not value.requires_grad:
        raise SuiteError(f"{where} does not depend on the embeddings; allowed is a value with a gradient")
    with guarded(f"{where}, in its backward pass,"):
        torch.autograd.backward(value)
    if embeddings.grad is None or not torch.isfinite(embeddings.grad).all():
        raise SuiteError(f"{where} gave a gradient that is not finite; allowed are finite gradients")
