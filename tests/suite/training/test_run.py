"""One run: pairing over losses, failures as results, labels of the test classes, the validation epoch, learning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from suite.training.head import Head
from suite.training.loop import TrainingFailure
from suite.training.outcome import VERSIONED, Run

from suite.data.features import Features
from suite.data.noise import corrupt
from suite.evaluation.retrieval import retrieval_metrics, retrieve
from suite.losses.registry import load_target
from suite.settings.params import Recipe
from suite.training import run as run_module
from suite.training.run import embed, evaluate, fit, run_one
from tests.helpers.synthetic import RECIPE, cell_plan, make_features, own_loss

FEATURES = make_features()


def outcome(plan, level=0.2, seed=0, features=FEATURES, on_epoch=lambda epoch: None, embeddings=None):
    return run_one(Run(plan, level, seed, embeddings), features, on_epoch)


def trained_head(plan, level=0.2, epochs=RECIPE.epochs):
    """The head of seed 0 after some of its epochs: their schedule is that of the whole training."""
    vectors, labels = FEATURES.training()
    kept = []
    given = corrupt(labels, "emoji", "symmetric", level, 0).labels

    def after_epoch(epoch, value, head):
        if epoch == epochs:
            kept.append(embed(head, FEATURES.test()[0]))

    fit(plan, load_target(plan.loss, plan.target), vectors, given, 0, 20, after_epoch)
    return kept[0]


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
    before = evaluate(untrained, *FEATURES.test()).metrics["recall_at_1"]
    recipe = Recipe(**RECIPE.model_dump() | {"epochs": 25})
    losses = {
        "contrastive": cell_plan(recipe=recipe),
        "pfml": cell_plan("pfml", "pfml:PotentialFieldLoss", recipe, delta=1.0, proxies_per_class=1),
    }
    for name, plan in losses.items():
        assert outcome(plan, 0).record["metrics"]["recall_at_1"] > before + 0.1, name


def test_metrics_are_those_of_the_trained_head():
    plan = cell_plan()
    record = outcome(plan, 0).record
    found = retrieve(trained_head(plan, 0), FEATURES.test()[1])
    assert record["metrics"] == found.metrics == retrieve(trained_head(plan, 0), FEATURES.test()[1]).metrics
    assert (record["class_hits"], record["class_queries"]) == (found.class_hits, found.class_queries)
    assert record["class_queries"] == [6] * 20
    assert sum(record["class_hits"]) / sum(record["class_queries"]) == pytest.approx(record["metrics"]["recall_at_1"])


def test_a_record_says_what_was_run():
    plan = replace(cell_plan(pos_margin=0.1), track="published", origin="published", noise_kind="small_cluster")
    record = outcome(plan, 0.4, 3).record
    true = FEATURES.training()[1]
    corruption = corrupt(true, "emoji", "small_cluster", 0.4, 3)
    expected = {
        "track": "published",
        "dataset": "emoji",
        "loss": "contrastive",
        "noise_kind": "small_cluster",
        "noise_level": 0.4,
        "seed": 3,
        "status": "ok",
        "failure": None,
        "noise_realised": corruption.realised,
        "noise_sha256": corruption.sha256,
        "data_sha256": "data",
        "loss_sha256": plan.loss_sha256,
        "target": plan.target,
        "origin": "published",
        "hyperparameters": {"pos_margin": 0.1},
        "recipe": RECIPE.model_dump(),
        "validation_epoch": None,
    }
    assert {name: record[name] for name in expected} == expected
    others = {"metrics", "class_hits", "class_queries", "config_sha256", "versions"}
    assert set(record) == set(expected) | others
    assert set(record["versions"]) == {"python", *VERSIONED}


def test_epochs_are_reported():
    seen = []
    outcome(cell_plan(), on_epoch=seen.append)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("epoch", [1, 3])
def test_the_validation_epoch_is_evaluated_when_it_is_reached(epoch):
    plan = replace(cell_plan(), validation_epoch=epoch)
    record = outcome(plan).record
    then = retrieve(trained_head(plan, epochs=epoch), FEATURES.test()[1]).metrics
    assert record["validation_epoch"] == {"epoch": epoch, "metrics": then}
    assert then != record["metrics"]


def test_looking_at_the_validation_epoch_does_not_change_the_training():
    plain = outcome(cell_plan())
    looked = outcome(replace(cell_plan(), validation_epoch=2))
    assert plain.curve == looked.curve
    assert plain.record["metrics"] == looked.record["metrics"]
    assert plain.record["validation_epoch"] is None


def test_a_validation_epoch_that_is_the_last_one():
    record = outcome(replace(cell_plan(), validation_epoch=RECIPE.epochs)).record
    assert record["validation_epoch"] == {"epoch": RECIPE.epochs, "metrics": record["metrics"]}


def test_embeddings_of_the_test_classes_are_kept_where_asked(workplace):
    path = Path("embeddings/x.safetensors")
    record = outcome(cell_plan(), embeddings=path).record
    kept = load_file(path)
    vectors, labels = FEATURES.test()
    assert kept["embeddings"].dtype == np.float16
    assert np.array_equal(kept["embeddings"], trained_head(cell_plan()).astype(np.float16))
    assert np.array_equal(kept["labels"], labels)
    assert np.array_equal(FEATURES.features[kept["rows"]], vectors)
    again = retrieval_metrics(kept["embeddings"].astype(np.float32), kept["labels"])
    assert again["map_at_r"] == pytest.approx(record["metrics"]["map_at_r"], abs=0.01)


def test_a_failed_run_keeps_no_embeddings(workplace):
    path = Path("embeddings/x.safetensors")
    plan = cell_plan("own", own_loss("return value * float('nan')"))
    assert outcome(plan, embeddings=path).record["status"] == "failed"
    kept = load_file(path)
    assert {name: len(array) for name, array in kept.items()} == {"embeddings": 0, "labels": 0, "rows": 0}


def test_a_nan_in_epoch_2_is_a_failed_record(workplace):
    # 120 training images, batches of 15: 8 batches an epoch.
    plan = cell_plan("own", own_loss("return value * (float('nan') if self.calls == 9 else 1)"))
    found = outcome(replace(plan, validation_epoch=1))
    assert found.record["status"] == "failed"
    assert found.record["failure"] == "the loss became nan in epoch 2"
    assert found.record["metrics"] == {}
    assert found.record["validation_epoch"] is None
    assert found.record["class_hits"] == found.record["class_queries"] == []
    assert len(found.curve) == 1


def test_a_collapse_at_the_validation_epoch_is_a_failed_record():
    """Embeddings on one point before the last epoch are no result either: what comes after them is chance."""
    alike = Features(np.ones_like(FEATURES.features), FEATURES.labels, "data")
    found = outcome(replace(cell_plan(), validation_epoch=2), features=alike)
    assert (found.record["status"], len(found.curve)) == ("failed", 2)


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
        (replace(plan, noise_kind="small_cluster"), 0.2, 0),
        (replace(plan, code_sha256="other"), 0.2, 0),
    ]
    digests = {outcome(*run).record["config_sha256"] for run in runs}
    assert len(digests) == len(runs)
