"""A small published data set and recipes that a CPU can train by: a real archive, the real backbone with random weights."""

from pathlib import Path

import yaml

from suite.data.archives.add import Options, add
from suite.settings.paper_recipes import find_paper_recipe
from suite.settings.paths import BENCHMARKS_FILE, PAPER_RECIPES_FOLDER
from tests.helpers.synthetic import silent
from tests.suite.data.archives import factory

CLASSES, TRAINING, EACH = 8, 4, 6
"""24 training and 24 test images."""
SETTINGS = {
    "backbone.architecture": "tf_efficientnet_lite0",
    "backbone.weights": None,
    "backbone.pooling": "average",
    "backbone.embedding_dim": 8,
    "backbone.freeze_batch_norm": "statistics_and_affine",
    "images.train_resize": None,
    "images.train_crop": 32,
    "images.test_resize": 32,
    "images.test_crop": 32,
    "optimiser.learning_rate": 0.001,
    "schedule.unit": "epochs",
    "schedule.length": 2,
    "schedule.warm_up_epochs": 0,
    "schedule.kind": "constant",
    "schedule.step": None,
    "schedule.gamma": None,
    "batches.size": 8,
    "batches.sampler": "balanced",
    "batches.samples_per_class": 2,
}


def data(folder: Path, dataset: str = "cub", pictures=None, training: int = TRAINING) -> None:
    """Add a small data set in the current folder from an archive in its published format."""
    pictures = pictures or factory.images(CLASSES, EACH)
    makers = {"cub": factory.cub_files, "sop": factory.sop_files}
    write = {"cub": factory.write_cub, "sop": factory.write_sop}[dataset]
    files = write(folder / "in", makers[dataset](pictures))
    labels = [label for label, _ in pictures]
    editions = factory.write_editions(
        folder / "editions.yaml",
        files,
        classes=max(labels),
        training_classes=training,
        training_images=sum(label <= training for label in labels),
        test_images=sum(label > training for label in labels),
    )
    add(dataset, files, Options(editions=editions, track=False), silent())


def recipe_file(path: Path, base: str = "pfml_table5", dataset: str = "cub", **changes) -> Path:
    """A recipe with small values in place of a published one's; changes are spelt ``optimiser__learning_rate=...``."""
    recipe = yaml.safe_load((PAPER_RECIPES_FOLDER / f"{base}.yaml").read_text())
    for name, value in (SETTINGS | {key.replace("__", "."): value for key, value in changes.items()}).items():
        group, _, leaf = name.rpartition(".")
        place = recipe["settings"]
        for part in group.split("."):
            place = place[part]
        place[leaf] = value
    recipe |= {"datasets": {dataset: {}}, "undisclosed": {}, "departures": {}}
    recipe["sources"] = dict.fromkeys(recipe["settings"], "made for tests")
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def settings_of(path: Path, dataset: str = "cub"):
    """What a recipe file resolves to."""
    return find_paper_recipe(str(path)).for_dataset(dataset)


def benchmarks(rows, levels=(0,), seeds=1, precision="float32", dataset="cub", kind="symmetric") -> None:
    """Write ``pipelines/benchmarks/params.yaml`` in the current folder."""
    BENCHMARKS_FILE.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "benchmarks": {dataset: rows},
        "noise": {"kind": kind, "levels": list(levels)},
        "seeds": seeds,
        "precision": precision,
    }
    BENCHMARKS_FILE.write_text(yaml.safe_dump(values, sort_keys=False))
