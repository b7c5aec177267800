"""Positions of the few true entries of a large mask."""

import torch
from torch import Tensor

_WORD = 8
# Below this many entries the plain search takes less time than setting up the other.
_SMALL = 2**15


def few_nonzero(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns (P,), (P,) of the true entries of a mask (R, C), in row-major order.

    A mask is a byte an entry; reading eight at once makes looking for few hits several times faster.
    """
    if mask.numel() < _SMALL:
        row, column = mask.nonzero().unbind(1)
        return row, column
    flat = mask.flatten()
    whole = flat.numel() // _WORD * _WORD
    words = flat[:whole].view(torch.int64).nonzero()
    inside = (words * _WORD + torch.arange(_WORD, device=mask.device)).flatten()
    tail = flat[whole:].nonzero().squeeze(1) + whole
    hits = torch.cat([inside[flat[inside]], tail])
    return hits // mask.shape[1], hits % mask.shape[1]
