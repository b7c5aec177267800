"""Checks of values and gradients: on ordinary batches and on odd ones."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from itertools import product

import torch
from torch import nn
from torch.nn import functional

from suite.losses.checks import batches
from suite.losses.checks.batches import Batch, ordinary
from suite.losses.checks.subject import Broken, Subject, check_arguments, evaluate, given_to, raising

FEW = 0.01
"""Share of pairs below which hardly any are at work."""
_AGAINST = -0.3
"""Cosine below which gradients oppose each other."""
_MOST_TOLD = 3
_OF_MODULES = set(vars(nn.Module()))
"""What torch itself keeps in a module."""
_BOUNDS = {"bounded"}
"""Shares that may well be zero."""


def gives_a_scalar(subject: Subject) -> str:
    """One number a batch, as a tensor of shape (), from arguments that the suite gives."""
    batch, loss = batches.typical(subject.dim), subject.build()
    check_arguments(loss)
    with raising(f"on {batch.name}"):
        value = loss(batch.embeddings.clone().requires_grad_() * 1, batch.labels.clone(), **given_to(loss, batch))
    if not isinstance(value, torch.Tensor):
        raise Broken(f"it gives {type(value).__name__}, no tensor")
    if value.ndim or not value.is_floating_point():
        raise Broken(f"it gives a tensor of shape {tuple(value.shape)} and type {value.dtype}")
    if "epoch" in given_to(loss, batch):
        for epoch in (1, batches.LATE):
            with raising(f"on {batch.name} in epoch {epoch}"):
                subject.build()(batch.embeddings, batch.labels, **given_to(loss, batch, epoch))
    return f"{value.item():.4g} on {batch.name}"


def is_finite(subject: Subject) -> str:
    """Finite values and gradients, early, in the middle and late in training."""
    values = [f"{subject.evaluate(batch).value:.4g} on {batch.name}" for batch in ordinary(subject.dim)]
    if "epoch" in given_to(subject.build(), batches.typical(subject.dim)):
        for epoch in (1, batches.LATE):
            evaluate(subject.build(), batches.typical(subject.dim), epoch=epoch)
    return ", ".join(values)


def bears_full_batches(subject: Subject) -> str:
    """A batch as large as those of training: finite, and its images are moved as in a part of it, of four a class."""
    batch = batches.full(subject.dim)
    rows = torch.cat(
        [torch.where(batch.labels == label)[0][: batches.PER_CLASS] for label in range(batches.NUM_CLASSES)]
    )
    part = Batch(f"{len(rows)} of them", batch.embeddings[rows], batch.labels[rows], batch.indices[rows])
    whole, small = subject.evaluate(batch), subject.evaluate(part)
    cosine = functional.cosine_similarity(whole.gradient[rows].flatten(), small.gradient.flatten(), dim=0).item()
    if cosine < _AGAINST:
        raise Broken(f"{batch.name} moves them against what {part.name} do: cosine {cosine:.2f} of the gradients")
    return f"{whole.value:.4g} on {batch.name}; cosine {cosine:.2f} with the gradient of {part.name}"


def moves_the_embeddings(subject: Subject) -> str:
    """A gradient on the embeddings that is not zero everywhere."""
    sizes = [subject.evaluate(batch).gradient.norm().item() for batch in ordinary(subject.dim)]
    if max(sizes) == 0:
        raise Broken("the gradient on the embeddings is zero on all ordinary batches")
    return f"gradient of size {max(sizes):.3g}"


def moves_its_parameters(subject: Subject) -> str:
    """A gradient, not zero everywhere, on each parameter that wants one; it may come in a warm-up alone."""
    loss = subject.build()
    names = [name for name, parameter in loss.named_parameters() if parameter.requires_grad]
    if not names:
        return "it has none"
    reached = set()
    for batch, epoch in product(ordinary(subject.dim), (1, batches.EPOCH)):
        parameters = evaluate(subject.build(), batch, epoch=epoch).loss.named_parameters()
        reached |= {name for name, p in parameters if p.grad is not None and bool(p.grad.any())}
    if missing := [name for name in names if name not in reached]:
        raise Broken(f"no gradient reaches {', '.join(missing)}")
    return ", ".join(names)


def makes_parameters_at_once(subject: Subject) -> str:
    """The same parameters after the first forward pass as before it."""
    before = subject.build()
    lazy = [name for name, p in before.named_parameters() if isinstance(p, nn.UninitializedParameter)]
    after = subject.evaluate(batches.typical(subject.dim)).loss
    made = lazy + [name for name in dict(after.named_parameters()) if name not in dict(before.named_parameters())]
    if made:
        raise Broken(f"{', '.join(made)} is made in the first forward pass; make it in the constructor")
    return "all in the constructor"


def registers_what_learns(subject: Subject) -> str:
    """No tensor that wants a gradient, and no module, besides those that the loss knows as its own."""
    loss = subject.evaluate(batches.typical(subject.dim)).loss
    known = {id(each) for each in (*loss.parameters(), *loss.modules())}
    places = [
        (f"{module_name}.{name}".lstrip("."), value)
        for module_name, module in loss.named_modules()
        for name, value in (*vars(module).items(), *module.named_buffers(recurse=False))
        if name not in _OF_MODULES
    ]
    if hidden := dict.fromkeys(name for place, value in places for name in _hidden(place, value, known)):
        told = ", ".join([*hidden][:_MOST_TOLD]) + (", ..." if len(hidden) > _MOST_TOLD else "")
        raise Broken(f"{told}: not among its parameters; write nn.Parameter, nn.ParameterList or nn.ModuleList")
    return "all that learns is known to the optimiser"


def _hidden(place: str, value: object, known: Collection[int]) -> Iterator[str]:
    """Places of what would learn below a value, if the optimiser knew it."""
    if isinstance(value, list | tuple | Mapping):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in items:
            yield from _hidden(f"{place}[{key!r}]", each, known)
    elif isinstance(value, nn.Module):
        if id(value) not in known and any(id(each) not in known for each in value.parameters()):
            yield place
    elif isinstance(value, torch.Tensor) and value.requires_grad and value.is_leaf and id(value) not in known:
        yield place


def has_pairs_at_work(subject: Subject) -> str:
    """At least a hundredth of the pairs of each kind exerts a force, where the loss tells."""
    loss = subject.evaluate(batches.typical(subject.dim)).loss
    told = getattr(loss, "active_shares", None)
    shares = dataclasses.asdict(told) if dataclasses.is_dataclass(told) and not isinstance(told, type) else told
    if not isinstance(shares, Mapping) or not shares:
        return "it does not tell (active_shares)"
    text = ", ".join(f"{name} {100 * share:.2g} %" for name, share in shares.items())
    few = [name for name, share in shares.items() if share < FEW and name not in _BOUNDS]
    if few:
        raise Broken(f"fewer than 1 % of pairs are at work on a typical batch ({', '.join(few)}): {text}")
    return text


def survives_one_class(subject: Subject) -> str:
    """A batch without negatives."""
    return _survives(subject, [batches.one_class(subject.dim)])


def survives_strangers(subject: Subject) -> str:
    """A batch without positives."""
    return _survives(subject, [batches.strangers(subject.dim)])


def survives_pairs(subject: Subject) -> str:
    """Batches of two images."""
    return _survives(subject, batches.pairs(subject.dim))


def survives_duplicates(subject: Subject) -> str:
    """Equal embeddings, where distances are zero and have no derivative."""
    return _survives(subject, batches.duplicated(subject.dim))


def survives_absent_classes(subject: Subject) -> str:
    """A batch that lacks most classes."""
    return _survives(subject, [batches.few_classes(subject.dim)])


def _survives(subject: Subject, these: list[Batch]) -> str:
    return ", ".join(f"{subject.evaluate(batch).value:.4g} on {batch.name}" for batch in these)
