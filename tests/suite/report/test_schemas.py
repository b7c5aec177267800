"""The schemas in docs/ are those of the code, and what is in git fits them."""

import json

import pytest
from jsonschema import Draft202012Validator

from suite.judging.handed_in.bundle import MANIFEST
from suite.report.schemas import schemas
from tests.helpers.paths import ROOT
from tests.helpers.records import record
from tests.helpers.synthetic import json_rows

FOUND = {path.name.partition(".")[0]: schema for path, schema in schemas().items()}


def errors(name, value):
    return [error.message for error in Draft202012Validator(FOUND[name]).iter_errors(value)]


@pytest.mark.parametrize("path", schemas(), ids=str)
def test_the_schemas_in_docs_are_those_of_the_code(path):
    """Otherwise run: suite schemas"""
    assert json.loads((ROOT / path).read_text(encoding="utf-8")) == schemas()[path]
    Draft202012Validator.check_schema(schemas()[path])


def test_every_field_says_what_it_is():
    lacking = [
        f"{name}: {model.get('title', '')}.{field}"
        for name, schema in FOUND.items()
        for model in (schema, *schema.get("$defs", {}).values())
        for field, about in model.get("properties", {}).items()
        if not about.get("description")
    ]
    assert lacking == []


def test_records_fit():
    files = sorted(ROOT.glob("results/studies/*/*.jsonl"))
    assert len(files) > 10
    for path in files:
        assert [error for row in json_rows(path)[:3] for error in errors("record", row)] == []
    mine = record("pfml", 0.2, 1, 0.5).model_dump(mode="json")
    assert errors("record", mine) == []
    assert errors("record", mine | {"noise_level": 1}) == ["1 is greater than or equal to the maximum of 1"]
    assert "file" not in FOUND["record"]["properties"]
    assert errors("record", mine | {"file": "a"}) == ["Additional properties are not allowed ('file' was unexpected)"]


def test_leaderboards_fit():
    files = sorted(ROOT.glob("results/**/leaderboard.json"))
    assert files
    for path in files:
        assert errors("board", json.loads(path.read_text(encoding="utf-8"))) == []
    row = json.loads((ROOT / "results/leaderboard.json").read_text(encoding="utf-8"))[0]
    assert errors("board", [row | {"handed_in": "not rerun", "suite_version": "1.0", "spot_check": ""}]) == []
    assert len(errors("board", [row | {"handed_in": "yes"}])) == 1
    assert len(errors("board", [row | {"recall_at_1": 101}])) == 1


def test_manifests_fit():
    digest = "0" * 64
    manifest = {
        "format": 1,
        "loss": "own",
        "licence": "MIT",
        "suite_version": "1.0",
        "protocol": {
            "number": 1,
            "evaluator_sha256": digest,
            "code_sha256": {"frozen": digest},
            "preparation_sha256": {"frozen": digest},
        },
        "data_sha256": {"emoji": digest},
        "features_sha256": {"emoji": digest},
        "versions": {},
        "hardware": [],
        "members": {"settings.json": digest},
    }
    assert errors("bundle", manifest) == []
    assert MANIFEST.endswith(".json")
    assert len(errors("bundle", manifest | {"loss": "<b>"})) == 1
    assert len(errors("bundle", manifest | {"versions": {"python": "x"}})) == 1
