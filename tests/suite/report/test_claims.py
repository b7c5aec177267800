"""From records on disk to the report and its pages."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from suite.errors import SuiteError
from suite.report.claims import write_claims
from suite.settings.params import load_settings
from tests.helpers.paths import ROOT
from tests.suite.judging.claims.synthetic import run, runs, values_of, write

WIGGLE = np.array([0.1, -0.2, 0.15, -0.1, 0.05])


@pytest.fixture
def project(workplace):
    (workplace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    folder = workplace / "claims"
    folder.mkdir()
    for name, changes in (("first", {}), ("second", {"datasets": ["emoji", "furniture"], "family": "two"})):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values_of("superiority", **changes) | {"id": name}))
    return workplace


def test_report_and_pages(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    found = write_claims(load_settings(), project / "claims")
    assert json.loads(Path("results/claims.json").read_text()) == found
    first, second = found["claims"]
    (line,) = first["lines"]
    assert (first["verdict"], line["n"], line["effect"]) == ("supported", 5, pytest.approx(2.0))
    assert [line["verdict"] for line in second["lines"]] == ["supported", "not run"]
    assert second["verdict"] == "not run"
    page = Path("results/claims.md").read_text()
    assert "| first | emoji | supported | +2.00 [" in page
    assert "| second | all | not run |" in page
    assert found["claims_sha256"] in page
    assert page.index("| question | judged | claims | on single data sets |") < page.index("| first | emoji |")
    assert "| first | emoji | supported | not run | same |" in Path("results/sensitivity.md").read_text()


def test_runs_that_params_yaml_names_no_more_do_not_count(project):
    settings = load_settings()
    with pytest.raises(
        SuiteError, match=r"runs/ holds no run of the losses and data sets of params\.yaml; run: dvc repro"
    ):
        write_claims(settings)
    write("runs", runs(50 + WIGGLE))
    before = write_claims(settings)
    write("runs", [run(50.0, 0, loss="gone"), run(50.0, settings.seeds)], "stale")
    assert write_claims(settings) == before


def test_the_report_is_a_function_of_the_records(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    names = ("claims.json", "claims.md", "sensitivity.md")
    write_claims(load_settings(), project / "claims")
    first = [(project / "results" / name).read_bytes() for name in names]
    write_claims(load_settings(), project / "claims")
    assert [(project / "results" / name).read_bytes() for name in names] == first
