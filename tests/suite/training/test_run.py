"""One run: pairing over losses, failures as results, labels of the test classes, learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from suite.config.settings import Recipe
from suite.datasets.noise import corrupt
from suite.evaluation.retrieval import retrieval_metrics
from suite.features.store import Features
from suite.losses.registry import load_target
from suite.training import run as run_module
from suite.training.head import Head
from suite.training.loop import TrainingFailure
from suite.training.run import Run, evaluate, fit, run_seed
from tests.suite.synthetic import RECIPE, cell_plan, make_features, own_loss

FEATURES = make_features()


def nothing(seed, epoch):
    """A report that goes nowhere."""


def outcome(plan, level=0.2, seed=0, features=FEATURES):
    return run_seed(Run(plan, "symmetric", level, seed), features, nothing)


@pytest.fixture
def watched(monkeypatch):
    """What ``train`` was given: initial weights, batches, given labels."""
    seen = []
    train = run_module.train

    def watching(head, loss, fetch, labels, sampler, *rest):
        weights = torch.cat([p.detach().flatten().clone() for p in head.parameters()])
        batches = []

        def fetching(rows):
            batches.append(rows.copy())
            return fetch(rows)

        train(head, loss, fetching, labels, sampler, *rest)
        seen.append((weights.numpy(), np.concatenate(batches), labels.numpy()))

    monkeypatch.setattr(run_module, "train", watching)
    return seen


def test_losses_see_the_same_head_batches_and_noise(watched):
    outcome(cell_plan())
    outcome(cell_plan("proxy_anchor", "baselines.proxy_anchor:ProxyAnchorLoss"))
    outcome(cell_plan(), seed=1)
    first, second, other_seed = watched
    for mine, theirs, unpaired in zip(first, second, other_seed, strict=True):
        assert np.array_equal(mine, theirs)
        assert not np.array_equal(mine, unpaired)


def test_noise_reaches_the_training_labels_alone(watched):
    record = outcome(cell_plan(), 0.4).record
    true = FEATURES.training()[1]
    corruption = corrupt(true, "emoji", "symmetric", 0.4, 0)
    assert np.array_equal(watched[0][2], corruption.labels)
    assert record["noise_realised"] == corruption.realised == round(0.4 * len(true)) / len(true)
    assert record["noise_sha256"] == corruption.sha256


def test_test_labels_are_the_true_ones(monkeypatch):
    seen = []

    def watching(head, features, labels):
        seen.append((features, labels))
        return evaluate(head, features, labels)

    monkeypatch.setattr(run_module, "evaluate", watching)
    outcome(cell_plan(), 0.4)
    for mine, stored in zip(seen[0], FEATURES.test(), strict=True):
        assert np.array_equal(mine, stored)


def test_test_classes_do_not_change_the_trained_head():
    """Other test features and other test labels give the same training: the same curve and the same weights."""
    rng = np.random.default_rng(5)
    test = FEATURES.labels >= 20
    vectors, labels = FEATURES.features.copy(), FEATURES.labels.copy()
    vectors[test] = rng.normal(size=vectors[test].shape)
    labels[test] = rng.permutation(labels[test])
    other = Features(vectors, labels, "data")
    mine, theirs = outcome(cell_plan()), outcome(cell_plan(), features=other)
    assert mine.curve == theirs.curve
    assert mine.record["metrics"] != theirs.record["metrics"]


def test_the_same_run_gives_the_same_record():
    first, second = outcome(cell_plan()), outcome(cell_plan())
    assert first.record == second.record
    assert first.curve == second.curve
    assert len(first.curve) == RECIPE.epochs


def test_the_loop_learns():
    untrained = Head(torch.from_numpy(FEATURES.training()[0]), 8, 0, generator=torch.Generator().manual_seed(0))
    before = evaluate(untrained, *FEATURES.test())["recall_at_1"]
    recipe = Recipe(**RECIPE.model_dump() | {"epochs": 25})
    losses = {
        "contrastive": cell_plan(recipe=recipe),
        "pfml": cell_plan("pfml", "pfml:PotentialFieldLoss", recipe, delta=1.0, proxies_per_class=1),
    }
    for name, plan in losses.items():
        assert outcome(plan, 0).record["metrics"]["recall_at_1"] > before + 0.1, name


def test_metrics_are_those_of_the_trained_head():
    plan = cell_plan()
    vectors, labels = FEATURES.training()
    head, _ = fit(plan, load_target(plan.loss, plan.target), vectors, labels, 0, 20)
    with torch.inference_mode():
        embeddings = head(torch.from_numpy(FEATURES.test()[0])).numpy()
    assert outcome(plan, 0).record["metrics"] == retrieval_metrics(embeddings, FEATURES.test()[1])


def test_a_nan_in_epoch_2_is_a_failed_record(workplace):
    # 120 training images, batches of 15: 8 batches an epoch.
    plan = cell_plan("own", own_loss("return value * (float('nan') if self.calls == 9 else 1)"))
    found = outcome(plan)
    assert found.record["status"] == "failed"
    assert found.record["failure"] == "the loss became nan in epoch 2"
    assert found.record["metrics"] == {}
    assert len(found.curve) == 1


def test_a_collapse_is_a_failed_record():
    alike = Features(np.ones_like(FEATURES.features), FEATURES.labels, "data")
    record = outcome(cell_plan(), features=alike).record
    assert (record["status"], record["failure"]) == ("failed", "the embeddings collapsed to one point")
    assert record["metrics"] == {}


def test_embeddings_on_one_point_or_not_finite_are_failures():
    labels = np.repeat(np.arange(3), 4)
    vectors = np.ones((12, 3), np.float32)
    with pytest.raises(TrainingFailure, match="collapsed to one point"):
        evaluate(torch.nn.Identity(), vectors, labels)
    vectors[3, 1] = np.nan
    with pytest.raises(TrainingFailure, match="not finite"):
        evaluate(torch.nn.Identity(), vectors, labels)


def test_config_digest_covers_plan_noise_and_seed():
    plan = cell_plan()
    runs = [
        (plan, 0.2, 0),
        (plan, 0.2, 1),
        (plan, 0.4, 0),
        (replace(plan, hyperparameters={"pos_margin": 0.1}), 0.2, 0),
    ]
    digests = {outcome(*run).record["config_sha256"] for run in runs}
    assert len(digests) == len(runs)
