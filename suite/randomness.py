"""Named, independent random streams, so that what must be paired is paired.

A stream belongs to its words alone: ``stream("batches", "emoji", 0)`` gives the same numbers for every loss, in every
process and in any order of calls.
"""

import hashlib

import numpy as np


def entropy(*words: str | float) -> int:
    """A 128-bit integer that depends on the words and their order."""
    text = "\x1f".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def stream(*words: str | float) -> np.random.Generator:
    """An independent generator for these words."""
    return np.random.Generator(np.random.PCG64(entropy(*words)))


def torch_seed(*words: str | float) -> int:
    """A seed for ``torch.manual_seed`` for these words."""
    return entropy(*words) >> 65
