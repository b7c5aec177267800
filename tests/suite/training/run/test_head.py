"""The head: unit rows, standardised features, paired initialisation."""

import torch

from suite.training.run.frozen import Head


def head(features, seed=0, hidden_dim=0):
    return Head(features, 4, hidden_dim, torch.Generator().manual_seed(seed))


def test_rows_have_unit_norm():
    features = torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    for hidden_dim in (0, 5):
        assert torch.allclose(head(features, 0, hidden_dim)(features).norm(dim=1), torch.ones(20))


def test_shift_and_scale_of_the_features_do_not_matter():
    features = torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    moved = 50 * features + 7
    assert torch.allclose(head(features)(features), head(moved)(moved), atol=1e-5)


def test_the_generator_alone_decides_on_the_weights():
    features = torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(1)
    first = head(features)
    torch.manual_seed(2)
    second, other = head(features), head(features, seed=1)
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, other.layers[0].weight)


def test_constant_features_give_finite_embeddings():
    features = torch.ones(5, 6)
    assert torch.isfinite(head(features)(features)).all()
