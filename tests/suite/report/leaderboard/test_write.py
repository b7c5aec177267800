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
from suite.evaluation.flat import read_flat

from suite.errors import SuiteError
from suite.evaluation.records import METRICS, read_records
from suite.files import write_json, write_lines
from suite.report.leaderboard.write import (
    RECORDS_FILE,
    TIMES_FILE,
    VERDICTS_FILE,
    record_files,
    with_published,
    write_leaderboard,
    write_times,
)
from suite.settings.params import LossSettings, load_settings
from tests.helpers.paths import ROOT
from tests.suite.judging.leaderboard.records import as_written, row

PUBLISHED = Path("studies/as_published/emoji-pfml.jsonl")


@pytest.fixture
def settings(workplace):
    """Settings of a grid of 2 losses x 2 levels x 2 seeds, whose records are all there."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {
        "datasets": {"emoji": {}},
        "losses": {"pfml": {}, "triplet": {}},
        "published": {"pfml": {}},
        "ablation": {},
        "geometry": {},
        "noise": {"levels": [0, 0.2]},
        "seeds": 2,
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for loss, recall in (("pfml", 0.5), ("triplet", 0.45)):
        for level in (0, 0.2):
            rows = [row(loss, level, seed, recall - level / 10 + seed / 100) for seed in range(2)]
            write_lines(Path(f"runs/emoji-{loss}-{level}/records.jsonl"), [as_written(record) for record in rows])
    rows = [
        row("pfml", level, seed, 0.3 if seed else None, track="published") for level in (0, 0.2) for seed in range(2)
    ]
    write_lines(PUBLISHED, [as_written(record) for record in rows])
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
from suite.settings.params import LossSettings, load_settings
from suite.report.leaderboard.write import write_leaderboard

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
    records = read_records([*record_files(settings), PUBLISHED])
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
    path = Path("runs/emoji-pfml-0.2/records.jsonl")
    path.write_text(path.read_text().replace('"track": "tuned", ', ""))
    with pytest.raises(SuiteError, match=r"runs/emoji-pfml-0\.2\/records.jsonl: line 1\.track is missing"):
        write_leaderboard(settings)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "runs/emoji-pfml-0.2/records.jsonl",
            r"record file runs/emoji-pfml-0\.2\/records.jsonl is missing; run: dvc repro",
        ),
        ("frozen/emoji.jsonl", r"file frozen/emoji\.jsonl is missing; run: dvc repro features@emoji"),
    ],
)
def test_what_is_missing_is_told(settings, path, message):
    Path(path).unlink()
    with pytest.raises(SuiteError, match=message):
        write_leaderboard(settings)
    assert not Path("results").exists()


def beside(settings, *published):
    """What is kept of published records that stand in git beside those of the grid."""
    PUBLISHED.unlink()
    if published:
        write_lines(PUBLISHED, [as_written(record) for record in published])
    records = read_records(record_files(settings))
    both = with_published(records)
    pd.testing.assert_frame_equal(both[: len(records)][list(METRICS)], records[list(METRICS)])
    added = both[len(records) :]
    return list(zip(added["loss"], added["noise_level"], added["seed"], added["status"], strict=True))


def as_published(loss="pfml", level=0, seed=0, recall=0.3, **other):
    return row(loss, level, seed, recall, track="published", **other)


def test_without_adopted_studies_there_is_no_published_track(settings):
    assert beside(settings) == []
    assert set(write_leaderboard(settings)["track"]) == {"tuned"}


def test_published_rows_of_the_grid_are_kept(settings):
    assert beside(settings, as_published(), as_published(seed=1, recall=None)) == [
        ("pfml", 0, 0, "ok"),
        ("pfml", 0, 1, "failed"),
    ]


FEWER = {"class_hits": [3000, 3000], "class_queries": [5000, 5000]}


@pytest.mark.parametrize("recall", [0.3, None])
@pytest.mark.parametrize(
    "other",
    [
        {"loss": "multi_similarity"},
        {"level": 0.4},
        {"level": 0.2, "noise_kind": "small_cluster"},
        {"dataset": "furniture"},
        {"data_sha256": "another file"},
    ],
    ids=lambda other: next(reversed(other)),
)
def test_published_rows_beside_the_grid_are_left_out(settings, other, recall):
    """Those that failed as well."""
    if "data_sha256" in other:
        assert beside(settings, as_published(recall=recall, **other)) == []
    else:
        assert beside(settings, as_published(), as_published(recall=recall, **other)) == [("pfml", 0, 0, "ok")]


def test_published_rows_of_other_test_classes_are_left_out_with_their_failures(settings):
    rows = [as_published(seed=0, recall=0.6, **FEWER), as_published(seed=1, recall=None)]
    assert beside(settings, *rows) == []


def test_published_runs_that_all_failed_are_kept_on_the_same_data(settings):
    assert beside(settings, as_published(recall=None)) == [("pfml", 0, 0, "failed")]


def test_an_own_loss_gets_its_verdicts(settings):
    assert "## Verdicts" not in markdown(settings)
    mine = settings.model_copy(update={"losses": settings.losses | {"triplet": LossSettings(target="mine.py:Triplet")}})
    assert "### triplet against pfml and the best baseline\n\ntriplet in 2 tables: against pfml behind in" in markdown(
        mine
    )
    table = pd.read_csv(VERDICTS_FILE)
    tuned = table[table["track"] == "tuned"]
    assert list(zip(tuned["loss"], tuned["other"], strict=True)) == [("triplet", "pfml")] * 2


def markdown(settings):
    write_leaderboard(settings)
    return Path("results/leaderboard.md").read_text()


def test_times_are_of_the_stages_of_the_default_pipeline(settings):
    names = ["features-emoji", *(path.parent.name for path in record_files(settings))]
    for number, name in enumerate(names):
        runs = {} if name == "features-emoji" else {"seed 0": 1.0, "seed 1": 2.0}
        write_json(Path(f"times/{name}.json"), {"start_up": 3.0, "work": number, "runs": runs})
    write_times(settings)
    table = pd.read_csv(TIMES_FILE)
    assert table["name"].tolist() == names
    assert table["stage"].tolist() == ["features", *["train"] * 4]
    cells = list(table[["dataset", "loss", "noise_level"]].iloc[1:].itertuples(index=False, name=None))
    assert cells == [("emoji", loss, level) for loss in ("pfml", "triplet") for level in (0, 0.2)]
    assert table["work_seconds"].tolist() == [0, 1, 2, 3, 4]
    assert table["mean_run_seconds"].tolist()[1:] == [1.5] * 4


def test_a_missing_times_file_is_told(settings):
    with pytest.raises(SuiteError, match=r"times file times/features-emoji\.json is missing; run: dvc repro"):
        write_times(settings)
    assert not Path("results").exists()
