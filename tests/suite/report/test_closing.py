"""What dvc repro ends with."""

from pathlib import Path

import pandas as pd
import yaml

from suite.files import write_json, write_text
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.closing import closing_lines
from suite.settings.params import Settings
from suite.settings.paths import CLAIMS_FILE, SITE_FOLDER, VERDICTS_FILE
from tests.helpers.paths import ROOT
from tests.helpers.records import table
from tests.suite.report.test_families import REPORT


def settings(**losses):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values |= {"losses": {"pfml": {}, **losses}, "paper_values": {}, "geometry": {}}
    return Settings.model_validate(values)


def test_it_names_verdicts_places_and_how_to_check(workplace):
    write_json(CLAIMS_FILE, REPORT)
    for path in (CLAIMS_FILE.with_suffix(".md"), Path("results/leaderboard.json"), Path("results/leaderboard.md")):
        write_text(path, "")
    write_text(SITE_FOLDER / "index.html", "")
    judged = verdicts(table(("pfml", 0, [0.5, 0.51, 0.52]), ("mine", 0, [0.6, 0.612, 0.62])), ["mine"])
    write_text(VERDICTS_FILE, judged.to_csv(index=False))
    lines = closing_lines(settings(mine={"target": "mine.py:Mine"}))
    assert lines[0].startswith("Claims, regime frozen")
    assert lines[-6].startswith("mine in 1 table: against pfml ahead in 1")
    assert lines[-5:] == [
        "",
        "Claims in full: results/claims.md",
        "Leaderboard:    results/leaderboard.md",
        "Site:           results/site/index.html",
        "Check:          suite verify   # do these records reproduce those in git?",
    ]
    assert max(map(len, lines)) < 140
    assert len([line for line in lines if line.lower().startswith("not run")]) == 1


def test_without_results_it_says_nothing(workplace):
    assert closing_lines(settings()) == []


def test_verdicts_on_built_in_losses_are_not_told(workplace):
    judged = verdicts(table(("pfml", 0, [0.5, 0.51]), ("triplet", 0, [0.6, 0.61])), [])
    write_text(VERDICTS_FILE, judged.to_csv(index=False))
    assert pd.read_csv(VERDICTS_FILE)["loss"].tolist()
    assert closing_lines(settings(triplet={})) == []
