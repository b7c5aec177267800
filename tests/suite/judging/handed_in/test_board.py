"""Whenever it is shown, a bundle is checked: the folder proves nothing, and what a board asks for may have changed."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from suite.errors import SuiteError
from suite.hashing import sha256_file
from suite.judging.handed_in.folder import load_handed_in
from suite.judging.handed_in.merge import merge
from suite.report.leaderboard import write_finetuned_leaderboard, write_leaderboard
from suite.settings.params import load_settings
from suite.settings.paths import FINETUNED_FILE, FINETUNED_RESULTS
from tests.suite.judging.handed_in.test_merge import as_lines, write_changed
from tests.suite.judging.handed_in.test_tampered import RECORDS, records_of


def placed(path, **beside):
    """A bundle put into the folder by hand, with the file that belongs beside it."""
    Path("handed_in").mkdir()
    shutil.copy(path, "handed_in/own.zip")
    found = {"sha256": sha256_file(path), "spot_checks": []} | beside
    Path("handed_in/own.json").write_text(json.dumps(found))


def perfect(record):
    """The best numbers that there can be."""
    record["class_hits"] = record["class_queries"]
    record["metrics"] = dict.fromkeys(record["metrics"], 1.0)
    if record["validation_epoch"]:
        record["validation_epoch"]["metrics"] = dict.fromkeys(record["metrics"], 1.0)


def test_a_bundle_that_was_put_there_by_hand_is_checked(board, contents):
    records = records_of(contents)
    for each in records:
        perfect(each)
        each["hyperparameters"] = {"weight": 77.0}
    placed(write_changed(Path("x.zip"), contents, {RECORDS: as_lines(records)}))
    with pytest.raises(
        SuiteError, match=r"hyperparameters = .*does not fit this board; take it off with: git rm handed"
    ):
        write_leaderboard(load_settings())
    assert not Path("results").exists()


CHANGES = {
    "trials": lambda params: params["tuning"].update(trials=50),
    "folds": lambda params: params["tuning"].update(folds=3),
    "a space": lambda params: params["tuning"].update(space={"learning_rate": {"low": 0.001, "high": 0.1}}),
    "epochs": lambda params: params["recipe"].update(epochs=3),
    "seeds": lambda params: params.update(seeds=3),
    "levels": lambda params: params["noise"].update(levels=[0, 0.2, 0.4]),
    "kind": lambda params: params["noise"].update(kind="small_cluster"),
    "classes": lambda params: params["datasets"]["emoji"].update(max_classes=10),
    "a loss of this name": lambda params: params["losses"].update(OWN={"target": "baselines.triplet:TripletLoss"}),
}


def test_a_board_that_has_changed_refuses_what_was_merged(board, submitted):
    """All of it on one board; what changes the board's own runs is told by the bundle before they are made anew."""
    merge([submitted / "own.zip"], load_settings())
    load_handed_in(load_settings())
    before = Path("params.yaml").read_text()
    for change in CHANGES.values():
        params = yaml.safe_load(before)
        change(params)
        Path("params.yaml").write_text(yaml.safe_dump(params))
        settings = load_settings()
        with pytest.raises(SuiteError, match=r"does not fit this board; take it off with: git rm handed_in/own\.zip"):
            load_handed_in(settings)
    Path("params.yaml").write_text(before)
    load_handed_in(load_settings())
    late = yaml.safe_load(FINETUNED_FILE.read_text())
    late["tuning"]["trials"] = 9
    FINETUNED_FILE.write_text(yaml.safe_dump(late))
    with pytest.raises(SuiteError, match=r"finetuned\.tuning\.trials = 1; allowed: 9"):
        load_handed_in(load_settings())


def test_runs_of_other_views_than_the_grids_are_named(board, submitted, contents):
    """They stand in the tables, for another processor makes other views."""
    merge([submitted / "own.zip"], load_settings())
    rows = records_of(contents, "records/finetuned/emoji.jsonl")
    views = rows[0]["views_sha256"]
    grid = Path("finetuned/runs/emoji-triplet/records.jsonl")
    grid.parent.mkdir(parents=True)
    for ours in (views, "0" * 64):
        grid.write_bytes(as_lines([each | {"loss": "triplet", "views_sha256": ours} for each in rows]))
        found, _ = write_finetuned_leaderboard(load_settings())
        assert {"own", "triplet"} <= set(found["loss"])
        page = (FINETUNED_RESULTS / "leaderboard.md").read_text()
        _, head, told = page.partition("## Of other views\n")
        assert bool(head) == (ours != views)
    assert told.endswith(
        "own.zip: records/finetuned: runs of own on emoji are of other views "
        f"(views_sha256 {views[:8]}; that of the grid is 00000000)\n"
    )


def test_a_check_that_drew_nothing_of_the_bundle_is_no_check(board, submitted):
    check = {"draw": 1, "margin": 0.5, "suite_version": "0.1.0", "processor": "", "versions": {}, "features_sha256": {}}
    placed(submitted / "own.zip", spot_checks=[check | {"reruns": [{"config_sha256": "0" * 64, "found": None}]}])
    with pytest.raises(SuiteError, match=r"own\.json: a spot check holds other runs than draw 1 draws; restore it"):
        load_handed_in()
    Path("handed_in/own.json").write_text(
        json.dumps(
            {"sha256": sha256_file(Path("handed_in/own.zip")), "spot_checks": [check | {"outcome": "reproduced"}]}
        )
    )
    with pytest.raises(SuiteError, match=r"own\.json.*spot_checks"):
        load_handed_in()
