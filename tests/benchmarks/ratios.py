"""Names by which the closing table finds what it divides."""

PEER = "ProxyAnchorLoss"
"""Row of the loss that the others are divided by."""
SECOND_PEER = "SoftTripleLoss"
"""Row of a loss with as many proxies as ours, where it was timed."""


def group(scale: str, threads: int) -> str:
    """Group of the timings at a scale, e.g. ``cub, 1 thread``."""
    return f"{scale}, {threads} thread" + "s" * (threads > 1)
