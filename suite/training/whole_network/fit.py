"""Training of a network from images: what a recipe says, in the loop that features are trained in too.

What is paired over losses comes from streams named by data set and seed alone: initial head, noise, batches, augmentation.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.losses.build import build_loss, offered_to
from suite.randomness import torch_seed
from suite.settings.paper_recipes import RecipeSettings
from suite.training.run.loop import Batch, run_epochs
from suite.training.whole_network.batches import BatchPlan, Images, TrainingLoader, share_of
from suite.training.whole_network.checkpoint import Checkpoint, Stateful
from suite.training.whole_network.engine import Engine
from suite.training.whole_network.networks import EmbeddingNetwork, build_network
from suite.training.whole_network.optimiser import RecipeOptimizer
from suite.training.whole_network.transforms import training_transform


def finetune(
    engine: Engine,
    settings: RecipeSettings,
    target: str,
    images: Images,
    labels: NDArray[np.int64],
    num_classes: int,
    words: tuple[str, int],
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
    at_start: Callable[[EmbeddingNetwork], None] | None = None,
) -> EmbeddingNetwork:
    """Train a network by a recipe; gives it in evaluation mode.

    Args:
        engine: what trains it.
        settings: the recipe on this data set.
        target: of the loss.
        images: the training images.
        labels: (N,) given labels of them.
        num_classes: number of classes, including classes that label noise left without images.
        words: data set and seed, which name the random streams.
        checkpoint: where to keep the state after each epoch, and to take it up; None for nowhere.
        on_epoch: called with the number of finished epochs and the mean loss of the last one, also for
            epochs read from the checkpoint.
        at_start: called with the network as it is before training, in evaluation mode.

    Raises:
        TrainingFailure: the loss left the finite numbers.
        SuiteError: the recipe does not fit the data, the loss or the machine.
    """
    torch.manual_seed(torch_seed("head", *words))
    network = build_network(settings.backbone)
    torch.manual_seed(torch_seed("loss", *words))
    loss = build_loss(
        target,
        settings.loss.hyperparameters,
        num_classes,
        settings.backbone.embedding_dim,
        f"loss {settings.loss.name}",
    )
    plan = BatchPlan(labels, settings, *words)
    offered = offered_to(loss)
    forward, objective_of = engine.set_up_network(network), engine.set_up_loss(loss)
    if at_start is not None:
        at_start(network.eval())
    optimizer = RecipeOptimizer(network, loss, settings, plan.batches_per_epoch)
    parts: dict[str, Stateful] = {"network": network, "loss": loss, "optimizer": optimizer}
    curve = checkpoint.load(parts) if checkpoint else []
    if on_epoch is not None:
        for epoch, value in enumerate(curve, 1):
            on_epoch(epoch, value)
    load = TrainingLoader(
        images,
        training_transform(settings.images),
        workers=engine.machine.workers,
        pin=engine.device.type == "cuda",
    )

    def batches(epoch: int) -> Iterator[Batch]:
        network.learn_trunk(learn=epoch > settings.schedule.warm_up_epochs)
        forward.train()
        loss.train()
        torch.manual_seed(torch_seed("epoch", *words, epoch))
        whole = plan.epoch(epoch)
        shares: Iterable[Tensor] = load([share_of(batch, engine.rank, engine.world) for batch in whole])
        for pixels, batch in zip(shares, whole, strict=True):
            given = torch.from_numpy(labels[batch.rows]).to(engine.device)
            yield Batch(engine.to_device(pixels), given, torch.from_numpy(batch.rows).to(engine.device))

    def objective(batch: Batch, epoch: int) -> Tensor:
        with engine.autocast():
            embeddings = forward(batch.inputs)
        gathered = engine.gather(embeddings, len(batch.labels))
        return objective_of(gathered, batch.labels, **offered(batch.rows, epoch))

    def after_epoch(epoch: int, value: float) -> None:
        curve.append(value)
        if checkpoint is not None and engine.rank == 0:
            checkpoint.save(curve, parts)
        if on_epoch is not None:
            on_epoch(epoch, value)

    run_epochs(range(len(curve) + 1, plan.epochs + 1), batches, objective, optimizer, after_epoch)
    return network.eval()
