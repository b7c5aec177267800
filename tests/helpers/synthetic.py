"""Small working directories for tests: features of classes that a head can learn to tell apart, plans, own losses."""

import io
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from rich.console import Console

from suite.data.features import Features, save_features
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.params import Recipe
from suite.settings.paths import FEATURES
from suite.settings.plans import FrozenPlan, Search, plan_path, tuned_plan_path, write_plan_file
from suite.training.stage import code_sha256

CONTRASTIVE = "pytorch_metric_learning.losses:ContrastiveLoss"
RECIPE = Recipe(
    embedding_dim=8,
    hidden_dim=0,
    epochs=4,
    classes_per_batch=5,
    samples_per_class=3,
    learning_rate=0.01,
    proxy_learning_rate=0.1,
    weight_decay=1e-4,
)

HEADER = """
import time

import torch
from torch import nn


class Own(nn.Module):
    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.calls = 0

    def forward(self, embeddings, labels):
        self.calls += 1
        same = (labels[:, None] == labels).float()
        value = self.weight * ((1 - embeddings @ embeddings.T) * (2 * same - 1)).mean()
"""
"""An own loss, to be completed by a body that ends in ``return``."""


def write_plan(path, plan, search=None):
    """Write a plan file of one plan."""
    write_plan_file(path, [(plan, search)])


def write_complete(*plans) -> None:
    """Write complete plans of one loss, as ``suite plan`` and the stage ``tune`` leave those of recipes in git."""
    names = plans[0].dataset, plans[0].loss
    for path in (plan_path("tuned", *names), tuned_plan_path(*names)):
        write_plan_file(path, [(plan, None) for plan in plans])


def silent() -> Console:
    """A console that writes nowhere but keeps what was written."""
    return Console(file=io.StringIO(), width=200)


def make_features(classes: int = 40, images: int = 6, dim: int = 16, seed: int = 0) -> Features:
    """Classes lie apart in the first half of the dimensions; the louder second half is the same noise for all."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), images)
    centres = rng.normal(size=(classes, dim))
    centres[:, dim // 2 :] = 0
    spread = np.where(np.arange(dim) < dim // 2, 0.4, 3.0)
    vectors = centres[labels] + spread * rng.normal(size=(len(labels), dim))
    return Features(vectors.astype(np.float16).astype(np.float32), labels, classes // 2, "data")


def own_loss(body: str, name: str = "own") -> str:
    """Write a loss file to my_losses/ of the current folder and give its target."""
    path = Path("my_losses") / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(f"        {line}\n" for line in body.splitlines()))
    return f"{path.as_posix()}:Own"


def frozen_plan(
    loss: str = "contrastive", target: str = CONTRASTIVE, recipe: Recipe = RECIPE, seeds: int = 1, **values
) -> FrozenPlan:
    """A plan at noise level 0 on the data set emoji, of code as it is; ``values`` are hyper-parameters."""
    return FrozenPlan(
        regime="frozen",
        track="tuned",
        dataset="emoji",
        backbone="tf_efficientnet_lite0",
        loss=loss,
        target=target,
        loss_sha256=load_target(loss, target).sha256,
        code_sha256=code_sha256(),
        noise_kind="symmetric",
        noise_levels=(0.0,),
        seeds=seeds,
        hyperparameter_source="params.yaml",
        hyperparameters=values,
        recipe=recipe,
    )


def features_path(dataset: str = "emoji") -> Path:
    """The feature file of a data set."""
    return Path(FEATURES.format(dataset=dataset))


def prepare(plan: FrozenPlan, search: Search | None = None, features: Features | None = None) -> FrozenPlan:
    """Write a plan and features into the current folder, as the stages before tuning do."""
    write_plan(plan_path("tuned", plan.dataset, plan.loss), plan, search)
    save_features(features_path(plan.dataset), features or make_features())
    return plan


def prepare_complete(plan: FrozenPlan) -> FrozenPlan:
    """Write a complete plan and features, as the stages before training and before a study do."""
    write_complete(plan)
    save_features(features_path(plan.dataset), make_features())
    return plan


def tuned(loss: str, seeds: int = 2, recipe: Recipe = RECIPE, **values) -> FrozenPlan:
    """A complete plan of a built-in loss, written; ``values`` are its hyper-parameters."""
    plan = frozen_plan(loss, BUILT_IN[loss], recipe, seeds, **values)
    return prepare_complete(replace(plan, hyperparameter_source="search", validation_epoch=3))


def write_images(path: Path, classes: int = 8, images: int = 3, side: int = 32, alone: Collection[int] = ()) -> None:
    """Write a data file of plain images with some noise; classes that are ``alone`` have one image."""
    rng = np.random.default_rng(0)
    rows = []
    for label in range(classes):
        colour = rng.integers(0, 256, 3)
        for _ in range(1 if label in alone else images):
            pixels = np.clip(colour + rng.normal(0, 20, (side, side, 3)), 0, 255).astype(np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "WEBP", lossless=True)
            row = {"image": stream.getvalue(), "label": label, "class_name": f"class {label}"}
            rows.append(row | {"source": "made here", "licence": "CC0-1.0"})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def json_rows(path: Path) -> list[dict]:
    """Rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def unit_points(count, seed, dim=5):
    """Unit rows (count, dim)."""
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
