"""One run: pairing over losses, failures as results, labels of the test classes, the validation epoch, learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from suite.data.features import Features
from suite.data.noise import corrupt
from suite.evaluation.retrieval import retrieve
from suite.settings.params import Recipe
from suite.settings.plans import Run
from suite.training.run import frozen
from suite.training.run.frozen import Head, embed, evaluate, fit, run_frozen
from suite.training.run.loop import TrainingFailure
from tests.helpers.synthetic import RECIPE, frozen_plan, make_features, own_loss

FEATURES = make_features()


def outcome(plan, level=0.2, seed=0, features=FEATURES, keeps_embeddings=False):
    return run_frozen(Run(plan, level, seed, keeps_embeddings), features)


def trained_head(plan, level=0.2, epochs=RECIPE.epochs):
    """The head of seed 0 after some of its epochs: their schedule is that of the whole training."""
    vectors, labels = FEATURES.training()
    kept = []
    given = corrupt(labels, "emoji", "symmetric", level, 0).labels

    def after_epoch(epoch, value, head):
        if epoch == epochs:
            kept.append(embed(head, FEATURES.test()[0]))

    fit(plan, vectors, given, 0, 20, after_epoch)
    return kept[0]


@pytest.fixture
def watched(monkeypatch):
    """What ``train`` was given: initial weights, batches, given labels."""
    seen = []
    train = frozen.train

    def watching(head, loss, fetch, labels, sampler, *rest):
        weights = torch.cat([p.detach().flatten().clone() for p in head.parameters()])
        batches = []

        def fetching(rows):
            batches.append(rows.copy())
            return fetch(rows)

        train(head, loss, fetching, labels, sampler, *rest)
        seen.append((weights.numpy(), np.concatenate(batches), labels.numpy()))

    monkeypatch.setattr(frozen, "train", watching)
    return seen


def test_losses_see_the_same_head_batches_and_noise(watched):
    outcome(frozen_plan())
    outcome(frozen_plan("proxy_anchor", "baselines.proxy_anchor:ProxyAnchorLoss"))
    outcome(frozen_plan(), seed=1)
    first, second, other_seed = watched
    for mine, theirs, unpaired in zip(first, second, other_seed, strict=True):
        assert np.array_equal(mine, theirs)
        assert not np.array_equal(mine, unpaired)


def test_noise_reaches_the_training_labels_alone(watched):
    found = outcome(frozen_plan(), 0.4)
    true = FEATURES.training()[1]
    corruption = corrupt(true, "emoji", "symmetric", 0.4, 0)
    assert np.array_equal(watched[0][2], corruption.labels)
    assert found.noise_realised == corruption.realised == round(0.4 * len(true)) / len(true)
    assert found.noise_sha256 == corruption.sha256


def test_test_labels_are_the_true_ones(monkeypatch):
    seen = []

    def watching(head, features, labels):
        seen.append((features, labels))
        return evaluate(head, features, labels)

    monkeypatch.setattr(frozen, "evaluate", watching)
    outcome(frozen_plan(), 0.4)
    for mine, stored in zip(seen[0], FEATURES.test(), strict=True):
        assert np.array_equal(mine, stored)


def test_test_classes_do_not_change_the_trained_head():
    """Other test features and other test labels give the same training: the same curve and the same weights."""
    rng = np.random.default_rng(5)
    test = FEATURES.labels >= 20
    vectors, labels = FEATURES.features.copy(), FEATURES.labels.copy()
    vectors[test] = rng.normal(size=vectors[test].shape)
    labels[test] = rng.permutation(labels[test])
    other = Features(vectors, labels, 20, "data")
    mine, theirs = outcome(frozen_plan()), outcome(frozen_plan(), features=other)
    assert mine.curve == theirs.curve
    assert mine.found.metrics != theirs.found.metrics


def test_the_same_run_gives_the_same_outcome():
    first, second = outcome(frozen_plan()), outcome(frozen_plan())
    assert first == second
    assert len(first.curve) == RECIPE.epochs


def test_the_loop_learns():
    untrained = Head(torch.from_numpy(FEATURES.training()[0]), 8, 0, generator=torch.Generator().manual_seed(0))
    before = evaluate(untrained, *FEATURES.test()).metrics["recall_at_1"]
    recipe = Recipe(**RECIPE.model_dump() | {"epochs": 25})
    losses = {
        "contrastive": frozen_plan(recipe=recipe),
        "pfml": frozen_plan("pfml", "pfml:PotentialFieldLoss", recipe, delta=1.0, proxies_per_class=1),
    }
    for name, plan in losses.items():
        assert outcome(plan, 0).found.metrics["recall_at_1"] > before + 0.1, name


def test_metrics_are_those_of_the_trained_head():
    plan = frozen_plan()
    measured = outcome(plan, 0).found
    assert measured == retrieve(trained_head(plan, 0), FEATURES.test()[1])
    assert measured.class_queries == [6] * 20
    assert sum(measured.class_hits) / sum(measured.class_queries) == pytest.approx(measured.metrics["recall_at_1"])


def test_a_run_computes_with_one_thread():
    torch.set_num_threads(3)
    try:
        outcome(frozen_plan())
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("epoch", [1, 2])
def test_the_validation_epoch_is_evaluated_when_it_is_reached(epoch):
    plan = replace(frozen_plan(), validation_epoch=epoch)
    found = outcome(plan)
    then = retrieve(trained_head(plan, epochs=epoch), FEATURES.test()[1]).metrics
    assert found.validation_epoch == {"epoch": epoch, "metrics": then}
    assert then != found.found.metrics


def test_looking_at_the_validation_epoch_does_not_change_the_training():
    plain = outcome(frozen_plan())
    looked = outcome(replace(frozen_plan(), validation_epoch=2))
    assert plain.curve == looked.curve
    assert plain.found == looked.found
    assert plain.validation_epoch is None


def test_a_validation_epoch_that_is_the_last_one():
    found = outcome(replace(frozen_plan(), validation_epoch=RECIPE.epochs))
    assert found.validation_epoch == {"epoch": RECIPE.epochs, "metrics": found.found.metrics}


def test_embeddings_of_the_test_classes_are_kept_where_asked():
    found = outcome(frozen_plan(), keeps_embeddings=True)
    kept = found.embeddings
    vectors, labels = FEATURES.test()
    assert kept["embeddings"].dtype == np.float16
    assert np.array_equal(kept["embeddings"], trained_head(frozen_plan()).astype(np.float16))
    assert np.array_equal(kept["labels"], labels)
    assert np.array_equal(FEATURES.features[kept["rows"]], vectors)
    again = retrieve(kept["embeddings"].astype(np.float32), kept["labels"]).metrics
    assert again["map_at_r"] == pytest.approx(found.found.metrics["map_at_r"], abs=0.01)
    assert outcome(frozen_plan()).embeddings is None


def test_a_failed_run_keeps_no_embeddings(workplace):
    plan = frozen_plan("own", own_loss("return value * float('nan')"))
    found = outcome(plan, keeps_embeddings=True)
    assert found.failure
    assert {name: len(array) for name, array in found.embeddings.items()} == {"embeddings": 0, "labels": 0, "rows": 0}


def test_a_nan_in_epoch_2_is_a_failure(workplace):
    # 120 training images, batches of 15: 8 batches an epoch.
    plan = frozen_plan("own", own_loss("return value * (float('nan') if self.calls == 9 else 1)"))
    found = outcome(replace(plan, validation_epoch=1))
    assert found.failure == "the loss became nan in epoch 2"
    assert found.found is None
    assert found.validation_epoch is None
    assert len(found.curve) == 1


def test_a_collapse_at_the_validation_epoch_is_a_failure():
    """Embeddings on one point before the last epoch are no result either: what comes after them is chance."""
    alike = Features(np.ones_like(FEATURES.features), FEATURES.labels, 20, "data")
    found = outcome(replace(frozen_plan(), validation_epoch=2), features=alike)
    assert (found.failure, len(found.curve)) == ("the embeddings collapsed to one point", 2)


def test_a_collapse_is_a_failure():
    alike = Features(np.ones_like(FEATURES.features), FEATURES.labels, 20, "data")
    found = outcome(frozen_plan(), features=alike)
    assert (found.failure, found.found) == ("the embeddings collapsed to one point", None)


def test_embeddings_on_one_point_or_not_finite_are_failures():
    labels = np.repeat(np.arange(3), 4)
    vectors = np.ones((12, 3), np.float32)
    with pytest.raises(TrainingFailure, match="collapsed to one point"):
        evaluate(torch.nn.Identity(), vectors, labels)
    vectors[3, 1] = np.nan
    with pytest.raises(TrainingFailure, match="not finite"):
        evaluate(torch.nn.Identity(), vectors, labels)
