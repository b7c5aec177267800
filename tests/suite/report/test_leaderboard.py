"""results/: all forms agree, and a missing record is told."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from suite.errors import SuiteError
from suite.evaluation.cells import record_files
from suite.evaluation.records import read_records, write_records
from suite.evaluation.retrieval import MEASURED
from suite.evaluation.tables import read_csv, to_table
from suite.files import write_json
from suite.report.leaderboard import (
    write_benchmark_leaderboard,
    write_finetuned_leaderboard,
    write_leaderboard,
)
from suite.report.results import read_boards
from suite.report.tables import leaderboard_page
from suite.report.times import write_benchmark_times, write_times
from suite.settings.benchmarks import BenchmarkSettings
from suite.settings.params import LossSettings, load_settings
from suite.settings.paths import RECORDS_FILE, TIMES_FILE, VERDICTS_FILE
from suite.training.studies.promote import promote
from tests.helpers.paths import ROOT
from tests.helpers.records import record

PAPER = Path("results/studies/paper_values/emoji-pfml.jsonl")
LEVELS = (0, 0.2)


@pytest.fixture
def settings(workplace):
    """Settings of 2 losses, 2 levels and 2 seeds, whose records are all there."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {
        "datasets": {"emoji": {}},
        "losses": {"pfml": {}, "triplet": {}},
        "paper_values": {"pfml": {}},
        "ablation": {},
        "geometry": {},
        "noise": {"levels": list(LEVELS)},
        "seeds": 2,
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for loss, recall in (("pfml", 0.5), ("triplet", 0.45)):
        runs = [record(loss, level, seed, recall - level / 10 + seed / 100) for level in LEVELS for seed in range(2)]
        write_records(Path(f"runs/emoji-{loss}/records.jsonl"), runs)
    write_records(PAPER, [at_paper_values(level, seed, 0.3 if seed else None) for level in LEVELS for seed in range(2)])
    metrics = dict.fromkeys(MEASURED, 0.4)
    write_json(Path("frozen/emoji.json"), {"dataset": "emoji", "backbone": "tf_efficientnet_lite0", "metrics": metrics})
    return load_settings()


def at_paper_values(level=0, seed=0, recall=0.3, loss="pfml", **other):
    return record(loss, level, seed, recall, track="paper_values", **other)


def results():
    """Bytes of the files of results/, by name."""
    return {path.name: path.read_bytes() for path in Path("results").iterdir() if path.is_file()}


def test_all_forms_agree(settings):
    board = write_leaderboard(settings)
    stored = pd.read_csv("results/leaderboard.csv")
    pd.testing.assert_frame_equal(stored, board, check_dtype=False)
    rows = json.loads(Path("results/leaderboard.json").read_text())
    assert [item["recall_at_1"] for item in rows] == board["recall_at_1"].tolist()
    assert {item["regime"] for item in rows} == {"frozen"}
    metrics = json.loads(Path("results/metrics.json").read_text())["frozen"]
    assert metrics["tuned"]["emoji"]["pfml"] == {"noise 0": 50.5, "noise 0.2": 48.5}
    assert metrics["paper_values"]["emoji"]["pfml"] == {"noise 0": 30, "noise 0.2": 30}
    assert "| pfml | **50.50 ±" in Path("results/leaderboard.md").read_text()
    assert "& pfml & \\textbf{50.50 $\\pm$" in Path("results/leaderboard.tex").read_text()
    assert b"<svg" in Path("results/noise.svg").read_bytes()


IN_ANOTHER_PROCESS = """
import sys
from suite.settings.params import LossSettings, load_settings
from suite.report.leaderboard import write_leaderboard

write_leaderboard(load_settings())
sys.exit("torch" in sys.modules)
"""


def test_the_same_records_give_the_same_bytes_in_another_process_without_torch(settings):
    write_leaderboard(settings)
    first = results()
    for name in first:
        (Path("results") / name).unlink()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS], check=True, env=environment)
    assert results() == first


def test_what_promote_keeps_in_git_gives_the_same_board_without_runs(settings):
    write_leaderboard(settings)
    first = results()
    assert set(promote()) == {
        *(Path(f"results/runs/emoji-{loss}/records.jsonl") for loss in settings.losses),
        Path("results/frozen/emoji.json"),
    }
    for folder in ("runs", "frozen"):
        shutil.rmtree(folder)
    write_leaderboard(settings)
    assert results() == first


def test_records_in_git_of_fewer_runs_than_the_settings_ask_for_are_refused(settings):
    promote()
    shutil.rmtree("runs")
    pattern = (
        r"^results/runs/emoji-pfml/records\.jsonl lacks 2 runs that params\.yaml asks for, noise 0 seed 2 among them; "
        "run: suite train emoji pfml$"
    )
    with pytest.raises(SuiteError, match=pattern):
        write_leaderboard(settings.model_copy(update={"seeds": 3}))
    assert not Path("results/leaderboard.csv").exists()


def test_the_flat_records_are_the_records(settings):
    write_leaderboard(settings)
    flat = read_csv(RECORDS_FILE)
    records = to_table(read_records([*record_files(settings), PAPER]))
    pd.testing.assert_frame_equal(flat[list(MEASURED)], records[list(MEASURED)])
    assert flat["track"].tolist() == ["tuned"] * 8 + ["paper_values"] * 4
    assert flat["status"].tolist() == ["ok"] * 8 + ["failed", "ok"] * 2


def test_losses_that_the_grid_does_not_run_stand_in_its_tables_with_a_mark(settings):
    assert "extended" not in write_leaderboard(settings)
    assert "(extended)" not in Path("results/leaderboard.md").read_text()
    runs = [record("supcon", level, seed, 0.6 + seed / 100) for level in LEVELS for seed in range(2)]
    write_records(Path("results/studies/extended/emoji-supcon.jsonl"), runs)
    board = write_leaderboard(settings)
    of_study = board[board["extended"]]
    assert of_study[["track", "loss", "recall_at_1"]].to_numpy().tolist() == [["tuned", "supcon", 60.5]] * 2
    rows = json.loads(Path("results/leaderboard.json").read_text())
    assert [row["loss"] for row in rows if row["extended"]] == ["supcon"] * 2
    page = Path("results/leaderboard.md").read_text()
    assert "| **supcon (extended)** |" in page
    assert "pfml (extended)" not in page
    other = [
        {name: value for name, value in row.items() if name != "extended"} | {"regime": "finetuned"} for row in rows
    ]
    write_json(Path("results/finetuned/leaderboard.json"), other)
    both = read_boards(Path("results"))
    assert both[both["extended"]]["loss"].tolist() == ["supcon"] * 2
    judged = pd.read_csv(VERDICTS_FILE)
    best = judged[(judged["against"] == "best baseline") & (judged["loss"] == "pfml") & (judged["track"] == "tuned")]
    assert best["other"].tolist() == ["triplet"] * 2


def test_on_which_data_sets_such_a_loss_has_no_records_is_said(settings):
    runs = [record("supcon", level, seed, 0.6 + seed / 100) for level in LEVELS for seed in range(2)]
    write_records(Path("results/studies/extended/emoji-supcon.jsonl"), runs)
    board = write_leaderboard(settings)
    judged = pd.read_csv(VERDICTS_FILE)
    assert "There are none of" not in leaderboard_page(board, judged)
    other = board[board["loss"] != "supcon"].assign(dataset="furniture")
    assert "There are none of supcon on furniture.\n" in leaderboard_page(pd.concat([board, other]), judged)


def test_other_kinds_of_noise_have_tables_of_their_own_where_a_loss_of_the_grid_was_run(settings):
    write_leaderboard(settings)
    assert "Other kinds" not in Path("results/leaderboard.md").read_text()
    for loss, recall in (("pfml", 0.3), ("supcon", 0.6)):
        runs = [
            record(loss, level, seed, recall + seed / 100, noise_kind="small_cluster", track=track)
            for track in ("tuned", "tuned_under_noise")
            for level in (0.2, 0.4)
            for seed in range(2)
        ]
        runs = [run for run in runs if run.track == "tuned" or loss == "supcon"]
        write_records(Path(f"results/studies/extended/emoji-{loss}.jsonl"), runs)
    board = write_leaderboard(settings)
    assert set(board["noise_kind"]) == {"symmetric"}
    _, section = Path("results/leaderboard.md").read_text().split("## Other kinds of label noise\n")
    assert re.findall("^### (.*)$", section, re.MULTILINE) == ["emoji, frozen, tuned, other kinds"]
    heads, _, *rows = re.findall(r"^\|.*\|$", section, re.MULTILINE)
    assert heads == "| loss | small_cluster 0.2 | small_cluster 0.4 |"
    assert [row.split(" | ")[0] for row in rows] == ["| supcon (extended)", "| frozen backbone", "| pfml"]
    assert "60.50 ±" in rows[0]


def test_a_metric_that_was_not_measured_is_empty_in_csv(settings):
    older = [record("triplet", level, seed, 0.4) for level in LEVELS for seed in range(2)]
    older = [
        each.model_copy(update={"metrics": {name: each.metrics[name] for name in MEASURED if name != "map_at_r"}})
        for each in older
    ]
    write_records(Path("runs/emoji-triplet/records.jsonl"), older)
    write_leaderboard(settings)
    lines = [line.split(",") for line in Path("results/leaderboard.csv").read_text().splitlines()]
    place, loss = lines[0].index("map_at_r"), lines[0].index("loss")
    values = {(line[loss], line[place]) for line in lines[1:] if line[loss] == "triplet"}
    assert values == {("triplet", "")}
    assert "not measured" in Path("results/leaderboard.md").read_text()


def test_pairs_are_written_for_losses_that_finished(settings):
    write_leaderboard(settings)
    pairs = pd.read_csv("results/comparisons.csv")
    assert pairs[["track", "noise_level", "loss", "other"]].to_numpy().tolist() == [
        ["tuned", 0, "pfml", "triplet"],
        ["tuned", 0.2, "pfml", "triplet"],
    ]
    assert pairs["difference"].tolist() == [5, 5]


def test_records_of_an_older_form_stop_before_anything_is_written(settings):
    path = Path("runs/emoji-pfml/records.jsonl")
    path.write_text(path.read_text().replace('"track": "tuned", ', ""))
    with pytest.raises(SuiteError, match=r"runs/emoji-pfml/records\.jsonl, line 1: track is missing"):
        write_leaderboard(settings)
    assert results() == {}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("runs/emoji-pfml/records.jsonl", r"record file runs/emoji-pfml/records\.jsonl is missing; run: dvc repro"),
        ("frozen/emoji.json", r"file frozen/emoji\.json is missing; run: dvc repro features@emoji"),
    ],
)
def test_what_is_missing_is_told(settings, path, message):
    Path(path).unlink()
    with pytest.raises(SuiteError, match=message):
        write_leaderboard(settings)
    assert results() == {}


def test_a_user_loss_gets_its_verdicts(settings):
    assert "## Verdicts" not in markdown(settings)
    mine = settings.model_copy(update={"losses": settings.losses | {"triplet": LossSettings(target="mine.py:Triplet")}})
    assert (
        "### triplet against pfml and the best baseline\n\ntriplet in 2 tables: against pfml not judged without"
        in markdown(mine)
    )
    table = pd.read_csv(VERDICTS_FILE)
    tuned = table[table["track"] == "tuned"]
    assert list(zip(tuned["loss"], tuned["other"], strict=True)) == [("triplet", "pfml")] * 2


def markdown(settings):
    write_leaderboard(settings)
    return Path("results/leaderboard.md").read_text()


def test_times_are_of_the_stages_of_the_default_pipeline(settings):
    seconds = {"features-emoji": [7.0], "emoji-pfml": [1.0, 2.0, 3.0, 6.0], "emoji-triplet": [0.5]}
    for name, values in seconds.items():
        write_json(Path(f"times/{name}.json"), {"runs": {str(place): value for place, value in enumerate(values)}})
    write_times(settings)
    assert TIMES_FILE.read_text().splitlines() == [
        "name,dataset,loss,runs,seconds,mean_seconds",
        "features-emoji,emoji,,1,7.0,7.0",
        "emoji-pfml,emoji,pfml,4,12.0,3.0",
        "emoji-triplet,emoji,triplet,1,0.5,0.5",
    ]


def test_a_missing_times_file_is_told(settings):
    with pytest.raises(SuiteError, match=r"times file times/features-emoji\.json is missing; run: dvc repro"):
        write_times(settings)
    assert results() == {}


@pytest.fixture
def benchmarks(workplace):
    """Settings of two rows on CUB, whose records are all there."""
    shared = {"dataset": "cub", "regime": "published", "recipe_name": "a paper's"}
    for row, recall in (("pfml", 0.7), ("mine", 0.6)):
        before = dict.fromkeys(MEASURED, recall - 0.3)
        runs = [record(row, 0, seed, recall + seed / 100, before_training=before, **shared) for seed in range(2)]
        write_records(Path(f"benchmarks/runs/cub-{row}/records.jsonl"), runs)
        write_json(Path(f"benchmarks/times/cub-{row}.json"), {"runs": {"noise 0 seed 0": 30.0}})
    recipe = next((ROOT / "recipes/paper").glob("**/*.yaml")).stem
    values = {
        "benchmarks": {"cub": {row: {"recipe": recipe, "target": f"{row}.py:Loss"} for row in ("pfml", "mine")}},
        "noise": {"levels": [0]},
        "seeds": 2,
        "precision": "float32",
    }
    return BenchmarkSettings.model_validate(values)


def test_benchmarks_are_compared_with_the_network_of_their_first_row_before_training(benchmarks):
    board = write_benchmark_leaderboard(benchmarks)
    assert set(board["regime"]) == {"published"}
    shares = board.set_index("loss")["recall_at_1"].to_dict()
    assert shares == pytest.approx({"pfml": 70.5, "mine": 60.5, "frozen backbone": 40})
    assert "The whole network learns" in Path("results/benchmarks/leaderboard.md").read_text()
    assert not Path("results/leaderboard.md").exists()


def test_benchmarks_have_their_times(benchmarks):
    write_benchmark_times(benchmarks)
    table = pd.read_csv("results/benchmarks/times.csv")
    assert table[["name", "loss", "seconds"]].to_numpy().tolist() == [
        ["cub-pfml", "pfml", 30],
        ["cub-mine", "mine", 30],
    ]


def keep(dataset, losses, **place):
    """Runs of the regime in which the network learns, kept in git."""
    for loss, recall in losses.items():
        runs = [
            record(
                loss, level, seed, recall + seed / 100, dataset=dataset, regime="finetuned", views_sha256="v", **place
            )
            for level in LEVELS
            for seed in range(2)
        ]
        write_records(Path(f"results/finetuned/runs/{dataset}-{loss}/records.jsonl"), runs)


def test_a_board_names_the_studies_that_it_leaves_out(settings):
    keep("emoji", {"pfml": 0.6, "triplet": 0.4})
    runs = [record("supcon", 0, seed, 0.6, regime="finetuned", views_sha256="w") for seed in range(2)]
    write_records(Path("results/finetuned/studies/extended/emoji-supcon.jsonl"), runs)
    write_records(Path("results/studies/extended/emoji-supcon.jsonl"), [record("supcon", 0, 0, 0.6)])
    assert "supcon" not in [*write_finetuned_leaderboard(settings)[0]["loss"], *write_leaderboard(settings)["loss"]]
    told = {
        "results": "have other seeds, noisy labels or training settings than those of the grid",
        "results/finetuned": "are of other views (views_sha256 w; that of the grid is v)",
    }
    for folder, reason in told.items():
        page = Path(f"{folder}/leaderboard.md").read_text()
        assert page.count("## Left out") == 1
        assert f"\n- {folder}/studies/extended: runs of supcon on emoji {reason}\n" in page


def test_a_board_is_made_of_the_data_sets_that_are_complete(settings):
    more = settings.model_copy(update={"datasets": settings.datasets | {"furniture": settings.datasets["emoji"]}})
    keep("furniture", {"pfml": 0.7})
    with pytest.raises(SuiteError) as caught:
        write_finetuned_leaderboard(more)
    assert str(caught.value) == (
        "no data set is complete; emoji is left out: there are no runs yet of pfml, triplet. furniture is left out: there "
        "are no runs yet of triplet. run: dvc repro pipelines/finetuned/dvc.yaml"
    )
    assert not Path("results/finetuned/leaderboard.md").exists()
    keep("emoji", {"pfml": 0.6, "triplet": 0.4})
    write_leaderboard(settings)
    board, notes = write_finetuned_leaderboard(more)
    assert set(board["dataset"]) == {"emoji"}
    assert notes == ["furniture is left out: there are no runs yet of triplet."]
    page = Path("results/finetuned/leaderboard.md").read_text()
    assert page.endswith("## Not complete\n\n- furniture is left out: there are no runs yet of triplet.\n")
    assert "## Gain over frozen features" in page
    gains = pd.read_csv("results/finetuned/over_frozen.csv").set_index(["loss", "metric"])
    assert gains.loc[("pfml", "recall_at_1"), ["frozen", "learns", "difference"]].tolist() == [50.5, 60.5, 10]
    assert gains.loc[("triplet", "recall_at_1"), "verdict"] == "no gain"
    keep("furniture", {"triplet": 0.5})
    write_json(
        Path("frozen/furniture.json"), json.loads(Path("frozen/emoji.json").read_text()) | {"dataset": "furniture"}
    )
    board, notes = write_finetuned_leaderboard(more)
    assert (set(board["dataset"]), notes) == ({"emoji", "furniture"}, [])
    assert "Not complete" not in Path("results/finetuned/leaderboard.md").read_text()


def test_the_board_without_records_on_frozen_features_compares_nothing(settings):
    keep("emoji", {"pfml": 0.6, "triplet": 0.4})
    write_finetuned_leaderboard(settings)
    assert set(pd.read_csv("results/finetuned/over_frozen.csv")["verdict"]) == {"not compared"}
