"""Values of papers by the size of a data set's classes."""

import pytest
from torch import nn

from suite.errors import SuiteError
from suite.losses.paper_values import paper_values, undisclosed
from suite.losses.probe import probe
from suite.losses.registry import BUILT_IN, LossEntry, find_loss
from suite.settings.params import LossSettings


def entry(name):
    """A built-in loss."""
    return find_loss(name, LossSettings())


@pytest.mark.parametrize(("images", "proxies"), [(5.3, 2), (16.9, 2), (17, 15), (58.6, 15)])
def test_pfml_takes_its_number_of_proxies_by_the_size_of_classes(images, proxies):
    values = paper_values(entry("pfml"), images)
    assert values == {
        "alpha": 3.0,
        "delta": 0.2,
        "proxies_per_class": proxies,
        "learning_rate": 5e-4,
        "proxy_learning_rate": 5e-2,
    }


WITHOUT_VALUES = {"cpml", "smooth_proxy_anchor", "pfml_constant_force", "pfml_growing_force", "pfml_two_radii"}
WITHOUT_RATES = {  # those of the paper go with another optimiser, another task or batches of another kind
    "proxy_nca_pp",
    "sub_center_arcface",
    "super_loss",
    "recall_at_k",
    "supcon",
    "circle",
    "normalized_softmax",
}


@pytest.mark.parametrize("images", [5, 50])
@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in WITHOUT_VALUES])
def test_values_of_a_paper_build_a_loss_that_trains(name, images):
    values = paper_values(entry(name), images)
    assert ("learning_rate" in values) == (name not in WITHOUT_RATES)
    probe(name, entry(name).build(values, num_classes=4, embedding_dim=8), 4, 8)


@pytest.mark.parametrize("name", sorted(WITHOUT_VALUES))
def test_a_loss_whose_paper_gives_no_values_says_so(name):
    assert paper_values(entry(name), 5) is None
    assert undisclosed(entry(name))[0].startswith(("everything", "values"))


class Own(nn.Module):
    """A loss of one hyper-parameter."""

    def __init__(self, weight=1.0):
        super().__init__()


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"wieght": 1.0},
            r"x:Own: paper_values: wieght is no hyper-parameter of loss own; allowed: weight, learning_rate",
        ),
        (
            {"weight": {"large": 1}},
            r"x:Own: paper_values\.weight = \{'large': 1\}: allowed is one value, or a mapping of large",
        ),
    ],
)
def test_a_wrong_declaration_is_refused(declared, message, monkeypatch):
    monkeypatch.setattr(Own, "paper_values", declared, raising=False)
    with pytest.raises(SuiteError, match=message):
        paper_values(LossEntry("own", "x:Own", Own, "digest"), 5)
