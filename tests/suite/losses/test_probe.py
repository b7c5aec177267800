"""The probe: one batch through a loss before anything is trained."""

import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.losses.build import scalar
from suite.losses.probe import probe


class Loss(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, embeddings, labels):
        return self.value(embeddings, labels)


def test_it_sees_unit_embeddings_and_labels_in_range():
    seen = []

    def value(embeddings, labels):
        seen.append((embeddings, labels))
        return embeddings.sum()

    probe("params.yaml: losses.x", Loss(value), 2, 5)
    embeddings, labels = seen[0]
    assert embeddings.shape == (6, 5)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(6))
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda e, y: e.sum() * float("inf"), "gave -?inf; allowed are finite values"),
        (lambda e, y: None, "gave NoneType; allowed is a scalar tensor"),
        (lambda e, y: e.sum(dim=1), r"gave a tensor of shape \(12,\)"),
        (lambda e, y: torch.tensor(1.0), "does not depend on the embeddings"),
        (lambda e, y: torch.ones(1, requires_grad=True).sum(), "gave a gradient that is not finite"),
        (lambda e, y: (e * 0).norm(dim=1).sqrt().sum(), "gave a gradient that is not finite"),
        (lambda e, y: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
)
def test_refused(value, message):
    with pytest.raises(
        SuiteError, match=r"^params\.yaml: losses\.x: on a batch of 12 unit embeddings the loss " + message
    ):
        probe("params.yaml: losses.x", Loss(value), 9, 4)


def test_scalar_gives_the_tensor_itself():
    value = torch.tensor(2.0)
    assert scalar(value, "here") is value


class Lazy(nn.Module):
    """Makes its proxies in the first forward: the optimiser, which was made before, never sees them."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        if kind == "replaced":
            self.proxies = nn.Parameter(torch.zeros(4, 5))
        if kind == "lazy layer":
            self.layer = nn.LazyLinear(3)

    def forward(self, embeddings, labels):
        if self.kind in ("made", "replaced"):
            self.proxies = nn.Parameter(torch.ones(4, 5))
        weight = self.layer(embeddings).sum() if self.kind == "lazy layer" else (embeddings @ self.proxies.T).sum()
        return weight + embeddings.sum()


@pytest.mark.parametrize("kind", ["made", "replaced", "lazy layer"])
def test_parameters_that_are_made_in_forward_are_refused(kind):
    with pytest.raises(SuiteError, match="a parameter in forward, which is never trained; make it in the constructor"):
        probe("params.yaml: losses.x", Lazy(kind), 4, 5)


class Bank(nn.Module):
    """Has a row for each image of the training set."""

    def __init__(self, images):
        super().__init__()
        self.register_buffer("weights", torch.ones(images))

    def forward(self, embeddings, labels, *, indices):
        return (self.weights[indices, None] * embeddings).sum()


def test_a_memory_is_asked_for_the_last_image():
    probe("params.yaml: losses.x", Bank(900), 4, 5, 900)
    told = (
        r"losses\.x: on a batch of 12 unit embeddings, indices up to 900, the loss raised IndexError: index 900 is out"
    )
    with pytest.raises(SuiteError, match=told):
        probe("params.yaml: losses.x", Bank(900), 4, 5, 901)
