"""Croissant metadata: those in docs/ are what the data files give; they name licences, sources and classes."""

import json
import os
import re
from collections import Counter

import numpy as np
import pytest

from suite.data.catalog import EMBEDDED
from suite.data.table import read_table
from suite.report.croissant import croissant, croissant_path
from tests.helpers.paths import ROOT


@pytest.mark.parametrize("dataset", EMBEDDED)
def test_the_metadata_in_docs_are_those_of_the_data(dataset, data_folder):
    """Otherwise run: suite data sheet DATASET"""
    path = data_folder / f"{dataset}.parquet"
    table = read_table(path)
    found = json.loads((ROOT / croissant_path(dataset)).read_text(encoding="utf-8"))
    assert found == croissant(dataset, table, path.stat().st_size)
    (file,) = found["distribution"]
    assert (file["sha256"], file["contentSize"]) == (EMBEDDED[dataset].sha256, f"{path.stat().st_size} B")
    assert os.path.normpath(f"docs/data/{file['contentUrl']}") == f"data/{dataset}.parquet"
    assert (ROOT / "docs/data" / found["url"]).is_file()
    assert {url.removeprefix("https://spdx.org/licenses/") for url in found["license"]} == {
        f"{name}.html" for name in table.licences
    }
    assert found["creator"]["name"]
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", found["datePublished"])
    images, classes = found["recordSet"]
    assert [field["name"] for field in images["field"]] == ["image", "label", "class_name", "source", "licence"]
    rows = classes["data"]
    assert [row["class/name"] for row in rows] == table.class_names
    assert [row["class/images"] for row in rows] == np.bincount(table.labels).tolist()
    halves = Counter(row["class/half"] for row in rows)
    assert halves == {"training": len(rows) // 2, "test": len(rows) - len(rows) // 2}
    assert {field["@id"] for field in classes["field"]} == set(rows[0])


def test_every_term_that_is_used_is_in_the_context(data_folder):
    """What the context does not name is of schema.org: a misspelt term would be taken for one of its own."""
    found = json.loads((ROOT / croissant_path("typefaces")).read_text(encoding="utf-8"))
    terms = set()

    def collect(value):
        if isinstance(value, dict):
            terms.update(value)
            for inner in (inner for name, inner in value.items() if name not in {"data", "@context"}):
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(found)
    schema_org = {
        *("name", "description", "url", "version", "inLanguage", "license", "isBasedOn", "distribution"),
        *(
            "contentUrl",
            "contentSize",
            "encodingFormat",
            "sha256",
            "creditText",
            "identifier",
            "creator",
            "datePublished",
        ),
    }
    assert {term for term in terms if not term.startswith("@")} - set(found["@context"]) == schema_org
