"""One run in which the network learns: late blocks and embedding layer on cached views, with one loss, then judged.

Initial weights, label noise, batches and the view that each image of a batch shows depend on data set and seed alone, so
they are the same for every loss. The embedding layer begins as the one that the frozen regime trains at this seed. The loss
draws its own initial values from another stream. In warm-up epochs the blocks stand. The last epoch counts.
"""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.data.noise import corrupt
from suite.evaluation.retrieval import Retrieval, retrieve
from suite.losses.build import build_loss, offered_to
from suite.randomness import stream, torch_seed
from suite.training.finetuned.views import Rows, Source
from suite.training.run.frozen import Head, Outcome, check_embeddings, use_one_thread
from suite.training.run.loop import Batch, CosineAdamW, PKSampler, Sampler, TrainingFailure, UniformSampler, run_epochs

if TYPE_CHECKING:
    from suite.settings.finetuned import FinetunedRecipe
    from suite.settings.plans import FinetunedPlan, Run

_BLOCK = 256
"""Images that are embedded at once."""


class FinetunedNetwork(nn.Module):
    """From maps (N, C, h, w) of the standing blocks to embeddings (N, D) of unit norm.

    It stays in evaluation mode: batch norm keeps its statistics, and no layer drops values.

    Args:
        blocks: the blocks that learn, from maps to pooled features (N, F).
        head: the embedding layer.
    """

    def __init__(self, blocks: nn.Module, head: Head) -> None:
        super().__init__()
        self.blocks = blocks.requires_grad_()
        self.head = head
        self.eval()

    def forward(self, maps: Tensor) -> Tensor:
        """Embeddings (N, D) of unit norm."""
        embeddings: Tensor = self.head(self.blocks(maps))
        return embeddings


class CosineAdamWs:
    """AdamW with a learning rate for each part, all on one cosine.

    Blocks learn at ``backbone_rate`` times the rate of the embedding layer; proxies have their own rate, as in the frozen
    regime.

    Args:
        network: its blocks and its embedding layer.
        loss: its parameters are proxies.
        recipe: rates and weight decay.
        total_steps: T, at least 1.
    """

    def __init__(self, network: FinetunedNetwork, loss: nn.Module, recipe: "FinetunedRecipe", total_steps: int) -> None:
        slower = recipe.model_copy(update={"learning_rate": recipe.learning_rate * recipe.backbone_rate})
        self._parts = (
            CosineAdamW(network.head, loss, recipe, total_steps),
            CosineAdamW(network.blocks, nn.Identity(), slower, total_steps),
        )

    def step(self) -> None:
        """Move all parameters by their gradients, then forget the gradients."""
        for part in self._parts:
            part.step()


def run_finetuned(run: "Run[FinetunedPlan]", views: Source) -> Outcome:
    """Train and evaluate a run. A NaN or a collapse is an outcome, not an error.

    Args:
        run: the run.
        views: of its data set.

    Raises:
        SuiteError: the loss cannot be built, or gives something other than a scalar.
    """
    use_one_thread()
    plan = run.plan
    true_labels, test_labels = (views.labels[rows] for rows in (views.training_rows, views.test_rows))
    features = views.features.astype(np.float32)
    corruption = corrupt(true_labels, plan.dataset, plan.noise_kind, run.noise_level, run.seed, features)
    curve: list[float] = []
    then: Retrieval | None = None

    def after_epoch(epoch: int, value: float, network: nn.Module) -> None:
        nonlocal then
        curve.append(value)
        if epoch == plan.validation_epoch and epoch < plan.recipe.epochs:
            then = evaluate(network, views, views.test_rows, test_labels)

    found: Retrieval | None = None
    failure = None
    network: nn.Module | None = None
    try:
        num_classes = int(true_labels.max()) + 1
        places = np.arange(len(true_labels))
        network, _ = fit(plan, views, places, corruption.labels, run.seed, num_classes, after_epoch)
        found = evaluate(network, views, views.test_rows, test_labels)
    except TrainingFailure as error:
        failure = str(error)
    validation_epoch = None
    if plan.validation_epoch is not None and found is not None:
        validation_epoch = {"epoch": plan.validation_epoch, "metrics": (then or found).metrics}
    return Outcome(
        data_sha256=views.data_sha256,
        noise_sha256=corruption.sha256,
        noise_realised=corruption.realised,
        curve=curve,
        found=found,
        failure=failure,
        validation_epoch=validation_epoch,
        embeddings=_kept(network if found else None, views) if run.keeps_embeddings else None,
        more={"views_sha256": views.sha256},
    )


def fit(
    plan: "FinetunedPlan",
    views: Source,
    places: Rows,
    labels: NDArray[np.int64],
    seed: int | str,
    num_classes: int,
    after_epoch: Callable[[int, float, nn.Module], None] | None = None,
    images: int | None = None,
) -> tuple[FinetunedNetwork, nn.Module]:
    """Train a network on views of some training images with given labels.

    Args:
        plan: hyper-parameters and recipe.
        views: of the data set.
        places: (N,) which of its training images, by their place among these.
        labels: (N,) their given labels, from 0 to num_classes - 1.
        seed: of the run, or the name of a fold of a search.
        num_classes: number of classes, including classes that label noise left without images.
        after_epoch: called with the number of finished epochs, the mean loss of the last one, and the network.
        images: number of images that make an epoch; N by default.

    Returns:
        The network in evaluation mode, and the loss.

    Raises:
        TrainingFailure: the loss left the finite numbers.
        SuiteError: the loss cannot be built, or gives something other than a scalar.
    """
    recipe = plan.recipe
    generator = torch.Generator().manual_seed(torch_seed("head", plan.dataset, seed))
    features = torch.from_numpy(views.features[places].astype(np.float32))
    head = Head(features, recipe.embedding_dim, recipe.hidden_dim, generator)
    network = FinetunedNetwork(copy.deepcopy(views.blocks), head).to(views.device)
    torch.manual_seed(torch_seed("loss", plan.dataset, seed))
    setting = f"params.yaml: losses.{plan.loss}"
    loss = build_loss(plan.target, plan.hyperparameters, num_classes, recipe.embedding_dim, setting).to(views.device)
    sampler = sampler_of(recipe, labels, stream("batches", plan.dataset, seed), images)
    shown = stream("views", plan.dataset, seed)
    given = torch.from_numpy(labels).to(views.device)
    optimizer = CosineAdamWs(network, loss, recipe, recipe.epochs * sampler.batches_per_epoch)

    def batches(epoch: int) -> Iterator[Batch]:
        network.blocks.requires_grad_(requires_grad=epoch > recipe.warm_up_epochs)
        for rows in sampler.epoch():
            maps = views.drawn(places[rows], shown.integers(views.count, size=len(rows)))
            yield Batch(maps, given[rows], torch.from_numpy(rows).to(views.device))

    offered = offered_to(loss)

    def objective(batch: Batch, epoch: int) -> Tensor:
        value: Tensor = loss(network(batch.inputs), batch.labels, **offered(batch.rows, epoch))
        return value

    def report(epoch: int, value: float) -> None:
        if after_epoch is not None:
            after_epoch(epoch, value, network)

    loss.train()
    run_epochs(range(1, recipe.epochs + 1), batches, objective, optimizer, report)
    return network, loss


def sampler_of(
    recipe: "FinetunedRecipe", labels: NDArray[np.int64], rng: np.random.Generator, images: int | None
) -> Sampler:
    """The sampler of a recipe, as the frozen regime has it."""
    classes, each = recipe.classes_per_batch, recipe.samples_per_class
    if recipe.sampler == "p_k":
        return PKSampler(labels, classes, each, rng, images)
    return UniformSampler(len(labels), classes * each, max(1, (images or len(labels)) // (classes * each)), rng)


def evaluate(network: nn.Module, views: Source, rows: Rows, labels: NDArray[np.int64]) -> Retrieval:
    """Retrieval on the plain images of these rows (N,) of the data set, by labels (N,) for them.

    Raises:
        TrainingFailure: the embeddings are not finite or lie on one point.
    """
    embeddings = embed(network, views, rows)
    check_embeddings(embeddings)
    return retrieve(embeddings, labels)


def embed(network: nn.Module, views: Source, rows: Rows) -> NDArray[np.float32]:
    """Embeddings (N, D) of the plain images of these rows of the data set."""
    with torch.inference_mode():
        blocks = [network(views.plain(rows[start : start + _BLOCK])) for start in range(0, len(rows), _BLOCK)]
        embeddings: NDArray[np.float32] = torch.cat(blocks).cpu().numpy()
    return embeddings


def _kept(network: nn.Module | None, views: Source) -> dict[str, NDArray[np.generic]]:
    """Embeddings of the test classes as float16, their labels and rows in the data set; none without a network."""
    rows = views.test_rows
    embeddings = np.empty((0, 0), np.float32) if network is None else embed(network, views, rows)
    kept = rows[: len(embeddings)]
    return {"embeddings": embeddings.astype(np.float16), "labels": views.labels[kept], "rows": kept}
