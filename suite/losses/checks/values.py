"""Checks of values and gradients: on ordinary batches, on odd ones, and along a short descent."""

import torch
from torch.nn.functional import normalize

from suite.losses.checks import batches
from suite.losses.checks.batches import Batch
from suite.losses.checks.subject import Broken, Subject
from suite.randomness import torch_seed

_STEPS, _STEP = 60, 0.03
_MOST_RISE = 1.001


def _ordinary() -> list[Batch]:
    return [batches.typical(), batches.crowded(), batches.separated()]


def gives_a_scalar(subject: Subject) -> str:
    """One number a batch, as a tensor of shape ()."""
    batch = batches.typical()
    value = subject.build()(batch.embeddings.clone().requires_grad_() * 1, batch.labels)
    if not isinstance(value, torch.Tensor):
        raise Broken(f"it gives {type(value).__name__}, no tensor")
    if value.ndim or not value.is_floating_point():
        raise Broken(f"it gives a tensor of shape {tuple(value.shape)} and type {value.dtype}")
    return f"{value.item():.4g} on {batch.name}"


def is_finite(subject: Subject) -> str:
    """Finite values and gradients, early, in the middle and late in training."""
    values = [f"{subject.evaluate(batch).value:.4g} on {batch.name}" for batch in _ordinary()]
    return ", ".join(values)


def moves_the_embeddings(subject: Subject) -> str:
    """A gradient on the embeddings that is not zero everywhere."""
    sizes = [subject.evaluate(batch).gradient.norm().item() for batch in _ordinary()]
    if max(sizes) == 0:
        raise Broken("the gradient on the embeddings is zero on all ordinary batches")
    return f"gradient of size {max(sizes):.3g}"


def moves_its_parameters(subject: Subject) -> str:
    """A gradient, not zero everywhere, on each parameter that wants one."""
    names = [name for name, parameter in subject.build().named_parameters() if parameter.requires_grad]
    if not names:
        return "it has none"
    reached = set()
    for batch in _ordinary():
        parameters = subject.evaluate(batch).loss.named_parameters()
        reached |= {name for name, p in parameters if p.grad is not None and bool(p.grad.any())}
    if missing := [name for name in names if name not in reached]:
        raise Broken(f"no gradient reaches {', '.join(missing)}")
    return ", ".join(names)


def descends(subject: Subject) -> str:
    """Steps against the gradient bring a class together relative to the others."""
    batch = batches.typical()
    loss = subject.build()
    raw = batch.embeddings.clone().requires_grad_()
    optimizer = torch.optim.Adam([raw, *(p for p in loss.parameters() if p.requires_grad)], lr=_STEP)
    before = _spread(batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed("checks", "descent"))
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss(normalize(raw, dim=1), batch.labels).backward()
            optimizer.step()
    after = _spread(Batch(batch.name, normalize(raw.detach(), dim=1), batch.labels))
    text = f"distance within classes over distance between them: {before:.3f} before, {after:.3f} after {_STEPS} steps"
    if not after < before * _MOST_RISE:
        raise Broken(text)
    return text


def _spread(batch: Batch) -> float:
    distances = torch.cdist(batch.embeddings, batch.embeddings)
    same = batch.labels[:, None] == batch.labels
    others = ~torch.eye(len(same), dtype=torch.bool)
    return (distances[same & others].mean() / distances[~same].mean()).item()


def survives_one_class(subject: Subject) -> str:
    """A batch without negatives."""
    return _survives(subject, [batches.one_class()])


def survives_strangers(subject: Subject) -> str:
    """A batch without positives."""
    return _survives(subject, [batches.strangers()])


def survives_pairs(subject: Subject) -> str:
    """Batches of two images."""
    return _survives(subject, batches.pairs())


def survives_duplicates(subject: Subject) -> str:
    """Equal embeddings, where distances are zero and have no derivative."""
    return _survives(subject, batches.duplicated())


def survives_absent_classes(subject: Subject) -> str:
    """A batch that lacks most classes."""
    return _survives(subject, [batches.few_classes()])


def _survives(subject: Subject, these: list[Batch]) -> str:
    return ", ".join(f"{subject.evaluate(batch).value:.4g} on {batch.name}" for batch in these)
