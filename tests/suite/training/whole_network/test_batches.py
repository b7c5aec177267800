"""Batches of rows, and their images: the same for any number of workers and devices."""

import numpy as np
import pytest
import torch
from PIL import Image

from suite.errors import SuiteError
from suite.training.whole_network.batches import BatchPlan, RowBatch, TrainingLoader, share_of
from suite.training.whole_network.transforms import training_transform
from tests.suite.training.whole_network import tiny

LABELS = np.repeat(np.arange(5), 6)
RANDOM = {"batches__sampler": "random", "batches__samples_per_class": None}


class Noise:
    """Images of noise by row."""

    def image(self, row):
        return Image.fromarray(np.random.default_rng(row).integers(0, 256, (40, 50, 3), np.uint8))


def plan(tmp_path, labels=LABELS, words=("cub", 0), **changes):
    return BatchPlan(labels, tiny.settings_of(tiny.recipe_file(tmp_path / "r.yaml", **changes)), *words)


def rows(batches):
    return [batch.rows.tolist() for batch in batches]


def test_random_batches_hold_each_image_at_most_once_an_epoch(tmp_path):
    made = plan(tmp_path, **RANDOM)
    assert (made.batches_per_epoch, made.epochs) == (3, 2)
    for epoch in (1, 2):
        drawn = np.concatenate([batch.rows for batch in made.epoch(epoch)])
        assert len(set(drawn.tolist())) == len(drawn) == 24
    assert rows(made.epoch(1)) != rows(made.epoch(2))


def test_the_rest_is_kept_where_the_recipe_says_so(tmp_path):
    made = plan(tmp_path, **RANDOM, batches__drop_last=False)
    assert [len(batch.rows) for batch in made.epoch(1)] == [8, 8, 8, 6]
    assert sorted(np.concatenate([batch.rows for batch in made.epoch(1)]).tolist()) == list(range(30))


def test_balanced_batches_hold_equally_many_images_of_each_class(tmp_path):
    for batch in plan(tmp_path, batches__samples_per_class=4).epoch(1):
        assert sorted(np.unique(LABELS[batch.rows], return_counts=True)[1]) == [4, 4]
        assert len(set(batch.rows.tolist())) == 8


def test_batches_belong_to_data_set_seed_and_epoch_alone(tmp_path):
    first, same = plan(tmp_path).epoch(2), plan(tmp_path, optimiser__learning_rate=0.5).epoch(2)
    assert rows(first) == rows(same)
    assert [batch.seeds.tolist() for batch in first] == [batch.seeds.tolist() for batch in same]
    for words in (("cub", 1), ("cars", 0)):
        other = plan(tmp_path, words=words).epoch(2)
        assert rows(other) != rows(first)
        assert other[0].seeds.tolist() != first[0].seeds.tolist()
    assert len({seed for batch in first for seed in batch.seeds.tolist()}) == 24


def test_a_schedule_of_iterations_cuts_the_last_epoch_short(tmp_path):
    made = plan(tmp_path, schedule__unit="iterations", schedule__length=7)
    assert (made.batches_per_epoch, made.epochs) == (3, 3)
    assert [len(made.epoch(epoch)) for epoch in (1, 2, 3)] == [3, 3, 1]


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        (LABELS[:6], {}, r"batches.size = 8: cub has 6 training images"),
        (np.repeat(np.arange(3), 6), {}, r"batches.size = 8 of 2 images a class: only 3 classes of cub .* up to 6"),
    ],
)
def test_batches_that_cannot_be_filled_are_refused(tmp_path, labels, changes, message):
    with pytest.raises(SuiteError, match=message):
        plan(tmp_path, labels, **changes)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_shares_make_the_batch_in_its_order(world):
    batch = RowBatch(np.arange(8) * 10, np.arange(8) + 100)
    shares = [share_of(batch, rank, world) for rank in range(world)]
    assert len({len(share.rows) for share in shares}) == 1
    assert np.concatenate([share.rows for share in shares])[:8].tolist() == batch.rows.tolist()
    assert np.concatenate([share.seeds for share in shares])[:8].tolist() == batch.seeds.tolist()


def test_images_are_the_same_for_any_number_of_workers(tmp_path):
    settings = tiny.settings_of(tiny.recipe_file(tmp_path / "r.yaml"))
    made = plan(tmp_path)
    found = []
    for workers in (0, 2):
        load = TrainingLoader(Noise(), training_transform(settings.images), workers=workers, pin=False)
        epochs = [torch.cat(list(load(made.epoch(epoch)))) for epoch in (1, 2)]
        found.append(torch.cat(epochs))
    assert found[0].shape == (48, 3, 32, 32)
    assert torch.equal(found[0], found[1])


def test_an_image_is_augmented_anew_each_time_and_the_global_stream_is_left_alone(tmp_path):
    settings = tiny.settings_of(tiny.recipe_file(tmp_path / "r.yaml"))
    load = TrainingLoader(Noise(), training_transform(settings.images), workers=0, pin=False)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    (batch,) = load([RowBatch(np.array([3, 3, 3]), np.array([1, 2, 1]))])
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(batch[0], batch[2])
    assert not torch.equal(batch[0], batch[1])
