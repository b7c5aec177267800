"""Croissant metadata of the embedded data sets: ``docs/data/DATASET.croissant.json``, beside the data sheets.

JSON-LD in the vocabulary of Croissant 1.0 (MLCommons): licences, sources, the file with its digest, its columns, and the
classes with their half of the class-disjoint split. Catalogues and loaders of data sets read it.
"""

from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from packaging.licenses import canonicalize_license_expression

from suite.data.catalog import EMBEDDED, verified
from suite.data.split import num_training_classes
from suite.data.table import ImageTable, read_table
from suite.files import read_json, write_json
from suite.settings.paths import SHEETS_FOLDER

_CROISSANT = "http://mlcommons.org/croissant/"
_TERMS = [
    "citeAs",
    "column",
    "conformsTo",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]
"""Terms of Croissant that name a property alone."""
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": _CROISSANT,
    "dct": "http://purl.org/dc/terms/",
    "rai": f"{_CROISSANT}RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_PUBLISHED = "2026-11-23"
"""The day on which the data files were pinned."""
_COLUMNS = {
    "image": ("sc:ImageObject", "The picture, an encoded WebP file."),
    "label": ("sc:Integer", "The number of its class."),
    "class_name": ("sc:Text", "The name of its class."),
    "source": ("sc:Text", "Where it comes from: a package, or a model in one."),
    "licence": ("sc:Text", "Its licence, an identifier of SPDX."),
}
"""Columns of a data file: type and meaning."""


def croissant_path(dataset: str) -> Path:
    """Where the metadata of a data set lie."""
    return SHEETS_FOLDER / f"{dataset}.croissant.json"


def write_croissant(dataset: str) -> Path:
    """Write the metadata of an embedded data set; gives the file.

    Raises:
        SuiteError: the data file is missing or was altered.
    """
    path, data = croissant_path(dataset), verified(dataset)
    write_json(path, croissant(dataset, read_table(data.path), data.path.stat().st_size))
    return path


def croissant(dataset: str, table: ImageTable, size: int) -> dict[str, Any]:
    """The metadata as plain data.

    Args:
        dataset: name of an embedded data set.
        table: its images.
        size: bytes of its file.
    """
    sources = read_json(Path(str(resources.files("suite.data.builders") / f"{dataset}.sources.json")))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": f"{_CROISSANT}1.0",
        "name": dataset,
        "description": f"{EMBEDDED[dataset].about[0].upper()}{EMBEDDED[dataset].about[1:]}.",
        "url": f"{dataset}.md",
        "citeAs": f"Data set {dataset} of pfml-suite; its sources under isBasedOn",
        "creator": {"@type": "sc:Organization", "name": "The pfml-suite contributors"},
        "datePublished": _PUBLISHED,
        "version": "1.0.0",
        "inLanguage": "en",
        "isLiveDataset": False,
        "license": [_licence_page(name) for name in sorted(set(table.licences))],
        "isBasedOn": [_source(source) for source in sources],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "images",
                "name": "images",
                "description": "All images with their classes, a row each.",
                "contentUrl": f"../../data/{dataset}.parquet",
                "contentSize": f"{size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": EMBEDDED[dataset].sha256,
            }
        ],
        "recordSet": [_images(), _classes(table)],
    }


def _licence_page(name: str) -> str:
    return f"https://spdx.org/licenses/{canonicalize_license_expression(name)}.html"


def _source(source: dict[str, str]) -> dict[str, str]:
    return {
        "@type": "sc:CreativeWork",
        "name": source["name"],
        "version": source["version"],
        "license": source["licence"],
        "creditText": source["attribution"],
        "identifier": f"sha256:{source['sha256']}",
    }


def _field(record_set: str, name: str, kind: str, about: str, **more: Any) -> dict[str, Any]:
    field = {"@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "description": about, "dataType": kind}
    return field | more


def _images() -> dict[str, Any]:
    """A record for each image."""
    return {
        "@type": "cr:RecordSet",
        "@id": "image",
        "name": "image",
        "description": "A record for each image.",
        "field": [
            _field(
                "image",
                name,
                kind,
                about,
                source={"fileObject": {"@id": "images"}, "extract": {"column": name}},
                **({"references": {"field": {"@id": "class/label"}}} if name == "label" else {}),
            )
            for name, (kind, about) in _COLUMNS.items()
        ],
    }


def _classes(table: ImageTable) -> dict[str, Any]:
    """A record for each class, with the records themselves."""
    training = num_training_classes(table.num_classes)
    sizes = np.bincount(table.labels).tolist()
    licences: list[Counter[str]] = [Counter() for _ in sizes]
    for label, licence in zip(table.labels.tolist(), table.licences, strict=True):
        licences[label][licence] += 1
    rows = [
        {
            "class/label": label,
            "class/name": name,
            "class/half": "training" if label < training else "test",
            "class/images": sizes[label],
            "class/licences": " AND ".join(sorted(licences[label])),
        }
        for label, name in enumerate(table.class_names)
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "class",
        "name": "class",
        "description": "A record for each class, in the stored order.",
        "key": {"@id": "class/label"},
        "field": [
            _field("class", "label", "sc:Integer", "Its number."),
            _field("class", "name", "sc:Text", "Its name."),
            _field("class", "half", "sc:Text", "Its half of the class-disjoint split: training or test."),
            _field("class", "images", "sc:Integer", "How many images it has."),
            _field("class", "licences", "sc:Text", "Licences of its images, by SPDX."),
        ],
        "data": rows,
    }
