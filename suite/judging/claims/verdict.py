"""From p-values to verdicts: Holm's adjustment over a family, then a fixed order.

A verdict is given where its adjusted p is at most 5 %. The chance of one or more false "supported" in a family is at most
5 %, and so, separately, are those of a false "contradicted" and of a false "equivalent". "Equivalent" comes first: a
difference shown to be too small to matter supports nothing, even where it is shown not to be zero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from suite.judging.claims.evidence import Evidence
from suite.judging.claims.vocabulary import Verdict
from suite.judging.statistics.estimate import Array
from suite.judging.statistics.holm import holm

LEVEL = 0.05
ORDER = (Verdict.EQUIVALENT, Verdict.SUPPORTED, Verdict.CONTRADICTED)


def adjusted(family: Sequence[Evidence]) -> dict[Verdict, Array]:
    """Holm-adjusted p (..., m) of each verdict for a family of m lines; NaN for a verdict that a line cannot give."""
    result = {}
    for verdict in ORDER:
        able = [verdict in evidence.p for evidence in family]
        columns = [evidence.p[verdict] for evidence in family if verdict in evidence.p]
        table = np.full((*np.shape(family[0].effect), len(family)), np.nan)
        if columns:
            table[..., able] = holm(np.stack(columns, axis=-1))
        result[verdict] = table
    return result


def decide(p: dict[Verdict, Array]) -> NDArray[np.object_]:
    """Verdicts (..., m) for adjusted p."""
    verdicts = np.full(next(iter(p.values())).shape, Verdict.INCONCLUSIVE, dtype=object)
    for verdict in reversed(ORDER):
        verdicts[p[verdict] <= LEVEL] = verdict
    return verdicts


def everywhere(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim that it holds everywhere, from those on its lines.

    Contradicted where one line is; supported, or equivalent, where all are. It is a conclusion from lines whose errors
    are already held, not a further test. A theorem says nothing where its premise is not met: such lines count only if
    there are no others.
    """
    judged = [found for found in verdicts if found != Verdict.PREMISE_NOT_MET]
    if not judged:
        return Verdict.PREMISE_NOT_MET
    if Verdict.CONTRADICTED in judged:
        return Verdict.CONTRADICTED
    if Verdict.NOT_RUN in judged:
        return Verdict.NOT_RUN
    return judged[0] if len(set(judged)) == 1 else Verdict.INCONCLUSIVE
