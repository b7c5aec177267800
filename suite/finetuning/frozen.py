"""The reference row: retrieval by the pretrained network without head or training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.archives.dataset import CachedImages
from suite.config.benchmarks import BENCHMARKS_FOLDER, BenchmarkSettings, plan_benchmark
from suite.evaluation.retrieval import retrieval_metrics
from suite.features.store import FROZEN_FOLDER
from suite.files import write_lines
from suite.finetuning.embed import embed_images
from suite.finetuning.engine import Engine, Machine
from suite.randomness import torch_seed
from suite.vision.backbones import EmbeddingNetwork, build_network
from suite.vision.transforms import test_transform


def write_frozen(dataset: str, settings: BenchmarkSettings, machine: Machine) -> Path:
    """Measure the network of a data set's first row, as it is before training; writes ``published/frozen/DATASET.jsonl``.

    Raises:
        SuiteError: there is no image cache, or no row.
    """
    images = CachedImages(dataset, "test", folder=BENCHMARKS_FOLDER)
    plan = plan_benchmark(settings, dataset, next(iter(settings.rows(dataset))))
    recipe = plan.recipe
    torch.manual_seed(torch_seed("head", dataset, 0))
    network = build_network(recipe.backbone).eval()
    engine = Engine(machine, "float32", part_learns=False)
    engine.set_up_network(network)
    vectors = embed_images(
        engine,
        pooled(network),
        images,
        np.arange(len(images)),
        test_transform(recipe.images),
        recipe.batches.size,
    )
    row = {"dataset": dataset, "backbone": plan.backbone} | retrieval_metrics(vectors, images.labels)
    path = BENCHMARKS_FOLDER / FROZEN_FOLDER / f"{dataset}.jsonl"
    write_lines(path, [row])
    return path


def pooled(network: EmbeddingNetwork) -> Callable[[Tensor], Tensor]:
    """What a network gives before its head, as rows of unit norm."""

    def embed(images: Tensor) -> Tensor:
        return normalize(network.features(images))

    return embed
