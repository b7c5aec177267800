"""One run on views: what it shares with the frozen regime, what learns, pairing over losses, failures as results."""

import numpy as np
import pytest
import torch
from torch import nn

from suite.data.noise import corrupt
from suite.errors import SuiteError
from suite.settings.plans import Run
from suite.training.finetuned import run as run_module
from suite.training.finetuned.run import evaluate, fit, run_finetuned
from suite.training.run.frozen import run_frozen
from tests.helpers.synthetic import RECIPE, frozen_plan, make_features, own_loss
from tests.helpers.views import FINETUNED_RECIPE, finetuned_plan, made_up_views

PROXY_ANCHOR = ("proxy_anchor", "baselines.proxy_anchor:ProxyAnchorLoss")
FEATURES = make_features()
TRAINING = FEATURES.training()[1]


def blocks():
    """Blocks that learn, with the same weights each time."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Flatten())


def outcome(plan, level=0.2, seed=0, views=None, keeps_embeddings=False):
    return run_finetuned(Run(plan, level, seed, keeps_embeddings), views or made_up_views(blocks()))


@pytest.mark.parametrize("loss", [("contrastive", "pytorch_metric_learning.losses:ContrastiveLoss"), PROXY_ANCHOR])
def test_where_no_block_learns_it_is_the_frozen_regime_bit_by_bit(loss):
    """An oracle: the maps are the features, and nothing but the embedding layer and the proxies can learn."""
    mine = outcome(finetuned_plan(*loss), views=made_up_views(), keeps_embeddings=True)
    theirs = run_frozen(Run(frozen_plan(*loss), 0.2, 0, keeps_embeddings=True), FEATURES)
    assert mine.curve == theirs.curve
    assert mine.found == theirs.found
    assert (mine.noise_sha256, mine.noise_realised) == (theirs.noise_sha256, theirs.noise_realised)
    for name, array in theirs.embeddings.items():
        assert np.array_equal(mine.embeddings[name], array), name


def test_blocks_learn_at_their_share_of_the_rate():
    def moved(share):
        views = made_up_views(blocks())
        recipe = FINETUNED_RECIPE.model_copy(update={"backbone_rate": share})
        network, _ = fit(finetuned_plan(recipe=recipe), views, np.arange(len(TRAINING)), TRAINING, 0, 20)
        after, before = network.blocks[0].weight, blocks()[0].weight
        return float((after - before).detach().abs().max())

    assert moved(0.0) == 0.0
    assert 0.0 < moved(0.01) < moved(0.1)


def test_in_warm_up_epochs_the_blocks_stand_and_the_embedding_layer_learns():
    recipe = FINETUNED_RECIPE.model_copy(update={"epochs": 3, "warm_up_epochs": 2})
    plan, heads, moved = finetuned_plan(*PROXY_ANCHOR, recipe=recipe), [], []

    def after_epoch(_epoch, _value, network):
        heads.append(network.head.layers[0].weight.detach().clone())
        moved.append(not torch.equal(network.blocks[0].weight, blocks()[0].weight))

    network, _ = fit(plan, made_up_views(blocks()), np.arange(len(TRAINING)), TRAINING, 0, 20, after_epoch)
    assert moved == [False, False, True]
    assert not torch.equal(heads[0], heads[1])
    assert all(parameter.requires_grad for parameter in network.blocks.parameters())


def test_warm_up_epochs_are_those_of_blocks_that_never_learn():
    """An oracle: the other parameters move as they do where the blocks' rate is 0, from the first step to the last."""
    curves = [
        outcome(finetuned_plan(*PROXY_ANCHOR, recipe=FINETUNED_RECIPE.model_copy(update=changed))).curve
        for changed in ({"warm_up_epochs": FINETUNED_RECIPE.epochs}, {"backbone_rate": 0.0}, {"backbone_rate": 0.5})
    ]
    assert curves[0] == curves[1] != curves[2]


def test_a_run_leaves_the_pretrained_blocks_as_they_are():
    views = made_up_views(blocks())
    first = outcome(finetuned_plan(), views=views)
    assert all(torch.equal(a, b) for a, b in zip(views.blocks.parameters(), blocks().parameters(), strict=True))
    assert outcome(finetuned_plan(), views=views).curve == first.curve


@pytest.fixture
def watched(monkeypatch):
    """What ``run_epochs`` was given: initial weights, inputs, given labels."""
    seen = []
    run_epochs = run_module.run_epochs

    def watching(epochs, batches, objective, *rest):
        cells = dict(zip(objective.__code__.co_freevars, objective.__closure__, strict=True))
        network = cells["network"].cell_contents
        weights = torch.cat([p.detach().flatten().clone() for p in network.parameters()])
        given = []

        def noting(epoch):
            for batch in batches(epoch):
                given.append(batch)
                yield batch

        run_epochs(epochs, noting, objective, *rest)
        inputs, labels, rows = (torch.cat([part.flatten() for part in parts]) for parts in zip(*given, strict=True))
        seen.append((weights, inputs, labels, rows))

    monkeypatch.setattr(run_module, "run_epochs", watching)
    return seen


def test_losses_see_the_same_network_views_batches_and_noise(watched):
    noisy = made_up_views(blocks(), noise=1.0)
    outcome(finetuned_plan(), views=noisy)
    outcome(finetuned_plan(*PROXY_ANCHOR), views=noisy)
    outcome(finetuned_plan(), seed=1, views=noisy)
    first, second, other_seed = watched
    for mine, theirs, unpaired in zip(first, second, other_seed, strict=True):
        assert torch.equal(mine, theirs)
        assert not torch.equal(mine, unpaired)


def test_every_view_is_shown_and_labels_are_the_given_ones(watched):
    views = made_up_views(blocks(), count=2, noise=1.0)
    outcome(finetuned_plan(), 0.4, views=views)
    _, inputs, labels, rows = watched[0]
    shown = inputs.view(-1, 16).numpy().astype(np.float16)
    training = views.training_rows
    numbers = []
    for row, image in zip(rows.numpy(), shown, strict=True):
        candidates = [views.maps[0][training[row]], views.maps[1][row], views.maps[2][row]]
        numbers.append([np.array_equal(candidate.ravel(), image) for candidate in candidates].index(True))
    assert min(np.bincount(numbers, minlength=3)) > 0.2 * len(numbers)
    assert np.array_equal(labels.numpy(), corrupt(TRAINING, "emoji", "symmetric", 0.4, 0).labels[rows.numpy()])


def test_test_images_are_judged_plain_by_their_true_labels():
    views = made_up_views(blocks(), noise=1.0)
    found = outcome(finetuned_plan(), 0.4, views=views)
    network, _ = fit(
        finetuned_plan(),
        views,
        np.arange(len(TRAINING)),
        corrupt(TRAINING, "emoji", "symmetric", 0.4, 0).labels,
        0,
        20,
    )
    assert found.found == evaluate(network, views, views.test_rows, views.labels[views.test_rows])
    assert found.more == {"views_sha256": "views"}


def test_what_the_validation_epoch_had_is_kept():
    def at(epoch):
        plan = finetuned_plan()
        return outcome(type(plan)(**plain(plan) | {"validation_epoch": epoch})).validation_epoch

    def plain(plan):
        return {name: getattr(plan, name) for name in plan.as_dict()}

    last = outcome(finetuned_plan()).found
    assert at(RECIPE.epochs) == {"epoch": RECIPE.epochs, "metrics": last.metrics}
    assert at(1)["metrics"] != last.metrics


def test_a_nan_and_a_collapse_are_results(workplace):
    nan = own_loss("return value * float('nan')")
    found = outcome(finetuned_plan("own", nan))
    assert (found.found, found.failure) == (None, "the loss became nan in epoch 1")
    flat = nn.Sequential(nn.Flatten(), nn.Threshold(1e9, 0.0))
    assert outcome(finetuned_plan(), views=made_up_views(flat)).failure == "the embeddings collapsed to one point"


def test_fewer_classes_than_a_batch_needs_are_refused():
    with pytest.raises(SuiteError, match="classes_per_batch = 5: only 3 classes have images"):
        fit(finetuned_plan(), made_up_views(), np.arange(18), TRAINING[:18], 0, 3)
