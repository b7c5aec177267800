"""What dvc repro ends with."""

import shutil
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import yaml

from suite.files import write_json, write_text
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.closing import closing_lines
from suite.settings.params import Settings
from suite.settings.paths import BOARD_FILE, CLAIMS_FILE, SITE_FOLDER, VERDICTS_FILE
from tests.helpers.paths import ROOT
from tests.helpers.records import frozen, table
from tests.suite.report.test_families import REPORT


def settings(**losses):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values |= {"losses": {"pfml": {}, **losses}, "paper_values": {}, "geometry": {}}
    return Settings.model_validate(values)


def test_it_names_verdicts_places_and_how_to_check(workplace):
    write_json(CLAIMS_FILE, REPORT)
    for path in (CLAIMS_FILE.with_suffix(".md"), Path("results/leaderboard.md")):
        write_text(path, "")
    write_text(SITE_FOLDER / "index.html", "")
    runs = table(("pfml", 0, [0.5, 0.51, 0.52]), ("mine", 0, [0.6, 0.612, 0.62]))
    write_text(BOARD_FILE, leaderboard(runs, frozen(0.3)).to_json(orient="records"))
    judged = verdicts(runs, ["mine"])
    write_text(VERDICTS_FILE, judged.to_csv(index=False))
    lines = closing_lines(settings(mine={"target": "mine.py:Mine"}))
    assert lines[0].startswith("Claims, regime frozen")
    assert lines[-6].startswith("mine in 1 table: against pfml ahead in 1")  # without baselines nothing was found
    assert lines[-5:] == [
        "",
        "Claims in full: results/claims.md",
        "Leaderboard:    results/leaderboard.md",
        "Site:           results/site/index.html",
        "Check:          suite verify   # do these records reproduce those in git?",
    ]
    assert max(map(len, lines)) < 140
    assert len([line for line in lines if line.lower().startswith("not run")]) == 1


def test_what_was_found_stands_on_the_last_screen_in_every_regime(workplace):
    write_json(CLAIMS_FILE, REPORT)
    for place, regime in ((Path("results"), "frozen"), (Path("results/finetuned"), "finetuned")):
        runs = table(("pfml", 0, [0.4, 0.41, 0.42]), ("cpml", 0, [0.5, 0.512, 0.52])).assign(regime=regime)
        write_text(place / "leaderboard.json", leaderboard(runs, frozen(0.3)).to_json(orient="records"))
        write_text(place / "verdicts.csv", verdicts(runs, []).to_csv(index=False))
    lines = closing_lines(settings())
    told = [n for n, line in enumerate(lines) if "CVPR 2025) does not win" in line]
    assert len(told) == 2
    assert "on frozen features" in lines[told[0]]
    assert told[0] > max(n for n, line in enumerate(lines) if line.startswith("  "))  # below what may be long
    assert "last stages" in lines[told[1]]
    wrapped = sum(len(line) // 80 + 1 for line in lines[told[0] :])
    assert wrapped <= 24  # lines of a terminal of 80 columns


@pytest.mark.parametrize("regimes", [1, 2])
def test_the_results_in_git_end_on_one_screen(workplace, regimes):
    shutil.copytree(ROOT / "results", "results", ignore=shutil.ignore_patterns("finetuned"))
    if regimes == 2:  # as long as the first
        shutil.copytree(ROOT / "results", "results/finetuned", dirs_exist_ok=True)
        for name in ("leaderboard.json", "verdicts.csv", "claims.json"):
            path = Path("results/finetuned", name)
            path.write_text(path.read_text().replace('"frozen"', '"finetuned"').replace("\nfrozen,", "\nfinetuned,"))
    lines = closing_lines(settings())
    told = [n for n, line in enumerate(lines) if "CVPR 2025) does not win" in line]
    assert len(told) == regimes
    wrapped = [len(textwrap.wrap(line, 80)) or 1 for line in lines[told[0] :]]
    assert sum(wrapped) <= 24


def test_without_results_it_says_nothing(workplace):
    assert closing_lines(settings()) == []


def test_verdicts_on_built_in_losses_are_not_told(workplace):
    judged = verdicts(table(("pfml", 0, [0.5, 0.51]), ("triplet", 0, [0.6, 0.61])), [])
    write_text(VERDICTS_FILE, judged.to_csv(index=False))
    assert pd.read_csv(VERDICTS_FILE)["loss"].tolist()
    assert closing_lines(settings(triplet={})) == []
