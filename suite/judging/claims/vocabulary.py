"""Names that a claim may use. Losses of ``params.yaml`` are added when claims are loaded."""

from enum import StrEnum
from typing import Literal

EMBEDDED = ("emoji", "furniture", "typefaces")
PUBLISHED = ("cub", "cars", "sop")
DATASETS = (*EMBEDDED, *PUBLISHED)

IMPLEMENTED = ("pfml", "cpml", "proxy_anchor", "triplet", "multi_similarity")
GEOMETRY_ONLY = ("soft_triple",)
"""A multi-proxy loss that is trained for its proxies' places; it is not on the leaderboard."""
FURTHER = ("proxy_nca_pp", "hist")
"""Baselines that the grid does not run unless ``params.yaml`` names them."""
TABLES_ONLY = ("proxy_nca", "hse_pa", "ms_das", "hier")
"""Methods of the paper's tables that nobody has brought to this suite; their claims read "not run" until someone does."""
LOSSES = (*IMPLEMENTED, *GEOMETRY_ONLY, *FURTHER, *TABLES_ONLY)

Metric = Literal[
    "recall_at_1",
    "recall_at_2",
    "recall_at_4",
    "recall_at_8",
    "recall_at_10",
    "recall_at_100",
    "recall_at_1000",
    "map_at_r",
    "r_precision",
]
SWAPPED = {"recall_at_1": "map_at_r", "map_at_r": "recall_at_1"}
"""The metric that the sensitivity page puts in place of another."""

Backbone = Literal["tf_efficientnet_lite0", "resnet50_512", "bn_inception_512", "dino_vits16_384", "vits16_384"]
EMBEDDED_BACKBONE: Literal["tf_efficientnet_lite0"] = "tf_efficientnet_lite0"
Axis = Literal["proxies_per_class", "alpha", "delta", "reach"]


class Verdict(StrEnum):
    """What the records say about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    PREMISE_NOT_MET = "premise not met"
    NOT_RUN = "not run"
