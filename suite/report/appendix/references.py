"""What an appendix cites: the paper, papers of losses, sources of data sets, methods and libraries; as BibTeX."""

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from suite.data.catalog import EMBEDDED
from suite.losses.registry import BUILT_IN
from suite.report.appendix.markup import latex_text

PAPER = "bhatnagar2025pfml"
LOSSES: dict[str, tuple[str, ...]] = {
    "pfml": (PAPER,),
    "cpml": (PAPER, "hadsell2006contrastive"),
    "proxy_anchor": ("kim2020proxyanchor",),
    "triplet": ("schroff2015facenet",),
    "multi_similarity": ("wang2019multisimilarity",),
    "soft_triple": ("qian2019softtriple",),
    "proxy_nca_pp": ("teh2020proxynca",),
    "hist": ("lim2022hist",),
    "prism": ("liu2021prism",),
    "sub_center_arcface": ("deng2020subcenter",),
    "smooth_ap": ("brown2020smoothap",),
    "recall_at_k": ("patel2022recall",),
    "supcon": ("khosla2020supcon",),
    "circle": ("sun2020circle",),
    "normalized_softmax": ("zhai2019classification",),
    "cross_batch_memory": ("wang2020xbm",),
    "super_loss": ("castells2020superloss",),
    "smooth_proxy_anchor": ("roig2020smoothproxyanchor",),
    "pfml_constant_force": (PAPER, "pfmlsuite"),
    "pfml_growing_force": (PAPER, "pfmlsuite"),
    "pfml_two_radii": (PAPER, "pfmlsuite"),
}
"""References of each loss that comes with the suite."""
BENCHMARKS = {"cub": ("wah2011cub",), "cars": ("krause2013cars",), "sop": ("ohsong2016lifted",)}
SPLIT, SEARCH, OPTIMISER, HOLM = (
    ("ohsong2016lifted", "musgrave2020reality"),
    "bergstra2011tpe",
    "loshchilov2019adamw",
    "holm1979",
)
METRICS, BACKBONE = "musgrave2020reality", "tan2019efficientnet"
LIBRARIES = {
    "PyTorch": "paszke2019pytorch",
    "timm": "wightman2019timm",
    "Faiss": "douze2024faiss",
    "PyTorch Metric Learning": "musgrave2020pml",
    "Optuna": "akiba2019optuna",
    "NumPy": "harris2020numpy",
    "SciPy": "virtanen2020scipy",
    "pandas": "mckinney2010pandas",
    "Matplotlib": "hunter2007matplotlib",
    "DVC": "dvc",
    "pfml-suite": "pfmlsuite",
}
"""Libraries that results pass through, by name."""
MOST_SOURCES = 12
"""Packages of a data set that are cited one by one; more of them are one entry that counts them."""
_ENTRY = re.compile(r"^@\w+\{([^,]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)


@cache
def entries() -> dict[str, str]:
    """Entries of ``references.bib`` by key."""
    text = (files("suite.report.appendix") / "references.bib").read_text(encoding="utf-8")
    return {found[1]: found[0] for found in _ENTRY.finditer(text)}


def loss_entries(name: str, target: str | None, source: str | None) -> dict[str, str]:
    """Entries of a loss by key: its papers, or what a loss of a user's own says of its source.

    Args:
        name: on the leaderboard.
        target: ``module:Class``; None if it is not known.
        source: what its class declares; None if it declares none.
    """
    if name in LOSSES and target in (None, BUILT_IN[name]):
        return {key: entries()[key] for key in LOSSES[name]}
    if source is None:
        return {}
    key = _key("loss", name)
    return {key: misc(key, name, note=source)}


def dataset_entries(dataset: str, licence: str | None = None) -> dict[str, str]:
    """Entries of a data set by key: its paper, or the packages that it was made from; of a user's, its licence."""
    if dataset in BENCHMARKS:
        return {key: entries()[key] for key in BENCHMARKS[dataset]}
    if dataset not in EMBEDDED:
        return {_key("data", dataset): misc(_key("data", dataset), dataset, note=f"Licence: {licence or 'unknown'}")}
    text = (files("suite.data.builders") / f"{dataset}.sources.json").read_text(encoding="utf-8")
    sources = json.loads(text)
    if len(sources) > MOST_SOURCES:
        licences = ", ".join(sorted({source["licence"] for source in sources}))
        names = f"{len(sources)} packages, from {_short(sources[0])} to {_short(sources[-1])}"
        key = _key("data", dataset)
        told = "The data sheet of the suite names the author and the licence of each"
        return {
            key: misc(
                key, f"Sources of the data set {dataset}", howpublished=names, note=f"Licences: {licences}. {told}"
            )
        }
    found = {}
    for source in sources:
        key = _key(dataset, _short(source))
        package = f"Package {source['name']}, version {source['version']}, licence {source['licence']}"
        found[key] = misc(key, _short(source), howpublished=package, note=source["attribution"])
    return found


def _short(source: dict[str, str]) -> str:
    """Name of a package without that of its collection."""
    return source["name"].rpartition("/")[2]


def misc(key: str, title: str, **fields: str) -> str:
    """A ``@misc`` entry; fields are text."""
    lines = [
        f"  key = {{{latex_text(title)}}}",  # what styles sort by where there is no author
        f"  title = {{{{{latex_text(title)}}}}}",
        *(f"  {name} = {{{latex_text(text)}}}" for name, text in fields.items()),
    ]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def _key(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-").lower() or "x" for part in parts)


def bibliography(keys: Iterable[str], own: dict[str, str]) -> str:
    """The entries of these keys as a file.

    Args:
        keys: in the order in which they are cited.
        own: entries that are not in ``references.bib``.
    """
    known = entries() | own
    return "\n\n".join(known[key] for key in keys) + "\n"


def keys_of(found: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """All keys, each once."""
    return tuple(dict.fromkeys(key for each in found for key in each))
