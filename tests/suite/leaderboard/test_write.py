"""results/: all forms agree, and a missing record is told."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from suite.config.settings import load_settings
from suite.errors import SuiteError
from suite.evaluation.records import METRICS
from suite.files import write_lines
from suite.leaderboard.write import write_leaderboard
from tests.suite.leaderboard.records import row

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
            rows = []
            for seed in range(2):
                record = row(loss, level, seed, recall - level / 10 + seed / 100)
                rows.append(record | {"metrics": {name: record.pop(name) for name in METRICS}})
            write_lines(Path(f"records/emoji-{loss}-{level}.jsonl"), rows)
    write_lines(Path("frozen/emoji.jsonl"), [{"dataset": "emoji"} | dict.fromkeys(METRICS, 0.4)])
    return load_settings()


def test_all_forms_agree(settings):
    board = write_leaderboard(settings)
    stored = pd.read_csv("results/leaderboard.csv")
    pd.testing.assert_frame_equal(stored, board, check_dtype=False)
    rows = json.loads(Path("results/leaderboard.json").read_text())
    assert [item["recall_at_1"] for item in rows] == board["recall_at_1"].tolist()
    metrics = json.loads(Path("results/metrics.json").read_text())
    assert metrics["emoji"]["pfml"] == {"noise 0": 50.5, "noise 0.2": 48.5}
    assert "| pfml | 50.50 ±" in Path("results/leaderboard.md").read_text()
    assert b"<svg" in Path("results/noise.svg").read_bytes()


def test_it_is_a_function_of_the_records(settings):
    write_leaderboard(settings)
    first = {path.name: path.read_bytes() for path in Path("results").iterdir()}
    write_leaderboard(settings)
    assert {path.name: path.read_bytes() for path in Path("results").iterdir()} == first


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
