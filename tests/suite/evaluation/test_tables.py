"""Records as tables, in memory and as CSV."""

import math

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.evaluation.records import KEY
from suite.evaluation.retrieval import MEASURED, METRICS
from suite.evaluation.tables import (
    VALIDATION_SUFFIX,
    check_paired,
    condition_name,
    measured_metrics,
    read_csv,
    to_table,
    write_csv,
    write_parquet,
)
from tests.helpers.records import record, table

THIRDS = {"map_at_r": 1 / 3, "r_precision": 0.1 + 0.2}
RECORDS = pd.concat(
    [table(("pfml", 0, [0.3, 0.4, None]), metrics=THIRDS), table(("cpml", 0.2, [0.5, 0.6, 0.7]))], ignore_index=True
)


def test_parquet_holds_what_csv_holds(tmp_path):
    write_csv(RECORDS, tmp_path / "records.csv")
    write_parquet(RECORDS, tmp_path / "records.parquet")
    found = pd.read_parquet(tmp_path / "records.parquet")
    plain = pd.read_csv(tmp_path / "records.csv", na_values=[""], keep_default_na=False)
    assert list(found) == list(plain)
    for name in plain:
        assert found[name].isna().tolist() == plain[name].isna().tolist()
        assert found[name].dropna().tolist() == plain[name].dropna().tolist()
    before = (tmp_path / "records.parquet").read_bytes()
    write_parquet(RECORDS, tmp_path / "records.parquet")
    assert (tmp_path / "records.parquet").read_bytes() == before
    failed = table(("pfml", 0, [None, None]))
    write_parquet(failed, tmp_path / "records.parquet")
    assert pd.read_parquet(tmp_path / "records.parquet")["failure"].tolist() == ["NaN", "NaN"]


def test_a_row_has_the_fields_and_metrics_of_its_record():
    run = record("pfml", 0.2, 3, 0.5, validation_epoch={"epoch": 7, "metrics": {"recall_at_1": 0.6}})
    row = to_table([run]).iloc[0]
    assert [row[name] for name in KEY] == [getattr(run, name) for name in KEY]
    assert (row["recall_at_1"], row["recall_at_1" + VALIDATION_SUFFIX]) == (0.5, 0.6)
    assert (row["class_hits"], row["backbone"]) == (run.class_hits, "tf_efficientnet_lite0")
    assert math.isnan(row["map_at_r" + VALIDATION_SUFFIX])


def test_metrics_of_failed_runs_and_those_that_were_not_measured_are_nan():
    found = to_table([record("pfml", 0, 0, None), record("pfml", 0, 1, 0.5)])
    assert found["map_at_r"].isna().tolist() == [True, False]
    assert found["recall_at_1000"].isna().all()
    assert measured_metrics(found) == list(MEASURED)
    assert measured_metrics(found.iloc[:1]) == []


def test_it_reads_back_to_the_same_numbers(tmp_path):
    write_csv(RECORDS, tmp_path / "records.csv")
    found = read_csv(tmp_path / "records.csv")
    for column in (*METRICS, *KEY, "status", "data_sha256", "noise_sha256", "config_sha256"):
        pd.testing.assert_series_equal(found[column], RECORDS[column], check_dtype=False, check_exact=True)
    assert found["file"].unique().tolist() == [str(tmp_path / "records.csv")]


def test_bytes_are_read_under_a_name(tmp_path):
    write_csv(RECORDS, tmp_path / "records.csv")
    content = (tmp_path / "records.csv").read_bytes()
    assert (
        read_csv(content, "HEAD").drop(columns="file").equals(read_csv(tmp_path / "records.csv").drop(columns="file"))
    )
    with pytest.raises(SuiteError, match="HEAD holds no row"):
        read_csv(content.splitlines(keepends=True)[0], "HEAD")


def test_metrics_that_no_run_measured_have_no_column_and_are_nan_again(tmp_path):
    write_csv(RECORDS, tmp_path / "records.csv")
    assert "recall_at_1000" not in pd.read_csv(tmp_path / "records.csv")
    assert read_csv(tmp_path / "records.csv")["recall_at_1000"].isna().all()


def test_runs_that_all_failed_are_read_back(tmp_path):
    write_csv(table(("pfml", 0, [None, None])), tmp_path / "records.csv")
    assert read_csv(tmp_path / "records.csv")["status"].tolist() == ["failed", "failed"]


def test_a_file_from_before_a_metric_existed_stays_valid(tmp_path, monkeypatch):
    write_csv(RECORDS, tmp_path / "records.csv")
    monkeypatch.setitem(METRICS, "purity", METRICS["map_at_r"])
    assert read_csv(tmp_path / "records.csv")["purity"].isna().all()


def test_a_failure_is_kept_as_text(tmp_path):
    records = RECORDS.assign(failure='loss is "nan",\n epoch 3')
    write_csv(records, tmp_path / "records.csv")
    assert read_csv(tmp_path / "records.csv")["failure"].tolist() == records["failure"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "is not valid CSV"),
        (lambda text: text.splitlines()[0] + "\n", "holds no row"),
        (lambda text: text.replace("status", "state", 1), "lacks column status"),
        (lambda text: text.replace("regime", "where", 1), "lacks column regime"),
        (lambda text: text.replace(",failed,", ",broken,"), "status = 'broken'; allowed: ok, failed"),
        (lambda text: text.replace(",0.5,", ",half,", 1), "column recall_at_1 holds a value that is not a number"),
        (lambda text: text.replace(",0.5,", ",50.0,", 1), "line 5: recall_at_1 = 50.0; allowed: shares from 0 to 1"),
        (lambda text: text.replace(",0.5,", ",,", 1), "line 5: recall_at_1 = nan; allowed: shares from 0 to 1"),
        (lambda text: text + text.splitlines()[-1] + "\n", "line 8 holds a run twice: regime frozen, track tuned"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, change, message):
    path = tmp_path / "records.csv"
    write_csv(RECORDS, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(SuiteError, match=message):
        read_csv(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SuiteError, match=r"records\.csv is missing; run: dvc repro leaderboard"):
        read_csv(tmp_path / "records.csv")


def test_losses_of_a_table_must_have_the_same_seeds():
    unpaired = table(("pfml", 0, [0.5, None]), ("cpml", 0, [0.5]))
    with pytest.raises(
        SuiteError, match=r"not paired: cpml lacks seed 1, .*: regime frozen, track tuned, dataset emoji, "
    ):
        check_paired(unpaired)
    check_paired(table(("pfml", 0, [0.5, None]), ("cpml", 0, [None, 0.5])))


@pytest.mark.parametrize(
    "other",
    [{"regime": "finetuned"}, {"track": "paper_values"}, {"dataset": "furniture"}, {"noise_kind": "small_cluster"}],
)
def test_other_tables_may_have_other_seeds(other):
    check_paired(pd.concat([table(("pfml", 0, [0.5, 0.5])), table(("cpml", 0, [0.5]), **other)]))


def test_the_name_of_a_condition():
    assert condition_name(RECORDS.iloc[3]) == "frozen tuned emoji cpml symmetric 0.2"


@pytest.mark.parametrize("loss", ["nan", "null", "None", "NA", "true"])
def test_a_loss_may_be_called_like_a_gap(tmp_path, loss):
    path = tmp_path / "records.csv"
    write_csv(table((loss, 0, [0.3, 0.4, None]), ("pfml", 0, [0.5, 0.6, 0.7])), path)
    found = read_csv(path)
    assert found["loss"].tolist() == [loss] * 3 + ["pfml"] * 3
    assert found["failure"].dropna().tolist() == ["NaN"]
    assert found["recall_at_1"].isna().tolist() == [False, False, True, False, False, False]
