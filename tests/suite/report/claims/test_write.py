"""From rows on disk to the report, its pages and the command; other looks at the records; the numbers of docs/claims.md."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from suite.judging.claims.sensitivity import SWAPPED_METRIC, VALIDATION_EPOCH, sensitivity
from suite.judging.claims.verdict import everywhere
from suite.judging.claims.vocabulary import Verdict
from suite.report.claims.write import write_claims
from suite.settings.params import load_settings
from tests.helpers.paths import ROOT
from tests.suite.judging.claims.synthetic import DATASETS, claim, judged, run, runs, values_of, write

WIGGLE = np.array([0.1, -0.2, 0.15, -0.1, 0.05])


def test_the_numbers_of_the_documentation_are_those_of_the_code():
    results = doctest.testfile(str(ROOT / "docs/claims.md"), module_relative=False)
    assert (results.failed, results.attempted > 15) == (0, True)


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "inconclusive"], "inconclusive"),
        (["supported", "equivalent"], "inconclusive"),
        (["supported", "contradicted", "not run"], "contradicted"),
        (["supported", "not run"], "not run"),
        (["supported", "premise not met"], "supported"),
        (["premise not met"], "premise not met"),
        (["equivalent", "equivalent"], "equivalent"),
    ],
)
def test_everywhere(lines, verdict):
    assert everywhere([Verdict(line) for line in lines]) == verdict


def looks(workplace, rows):
    from suite.judging.claims.measured import read_measured

    write("runs", rows)
    claims = [claim("superiority")]
    base = judged(*claims)
    (found,) = sensitivity(claims, read_measured(DATASETS), base)
    return found


def test_a_verdict_that_every_look_confirms_is_not_fragile(workplace):
    rows = [run(52 + w, s, then=52.1 + w) for s, w in enumerate(WIGGLE)]
    rows += [run(50 - w / 2, s, loss="cpml", then=50 - w / 2) for s, w in enumerate(WIGGLE)]
    found = looks(workplace, rows)
    assert found.flips == {}
    assert set(found.others) == {VALIDATION_EPOCH, SWAPPED_METRIC, *(f"without seed {s}" for s in range(5))}
    assert set(found.others.values()) == {Verdict.SUPPORTED}


def test_each_look_can_make_a_verdict_fragile(workplace):
    rows = [run(52 + w, s, then=48 + w, map_at_r=20 + w) for s, w in enumerate(WIGGLE)]
    rows += [run(50.0 - w / 2, s, loss="cpml", then=50 - w / 2, map_at_r=25 - w / 2) for s, w in enumerate(WIGGLE)]
    found = looks(workplace, rows)
    assert found.flips == {VALIDATION_EPOCH: Verdict.CONTRADICTED, SWAPPED_METRIC: Verdict.CONTRADICTED}


def test_seeds_that_a_verdict_cannot_spare_make_it_fragile(workplace):
    found = looks(workplace, runs([50.5, 50.4, 50.5, 50.4, 51.9]) + runs(50 + WIGGLE / 10, loss="cpml"))
    assert found.verdict == Verdict.SUPPORTED
    assert found.flips == {f"without seed {seed}": Verdict.INCONCLUSIVE for seed in range(4)}


def test_a_look_that_was_not_measured_flips_nothing(workplace):
    found = looks(workplace, runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    assert found.others[VALIDATION_EPOCH] == Verdict.NOT_RUN
    assert VALIDATION_EPOCH not in found.flips


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
    assert "| first | emoji | supported | not run | same |" in Path("results/sensitivity.md").read_text()


def test_runs_that_params_yaml_names_no_more_do_not_count(project):
    settings = load_settings()
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


@pytest.mark.parametrize("terminal", [False, True])
def test_the_command_prints_all_claims_of_the_repository(project, monkeypatch, command, terminal):
    from rich.console import Console

    from suite.cli.main import claims as module

    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    monkeypatch.setattr(module, "console", Console(force_terminal=terminal, width=200))
    status, out, _ = command("claims")
    assert status == 0
    assert "above-cpml-noise-0" in out
    assert "89 claims: " in out
    assert "[+" in out
