"""Proxies are found by their shape and put in place; nothing else is touched."""

import pytest
import torch
from torch import nn

import pfml
from baselines.cpml import CPMLLoss
from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.triplet import TripletLoss
from suite.losses.influence.proxies import MOST_CENTRES, place_proxies, unplaced

PLACES = nn.functional.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("cls", [pfml.PotentialFieldLoss, CPMLLoss])
def test_several_proxies_a_class(cls, count):
    loss = cls(5, 8, count)
    assert place_proxies(loss, PLACES) == 5 * count
    assert torch.allclose(loss.proxies, PLACES[loss.proxy_labels], atol=1e-6)


def test_one_proxy_a_class_and_none():
    loss = ProxyAnchorLoss(5, 8)
    assert place_proxies(loss, PLACES) == 5
    assert torch.allclose(loss.proxies, PLACES, atol=1e-6)
    assert place_proxies(TripletLoss(), PLACES) == 0
    assert place_proxies(pfml.PotentialFieldLoss(5, 8, 0), PLACES) == 0


class Columns(nn.Module):
    """Proxies in columns, a margin a class, and a map that holds no proxies."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 10))
        self.margins = nn.Parameter(torch.zeros(5))
        self.map = nn.Parameter(torch.zeros(8, 8))


def test_columns_count_too_and_other_parameters_do_not():
    loss = Columns()
    assert place_proxies(loss, PLACES) == 10
    assert torch.equal(loss.weight.T, PLACES.repeat_interleave(2, dim=0))
    assert not loss.margins.any()
    assert not loss.map.any()


def test_declared_labels_of_proxies_win():
    loss = Columns()
    loss.register_buffer("proxy_labels", torch.arange(5).repeat(2))
    place_proxies(loss, PLACES)
    assert torch.equal(loss.weight.T, PLACES.repeat(2, 1))


def test_centres_in_a_buffer_are_placed_and_a_memory_is_not():
    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("centres", torch.zeros(2 * 3, 5))
            self.register_buffer("memory", torch.zeros(3 * (MOST_CENTRES + 1), 5))
            self.register_buffer("counts", torch.zeros(3, 5, dtype=torch.int64))

    loss, places = Both(), torch.eye(5)[:3]
    assert place_proxies(loss, places) == 6
    assert torch.equal(loss.centres, places.repeat_interleave(2, dim=0))
    assert not loss.memory.any()
    assert not loss.counts.any()


def test_what_may_be_proxies_and_has_no_shape_of_them_is_named():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.more = torch.nn.Parameter(torch.zeros(4, 5))
            self.proxies = torch.nn.Parameter(torch.zeros(3, 5))
            self.margins = torch.nn.Parameter(torch.zeros(4))

    assert unplaced(Odd(), 3, 5) == ["more"]
