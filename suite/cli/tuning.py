"""Searches that are asked for by name, and what becomes of them."""

from suite.cli.shared import Dataset, Loss, console


def search(dataset: Dataset, loss: Loss) -> None:
    """Search a loss's hyper-parameters on held-out training classes, whether a tuned recipe stands or not."""
    from suite.training.tuning.resolve import write_search

    console.print(f"wrote {write_search(dataset, loss, console)}; make it the tuned recipe with: suite promote")
