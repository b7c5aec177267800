"""The slow reference: the total potential energy, Eq. 6, in eight lines written from the definition.

Source: Bhatnagar & Ahuja, "Potential Field Based Deep Metric Learning", CVPR 2025, Eq. 6. With sources x_1..x_N, the
embeddings of the batch and all proxies, and psi of Eq. 1 for two points of one class and of Eq. 2 otherwise,

    U = sum_{i=1..N} sum_{j=1..N} psi(|x_i - x_j|)

so every unordered pair counts twice, and each point lies in its own field (a constant, as d = 0 < delta). It keeps all N^2
distances and leaves the gradient to autograd. `pfml.PotentialFieldLoss` evaluates the same sum faster and above its
force-free floor, and is tested against this.
"""

import torch
from torch import Tensor

from pfml.checks import checked_batch
from pfml.potential import attraction, repulsion


def total_energy(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor | None = None,
    proxy_labels: Tensor | None = None,
    *,
    alpha: float,
    delta: float,
    delta_repulsion: float | None = None,
    min_distance: float = 0.0,
) -> Tensor:
    """Total potential energy of a batch and its proxies (Eq. 6), a raw sum.

    Args:
        embeddings: (B, D); unit rows where the paper's geometry is meant, any others are taken as they are.
        labels: (B,) integer classes.
        proxies: (P, D), None or P = 0 for none.
        proxy_labels: (P,) integer classes of the proxies.
        alpha: exponent of decay, >= 0; 0 is the log potential.
        delta: radius of attraction, and of repulsion unless ``delta_repulsion`` is given.
        delta_repulsion: radius of repulsion, > 0.
        min_distance: bound of repulsion (see `pfml.repulsion`); 0 is Eq. 2 itself.

    Returns:
        Scalar energy. It may be negative, and is mostly constants that exert no force.

    Raises:
        ValueError: shapes, types or hyper-parameters are out of range.

    Example:
        >>> points = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> total_energy(points, torch.tensor([0, 1]), alpha=2.0, delta=0.5)
        tensor(0.)
    """
    points, classes = checked_batch(embeddings, labels)
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    if (proxies is None) != (proxy_labels is None):
        raise ValueError("proxies and proxy_labels must be given together")
    if proxies is not None and proxy_labels is not None and len(proxies) > 0:
        proxies, proxy_classes = checked_batch(proxies, proxy_labels, embedding_dim=points.shape[1])
        points, classes = torch.cat([points, proxies]), torch.cat([classes, proxy_classes])
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    radius = delta if delta_repulsion is None else delta_repulsion
    same = classes[:, None] == classes[None, :]
    # Each potential sees only its own pairs: a same-class pair at distance 0 would give repulsion an infinite
    # gradient.
    pulled = attraction(distance[same], alpha, delta)
    pushed = repulsion(distance[~same], alpha, radius, min_distance)
    return pulled.sum() + pushed.sum()
