"""What a run of the regime ``finetuned`` costs: a step of it beside a bare loop over the same layers, and over timm's own.

Not run by default: ``tox -e bench -- tests/benchmarks/test_finetuned.py`` prints the table of docs/finetuning.md. Steps take
turns on one thread and are measured in time of the processor, which other work on the machine disturbs less. Maps and labels
are made up; their shapes are those of ``furniture``.
"""

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from suite.losses.registry import BUILT_IN
from suite.settings.finetuned import load_finetuned
from suite.settings.params import BackboneSettings
from suite.training.backbone import load_backbone
from suite.training.finetuned.network import chain, cut_backbone
from suite.training.finetuned.run import evaluate, fit
from suite.training.finetuned.views import Views
from tests.helpers.views import finetuned_plan

pytestmark = pytest.mark.benchmark
CLASSES, IMAGES, STEPS, ROUNDS = 86, 30, 10, 3
LOSSES = ("pfml", "cpml", "proxy_anchor", "multi_similarity", "triplet")


def bare(blocks: nn.Module, maps: Tensor) -> float:
    """Seconds of a step of a loop without anything around it, with the simplest loss."""
    head = nn.Linear(1280, 128)
    optimizer = torch.optim.AdamW([*blocks.parameters(), *head.parameters()], lr=1e-5, fused=True)

    def step() -> None:
        embeddings = normalize(head(blocks(maps)))
        torch.autograd.backward((embeddings @ embeddings.T).square().mean())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    started = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - started) / STEPS


def test_a_run_beside_a_bare_loop(capsys: Any) -> None:
    torch.set_num_threads(1)
    recipe = load_finetuned().recipe
    batch = recipe.classes_per_batch * recipe.samples_per_class
    backbone = load_backbone(BackboneSettings())
    standing, blocks = cut_backbone(backbone, 96, recipe.cut, "cut")
    with torch.inference_mode():
        maps = standing(torch.rand(CLASSES * IMAGES, 3, 96, 96) * 2 - 1).half().numpy()
        features = blocks(torch.from_numpy(maps).float()).half().numpy()
    labels = np.repeat(np.arange(CLASSES), IMAGES)
    views = Views(
        maps=(maps,) * 2,
        features=features,
        labels=labels,
        num_training_classes=CLASSES,
        blocks=blocks,
        data_sha256="",
        sha256="",
    )
    one_epoch = recipe.model_copy(update={"epochs": 1})
    inputs = torch.from_numpy(maps[:batch]).float()
    steps = list(chain(backbone.model))
    after = [name for name, _ in steps].index(recipe.cut) + 1
    own = nn.Sequential(*(step for _, step in steps[after:])).requires_grad_()
    last = copy.deepcopy(own).to(memory_format=torch.channels_last)
    fast = blocks.requires_grad_()

    def run(loss: str) -> Callable[[], float]:
        plan = finetuned_plan(loss, BUILT_IN[loss], one_epoch)

        def timed() -> float:
            started = time.process_time()
            fit(plan, views, np.arange(len(labels)), labels, 0, CLASSES, images=STEPS * batch)
            return (time.process_time() - started) / STEPS

        return timed

    rows: dict[str, Callable[[], float]] = {
        "bare loop": lambda: bare(fast, inputs),
        "bare loop over timm's layers": lambda: bare(own, inputs),
        "the same, channels last": lambda: bare(last, inputs.contiguous(memory_format=torch.channels_last)),
    } | {f"run, {loss}": run(loss) for loss in LOSSES}
    found: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, measure in rows.items():
            found[name].append(measure())
    seconds = {name: statistics.median(values) for name, values in found.items()}
    plan = finetuned_plan("pfml", BUILT_IN["pfml"], one_epoch)
    model, _ = fit(plan, views, np.arange(len(labels)), labels, 0, CLASSES, images=batch)
    started = time.process_time()
    evaluate(model, views, np.arange(len(labels)), labels)
    judging = time.process_time() - started
    with capsys.disabled():
        print(f"\nmilliseconds of the processor for a step on {batch} images, {torch.__version__}")  # noqa: T201
        for name, value in seconds.items():
            print(f"{name:30} {1000 * value:6.0f}  {value / seconds['bare loop']:.2f}")  # noqa: T201
        print(f"judging {len(labels)} images: {judging:.1f} s")  # noqa: T201
    assert all(value > 0 for value in seconds.values())
