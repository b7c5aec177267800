"""The whole network from images, on a slice on the CPU: what a batch shows, what learns, the commands, and no GPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from suite.errors import SuiteError
from suite.hashing import code_files
from suite.settings.params import BackboneSettings
from suite.settings.plans import Run
from suite.training.backbone import load_backbone
from suite.training.finetuned import views
from suite.training.finetuned.images import load_images
from suite.training.finetuned.making import write_views
from suite.training.finetuned.network import whole_backbone
from suite.training.finetuned.run import fit, run_finetuned
from suite.training.finetuned.stage import cached_on
from tests.helpers.synthetic import silent
from tests.helpers.views import FINETUNED_RECIPE, finetuned_plan
from tests.suite.training.finetuned.test_views import plan, table  # noqa: F401 - a fixture

WHOLE = {"cut": "", "views": 0}


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(BackboneSettings())


@pytest.fixture
def images(table, backbone):  # noqa: F811
    of = plan(**WHOLE, crop=0.5, colour=0.1)
    write_views(of, table, backbone, silent())
    return load_images(of, table, backbone)


def test_folding_keeps_what_the_network_computes(backbone):
    pixels = torch.rand(3, 3, 64, 64) * 2 - 1
    network = whole_backbone(backbone, 64, "some")
    with torch.inference_mode():
        assert torch.allclose(network(pixels), backbone.model(pixels), atol=1e-4)
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules()) == 0


def test_plain_images_are_what_the_frozen_backbone_takes(images, table, backbone):  # noqa: F811
    rows = images.test_rows[:3]
    with torch.inference_mode():
        found = images.blocks(images.plain(rows)).numpy()
    assert np.allclose(found, backbone.features(table.decode(rows)), atol=1e-3)
    with torch.inference_mode():
        mine = images.blocks(images.plain(images.training_rows)).numpy()
    assert np.allclose(images.features.astype(np.float32), mine, atol=1e-2)


def test_a_view_depends_on_its_number_and_row_alone_and_leaves_the_generator(images):
    places, numbers = np.array([0, 1, 0, 0]), np.array([5, 5, 5, 6])
    torch.manual_seed(7)
    first = images.drawn(places, numbers)
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(1), after)
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first[0], first[3])
    assert not torch.equal(first[0], images.plain(images.training_rows[:1])[0])
    assert torch.equal(images.drawn(places[::-1].copy(), numbers[::-1].copy()), first.flip(0))


def test_all_blocks_learn(images):
    recipe = FINETUNED_RECIPE.model_copy(update={"epochs": 1, "classes_per_batch": 2, "samples_per_class": 2})
    labels = images.labels[images.training_rows]
    network, _ = fit(finetuned_plan(recipe=recipe), images, np.arange(len(labels)), labels, 0, int(labels.max()) + 1)
    before = dict(images.blocks.named_parameters())
    still = [name for name, value in network.blocks.named_parameters() if torch.equal(value, before[name])]
    assert before
    assert still == []


def test_a_run_gives_the_same_values_again(images):
    recipe = FINETUNED_RECIPE.model_copy(update={"epochs": 1, "classes_per_batch": 2, "samples_per_class": 2})
    run = Run(finetuned_plan(recipe=recipe), 0.0, 0)
    first, again = (run_finetuned(run, images) for _ in range(2))
    assert (first.failure, first.curve, first.found) == (None, again.curve, again.found)
    assert first.more == {"views_sha256": images.sha256}


@pytest.mark.parametrize(("name", "other"), [("version", "versions"), ("sha256_code", "code_sha256")])
def test_another_library_or_code_makes_them_stale_and_runs_others(images, table, backbone, monkeypatch, name, other):  # noqa: F811
    run = [Run(finetuned_plan(), 0.0, 0)]
    before = cached_on(images, run)[0].key
    assert cached_on(load_images(images.plan, table, backbone), run)[0].key == before
    monkeypatch.setattr(views, name, lambda of: f"another {of}")
    with pytest.raises(SuiteError, match=f"are stale: {other}"):
        load_images(images.plan, table, backbone)
    write_views(images.plan, table, backbone, silent())
    assert cached_on(load_images(images.plan, table, backbone), run)[0].key != before


def test_their_digest_is_of_the_code_that_changes_images(images):
    assert set(views.made_from(images.plan, torch.nn.Identity(), images.blocks)["code_sha256"]) == {
        "maps.py",
        "images.py",
    }
    assert "changes.py" in {file.name for file in code_files(Path(load_images.__code__.co_filename))}
