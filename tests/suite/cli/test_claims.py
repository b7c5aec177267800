"""``suite claims`` with its option and its command."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from suite.cli.main import app
from suite.errors import SuiteError
from suite.judging.claims import freeze
from tests.helpers.paths import ROOT


def run(*arguments):
    return CliRunner().invoke(app, ["claims", *arguments], catch_exceptions=False)


@pytest.fixture
def project(workplace):
    (workplace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return workplace


def test_the_plan_is_printed_before_anything_is_run(project):
    done = run("--plan")
    assert done.exit_code == 0
    assert re.search(r"\| above-baselines-noise-0 \| 12 \| 0\.5 \| 3\.31 \| 1\.53 \| 0\.93 \|", done.output)
    assert not Path("results").exists()


def test_the_plan_is_that_of_the_regime(project):
    """The same families and numbers of tests as its report has."""
    shutil.copytree(ROOT / "pipelines", project / "pipelines")
    reports = {"finetuned": "results/finetuned/claims.json"}
    for regime, file in reports.items():
        printed = run("--plan", "--regime", regime).output
        rows = {
            (line.split(" | ")[0].strip("| "), line.split(" | ")[1]) for line in printed.splitlines() if " | " in line
        }
        plan = json.loads((ROOT / file).read_text())["plan"]
        assert {(each["family"], str(each["tests"])) for each in plan} == rows - {("family", "tests"), ("---", "---")}
    assert "| above-baselines-noise-0 |" not in run("--plan", "--benchmarks").output


def test_freezing_writes_the_file_and_asks_for_its_commit(project, monkeypatch):
    written = []

    def elsewhere(files, settings, *, renew):
        written.append(freeze_in(files, settings, renew=renew, folder=project))
        return written[-1]

    freeze_in = freeze.freeze
    monkeypatch.setattr(freeze, "freeze", elsewhere)
    done = run("freeze")
    assert done.exit_code == 0
    assert "commit it before the runs that it is about" in done.output
    assert len(json.loads(written[0].read_text())["claims"]) > 90
    with pytest.raises(SuiteError, match="--renew"):
        run("freeze")
    assert run("freeze", "--renew").exit_code == 0


def test_without_runs_claims_say_what_to_run(project):
    with pytest.raises(SuiteError, match="run: dvc repro"):
        run()
