"""The published formulas of the baselines as loops over plain Python floats."""

import math
from collections.abc import Sequence

Point = Sequence[float]


def cosine(a: Point, b: Point) -> float:
    """Cosine similarity of two vectors of any length."""
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def contrastive_energy(points: Sequence[Point], classes: Sequence[int], margin: float) -> float:
    """Eq. 6 of PFML with d^2 within a class and max(0, margin - d)^2 between classes."""
    total = 0.0
    for here, own in zip(points, classes, strict=True):
        for source, other in zip(points, classes, strict=True):
            distance = math.dist(here, source)
            total += distance**2 if own == other else max(0.0, margin - distance) ** 2
    return total


def proxy_anchor(
    embeddings: Sequence[Point], labels: Sequence[int], proxies: Sequence[Point], alpha: float, margin: float
) -> float:
    """Kim et al. 2020, Eq. 4."""
    pulled, pushed, with_positive = 0.0, 0.0, 0
    for index, proxy in enumerate(proxies):
        positives = [cosine(z, proxy) for z, label in zip(embeddings, labels, strict=True) if label == index]
        negatives = [cosine(z, proxy) for z, label in zip(embeddings, labels, strict=True) if label != index]
        if positives:
            with_positive += 1
            pulled += math.log(1 + sum(math.exp(-alpha * (s - margin)) for s in positives))
        pushed += math.log(1 + sum(math.exp(alpha * (s + margin)) for s in negatives))
    return pulled / with_positive + pushed / len(proxies)


def soft_triple(
    embeddings: Sequence[Point],
    labels: Sequence[int],
    proxies: Sequence[Sequence[Point]],
    la: float,
    gamma: float,
    margin: float,
    tau: float,
) -> float:
    """Qian et al. 2019, Eq. 10; ``proxies`` holds the proxies of each class."""
    total = 0.0
    for z, label in zip(embeddings, labels, strict=True):
        exponents = []
        for index, centres in enumerate(proxies):
            chosen = [math.exp(cosine(z, centre) / gamma) for centre in centres]
            similarity = sum(w * cosine(z, centre) for w, centre in zip(chosen, centres, strict=True)) / sum(chosen)
            exponents.append(math.exp(la * (similarity - (margin if index == label else 0))))
        total -= math.log(exponents[label] / sum(exponents))
    total /= len(embeddings)
    count = len(proxies[0])
    if count == 1:
        return total
    gaps = sum(math.dist(a, b) for centres in proxies for k, a in enumerate(centres) for b in centres[:k])
    return total + tau * gaps / (len(proxies) * count * (count - 1))


def semi_hard_triplet(embeddings: Sequence[Point], labels: Sequence[int], margin: float, power: int) -> float:
    """Schroff et al. 2015: mean of Eq. 3's terms over the triplets of Eq. 4 within the margin."""
    terms = []
    for a, anchor in enumerate(embeddings):
        for p, positive in enumerate(embeddings):
            if p == a or labels[p] != labels[a]:
                continue
            for n, negative in enumerate(embeddings):
                if labels[n] == labels[a]:
                    continue
                near, far = math.dist(anchor, positive) ** power, math.dist(anchor, negative) ** power
                if near < far < near + margin:
                    terms.append(near - far + margin)
    return sum(terms) / len(terms) if terms else 0.0


def multi_similarity(
    embeddings: Sequence[Point], labels: Sequence[int], alpha: float, beta: float, base: float, epsilon: float
) -> float:
    """Wang et al. 2019: pairs kept by Eq. 10-11, loss of Eq. 12."""
    total = 0.0
    for a, anchor in enumerate(embeddings):
        positives = [cosine(anchor, z) for i, z in enumerate(embeddings) if i != a and labels[i] == labels[a]]
        negatives = [cosine(anchor, z) for i, z in enumerate(embeddings) if labels[i] != labels[a]]
        if not positives or not negatives:
            continue
        kept_positives = [s for s in positives if s < max(negatives) + epsilon]
        kept_negatives = [s for s in negatives if s > min(positives) - epsilon]
        total += math.log(1 + sum(math.exp(-alpha * (s - base)) for s in kept_positives)) / alpha
        total += math.log(1 + sum(math.exp(beta * (s - base)) for s in kept_negatives)) / beta
    return total / len(embeddings)
