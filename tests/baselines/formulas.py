"""The published formulas of the baselines as loops over plain Python floats."""

import math
from collections.abc import Sequence
from typing import NamedTuple

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


def cross_entropy(scores: Sequence[Sequence[float]], labels: Sequence[int]) -> float:
    """Mean of -log softmax of the own class."""
    terms = [math.log(sum(map(math.exp, row))) - row[label] for row, label in zip(scores, labels, strict=True)]
    return sum(terms) / len(terms)


def proxy_nca_pp(
    embeddings: Sequence[Point], labels: Sequence[int], proxies: Sequence[Point], temperature: float
) -> float:
    """Teh et al. 2020: probability of the own proxy among all, by squared distances of unit vectors over a temperature."""
    return cross_entropy(
        [[-(math.dist(unit(z), unit(p)) ** 2) / temperature for p in proxies] for z in embeddings], labels
    )


def unit(a: Point) -> list[float]:
    """A vector over its length."""
    return [x / math.hypot(*a) for x in a]


class Layer(NamedTuple):
    """A linear map: weight, a row for each output, and bias."""

    weight: Sequence[Point]
    bias: Point

    def apply(self, a: Point) -> list[float]:
        """Outputs for one input."""
        return [
            sum(w * x for w, x in zip(row, a, strict=True)) + b for row, b in zip(self.weight, self.bias, strict=True)
        ]


def mahalanobis(embeddings: Sequence[Point], means: Sequence[Point], variances: Sequence[Point]) -> list[list[float]]:
    """Squared distances of unit embeddings from distributions with unit means and diagonal covariances."""
    return [
        [
            sum((x - m) ** 2 / v for x, m, v in zip(unit(z), unit(mean), spread, strict=True))
            for mean, spread in zip(means, variances, strict=True)
        ]
        for z in embeddings
    ]


def hypergraph(labels: Sequence[int], distances: Sequence[Point], alpha: float) -> list[list[float]]:
    """Lim et al. 2022: G = Dv^-1/2 H De^-1 H' Dv^-1/2, entry by entry; the hyperedges are the classes of the batch."""
    edges = sorted(set(labels))
    incidence = [
        [1.0 if edge == label else math.exp(-alpha * row[edge]) for edge in edges]
        for row, label in zip(distances, labels, strict=True)
    ]
    sizes = [sum(row[e] for row in incidence) for e in range(len(edges))]
    return [
        [
            sum(x * y / size for x, y, size in zip(a, b, sizes, strict=True)) / math.sqrt(sum(a) * sum(b))
            for b in incidence
        ]
        for a in incidence
    ]


def propagated(graph: Sequence[Point], nodes: Sequence[Point]) -> list[list[float]]:
    """G X."""
    return [
        [sum(g * node[k] for g, node in zip(row, nodes, strict=True)) for k in range(len(nodes[0]))] for row in graph
    ]


def batch_normalised(nodes: Sequence[Point], gain: Point, shift: Point, epsilon: float = 1e-5) -> list[list[float]]:
    """Ioffe & Szegedy 2015, Algorithm 1."""
    count = len(nodes)
    means = [sum(column) / count for column in zip(*nodes, strict=True)]
    spreads = [
        math.sqrt(sum((x - m) ** 2 for x in column) / count + epsilon)
        for column, m in zip(zip(*nodes, strict=True), means, strict=True)
    ]
    return [
        [g * (x - m) / s + b for x, m, s, g, b in zip(node, means, spreads, gain, shift, strict=True)] for node in nodes
    ]


def hist(
    embeddings: Sequence[Point],
    labels: Sequence[int],
    distributions: tuple[Sequence[Point], Sequence[Point]],
    layers: tuple[Layer, Layer],
    norm: tuple[Point, Point],
    settings: tuple[float, float, float],
) -> float:
    """Lim et al. 2022; distributions are means and variances, norm is gain and shift, settings are tau, alpha, lambda_s."""
    tau, alpha, lambda_s = settings
    distances = mahalanobis(embeddings, *distributions)
    graph = hypergraph(labels, distances, alpha)
    nodes = [[math.sqrt(len(z)) * x for x in unit(z)] for z in embeddings]
    nodes = batch_normalised(propagated(graph, [layers[0].apply(z) for z in nodes]), *norm)
    nodes = [[max(x, 0.1 * x) for x in node] for node in nodes]
    scores = propagated(graph, [layers[1].apply(z) for z in nodes])
    scaled = [[-tau * d for d in row] for row in distances]
    return cross_entropy(scaled, labels) + lambda_s * cross_entropy(scores, labels)


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
