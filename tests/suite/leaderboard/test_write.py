"""results/: all forms agree, and a missing record is told."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from suite.config.settings import load_settings
from suite.errors import SuiteError
from suite.evaluation.flat import read_flat
from suite.evaluation.records import METRICS, read_records
from suite.files import write_lines
from suite.leaderboard.write import RECORDS_FILE, record_files, write_leaderboard
from tests.suite.leaderboard.records import as_written, row

ROOT = Path(__file__).parents[3]


@pytest.fixture
def settings(workplace):
    """Settings of a grid of 2 losses x 2 levels x 2 seeds, whose records are all there."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {
        "datasets": {"emoji": {}},
        "losses": {"pfml": {}, "triplet": {}},
        "noise": {"levels": [0, 0.2]},
        "seeds": 2,
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for loss, recall in (("pfml", 0.5), ("triplet", 0.45)):
        for level in (0, 0.2):
            rows = [row(loss, level, seed, recall - level / 10 + seed / 100) for seed in range(2)]
            write_lines(Path(f"records/emoji-{loss}-{level}.jsonl"), [as_written(record) for record in rows])
    rows = [
        row("pfml", level, seed, 0.3 if seed else None, track="published") for level in (0, 0.2) for seed in range(2)
    ]
    write_lines(Path("records/published-emoji-pfml.jsonl"), [as_written(record) for record in rows])
    write_lines(Path("frozen/emoji.jsonl"), [{"dataset": "emoji"} | dict.fromkeys(METRICS, 0.4)])
    return load_settings()


def test_all_forms_agree(settings):
    board = write_leaderboard(settings)
    stored = pd.read_csv("results/leaderboard.csv")
    pd.testing.assert_frame_equal(stored, board, check_dtype=False)
    rows = json.loads(Path("results/leaderboard.json").read_text())
    assert [item["recall_at_1"] for item in rows] == board["recall_at_1"].tolist()
    metrics = json.loads(Path("results/metrics.json").read_text())
    assert metrics["tuned"]["emoji"]["pfml"] == {"noise 0": 50.5, "noise 0.2": 48.5}
    assert metrics["published"]["emoji"]["pfml"] == {"noise 0": 30, "noise 0.2": 30}
    assert "| pfml | **50.50 ±" in Path("results/leaderboard.md").read_text()
    assert "& pfml & \\textbf{50.50 $\\pm$" in Path("results/leaderboard.tex").read_text()
    assert b"<svg" in Path("results/noise.svg").read_bytes()


IN_ANOTHER_PROCESS = """
import sys
from suite.config.settings import load_settings
from suite.leaderboard.write import write_leaderboard

write_leaderboard(load_settings())
sys.exit("torch" in sys.modules)
"""


def test_the_same_records_give_the_same_bytes_in_another_process_without_torch(settings):
    write_leaderboard(settings)
    first = {path.name: path.read_bytes() for path in Path("results").iterdir()}
    shutil.rmtree("results")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS], check=True, env=environment)
    assert {path.name: path.read_bytes() for path in Path("results").iterdir()} == first


def test_the_flat_records_are_the_records(settings):
    write_leaderboard(settings)
    flat = read_flat(RECORDS_FILE)
    records = read_records(record_files(settings))
    pd.testing.assert_frame_equal(flat[list(METRICS)], records[list(METRICS)])
    assert flat["track"].tolist() == ["tuned"] * 8 + ["published"] * 4
    assert flat["status"].tolist() == ["ok"] * 8 + ["failed", "ok"] * 2


def test_pairs_are_written_for_losses_that_finished(settings):
    write_leaderboard(settings)
    pairs = pd.read_csv("results/comparisons.csv")
    assert pairs[["track", "noise_level", "loss", "other"]].to_numpy().tolist() == [
        ["tuned", 0, "pfml", "triplet"],
        ["tuned", 0.2, "pfml", "triplet"],
    ]
    assert pairs["difference"].tolist() == [5, 5]


def test_a_cell_without_new_records_stops_before_anything_is_written(settings):
    path = Path("records/emoji-pfml-0.2.jsonl")
    path.write_text(path.read_text().replace('"track": "tuned", ', ""))
    with pytest.raises(SuiteError, match=r"records/emoji-pfml-0\.2\.jsonl: line 1\.track is missing"):
        write_leaderboard(settings)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("records/emoji-pfml-0.2.jsonl", r"record file records/emoji-pfml-0\.2\.jsonl is missing; run: dvc repro"),
        ("frozen/emoji.jsonl", r"file frozen/emoji\.jsonl is missing; run: dvc repro features@emoji"),
    ],
)
def test_what_is_missing_is_told(settings, path, message):
    Path(path).unlink()
    with pytest.raises(SuiteError, match=message):
        write_leaderboard(settings)
    assert not Path("results").exists()
