"""Where proxies lie, as tables: means of runs by hand, what a record lacks is a gap, a failed run counts in no mean."""

import json
from pathlib import Path

import numpy as np
import pytest

from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.report.geometry import geometry_table, write_geometry
from tests.suite.judging.claims.synthetic import model

FIRST = {"spread": [0.6, 0.6, 0.6, 0.3], "w2": [0.5, 0.5, 0.7, 0.7]}
SECOND = {"spread": [0.2, 0.2, 0.2, 0.6], "w2": [0.9, 0.9, 0.9, 0.9], "delta": 0.5}
HELD = {"track": "ablation", "ablation": {"axis": "delta", "value": 0.2}, "delta": 0.2}


def written(rows, place="results/studies/geometry/emoji-pfml.jsonl"):
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def with_places(row, **places):
    return row | {"proxies": row["proxies"] | places}


def table(rows):
    return geometry_table(read_records([written(rows)]))


def test_a_row_has_the_means_of_its_runs_and_the_least_and_most(workplace):
    first = with_places(model(0, **FIRST), wider_by_epoch=[1.0, 0.75], spread_by_epoch=[0.7, 0.525], apart=[0.1] * 4)
    second = with_places(model(1, **SECOND), wider_by_epoch=[0.5, 0.25], spread_by_epoch=[0.5, 0.3], apart=[0.3] * 4)
    found = table([first, second])
    assert len(found) == 1
    row = found.iloc[0]
    assert (row["dataset"], row["loss"], row["proxies_per_class"], row["runs"], row["failed"]) == (
        "emoji",
        "pfml",
        2,
        2,
        0,
    )
    assert np.isnan(row["held"])
    assert (row["delta"], row["delta_least"], row["delta_most"]) == pytest.approx((0.45, 0.4, 0.5))
    assert (row["spread"], row["spread_least"], row["spread_most"]) == pytest.approx((0.4125, 0.3, 0.525))
    assert row["relative"] == pytest.approx((0.525 / 0.4 + 0.3 / 0.5) / 2)
    assert (row["wider_first"], row["wider_last"]) == pytest.approx((0.75, (0.75 + 0.25) / 2))
    assert (row["w2"], row["w2_least"], row["w2_most"]) == pytest.approx((0.75, 0.6, 0.9))
    assert (row["nearest"], row["apart"]) == pytest.approx((0.2, 0.2))
    assert row["condition"] == pytest.approx(0.5)
    assert row["flows"] == pytest.approx(28 / 40)
    assert (row["wider_last_least"], row["wider_last_most"]) == pytest.approx((0.25, 0.75))


def test_a_number_that_one_run_lacks_is_told_of_none(workplace):
    row = table([with_places(model(0), apart=[0.1] * 4), model(1)]).iloc[0]
    assert row["runs"] == 2
    assert row[["apart", "apart_least", "apart_most", "wider_first"]].isna().all()
    assert row["w2"] == pytest.approx(0.5)


def test_a_held_delta_is_named_where_all_its_runs_failed(workplace):
    empty = {"proxies_per_class": 2}
    failed = {"status": "failed", "failure": "the loss became nan", "metrics": {}, "proxies": empty}
    written([model(0), *(model(s, **HELD) | failed for s in (0, 1))])
    assert write_geometry("frozen")["failed"].tolist() == [0, 2]
    assert "| pfml | 0.2 | 0 of 2, the others failed | – |" in Path("results/geometry.md").read_text()


def test_classes_count_by_their_size_where_embeddings_are_counted(workplace):
    uneven = model(0, size=[30, 10, 10, 10])
    assert table([uneven]).iloc[0]["condition"] == pytest.approx((30 + 5 + 5) / 60)


def test_held_deltas_and_other_losses_have_rows_of_their_own(workplace):
    found = table([*(model(s, **HELD) for s in range(2)), model(0), model(0, loss="cpml")])
    assert found[["loss", "runs"]].values.tolist() == [["cpml", 1], ["pfml", 1], ["pfml", 2]]
    assert found["held"].fillna(-1).tolist() == [-1, -1, 0.2]
    of_cpml = found.iloc[0]
    assert of_cpml[["delta", "relative", "wider_last", "condition", "flows", "apart"]].isna().all()
    assert of_cpml["w2"] == pytest.approx(0.5)


def test_a_failed_run_counts_in_no_mean_and_is_told(workplace):
    empty = {"proxies_per_class": 2}
    failed = model(1) | {"status": "failed", "failure": "the loss became nan", "metrics": {}, "proxies": empty}
    written([model(0), failed])
    row = write_geometry("frozen").iloc[0]
    assert (row["runs"], row["failed"], row["spread"]) == (2, 1, pytest.approx(0.525))
    assert "| 1 of 2, the others failed |" in Path("results/geometry.md").read_text()


@pytest.mark.parametrize(
    ("regime", "results", "option"),
    [("frozen", "results", ""), ("finetuned", "results/finetuned", " --regime finetuned")],
)
def test_the_page_has_a_table_for_each_data_set(workplace, regime, results, option):
    rows = [with_places(model(s, loss=loss), apart=[0.1] * 4) for loss in ("pfml", "cpml") for s in (0, 1)]
    written([*rows, *(model(s, **HELD) for s in (0, 1))], f"{results}/studies/geometry/emoji-pfml.jsonl")
    assert len(write_geometry(regime)) == 3
    page = Path(results, "geometry.md").read_text()
    assert f"regime {regime}." in page
    assert f"`suite ablation-tables{option}`" in page
    of_emoji = page.partition("\n## emoji, 2 proxies a class\n\n")[2].splitlines()
    assert len(of_emoji) == 5
    assert of_emoji[2].startswith("| cpml | – | 2 | 0.52 (0.52 to 0.52) | – | – | – | – | – | 0.50 (0.50 to 0.50) | ")
    assert of_emoji[3] == (
        "| pfml | found: 0.40 (0.40 to 0.40) | 2 | 0.52 (0.52 to 0.52) | 1.31 (1.31 to 1.31) | – | 75.0 (75.0 to 75.0) | "
        "50.0 (50.0 to 50.0) | 70.0 (70.0 to 70.0) | "
        "0.50 (0.50 to 0.50) | 0.20 (0.20 to 0.20) | 0.10 (0.10 to 0.10) |"
    )
    assert of_emoji[4].startswith("| pfml | 0.2 | 2 | ")
    assert of_emoji[4].endswith("| – |")


def test_without_records_the_page_says_how_to_make_some(workplace):
    assert write_geometry("frozen").empty
    assert "`suite geometry DATASET LOSS`, then `suite promote`" in Path("results/geometry.md").read_text()


def test_damaged_records_are_refused_and_nothing_is_written(workplace):
    path = written([model(0)])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(SuiteError, match=r"emoji-pfml\.jsonl, line 1"):
        write_geometry("frozen")
    assert not Path("results/geometry.md").exists()
