"""PFML with a radius of repulsion of its own: attraction acts beyond one radius, repulsion within another.

Source: Eq. 1 and 2 of Bhatnagar & Ahuja, "Potential Field Based Deep Metric Learning", CVPR 2025, have one radius, delta.
Its ablation of longer repulsion says that a larger radius of repulsion hurts. This variant is this project's own: the loss
is `pfml.PotentialFieldLoss`, and a search chooses both radii, from the same range.
"""

from typing import Any, ClassVar

from pfml.loss import PotentialFieldLoss


class TwoRadiiLoss(PotentialFieldLoss):
    """`pfml.PotentialFieldLoss` whose search space has ``delta_repulsion`` besides ``delta``; nothing else differs.

    Arguments, values and errors are those of `pfml.PotentialFieldLoss`.
    """

    formula: ClassVar[str] = (
        "U of Eq. 6, less its floor; psi_att(d) = -max(d, delta)^-alpha, psi_rep(d) = min(d, delta_rep)^-alpha"
    )
    source: ClassVar[str] = (
        "a variant of this project: Bhatnagar & Ahuja, Potential Field Based Deep Metric Learning, CVPR 2025, Eq. 6, "
        "with a radius of repulsion of its own"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        **PotentialFieldLoss.search_space,
        "delta_repulsion": dict(PotentialFieldLoss.search_space["delta"]),
    }
    paper_values: ClassVar[dict[str, Any]] = {}
    undisclosed: ClassVar[tuple[str, ...]] = ("everything: no paper has this loss",)
