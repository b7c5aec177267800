"""The flat form of the records."""

import pandas as pd
import pytest
from suite.evaluation.flat import COLUMNS, read_flat, write_flat

from suite.errors import SuiteError
from suite.evaluation.records import METRICS
from tests.suite.judging.leaderboard.records import table

RECORDS = table(("pfml", 0, [1 / 3, 0.1 + 0.2, None]), ("cpml", 0.2, [0.5, 0.6, 0.7]))


def test_it_reads_back_to_the_same_numbers(tmp_path):
    write_flat(RECORDS, tmp_path / "records.csv")
    found = read_flat(tmp_path / "records.csv")
    for column in (*METRICS, "seed", "noise_level", "loss", "status", "data_sha256"):
        pd.testing.assert_series_equal(found[column], RECORDS[column], check_dtype=False, check_exact=True)
    assert tuple(pd.read_csv(tmp_path / "records.csv", nrows=0).columns) == COLUMNS


def test_a_failure_is_kept_as_text(tmp_path):
    records = RECORDS.assign(failure='loss is "nan",\n epoch 3')
    write_flat(records, tmp_path / "records.csv")
    assert read_flat(tmp_path / "records.csv")["failure"].tolist() == records["failure"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "is not valid CSV"),
        (lambda text: text.splitlines()[0] + "\n", "holds no row"),
        (lambda text: text.replace("status", "state", 1), "lacks column status"),
        (lambda text: text.replace(",failed,", ",broken,"), "status = 'broken'; allowed: ok, failed"),
        (lambda text: text.replace(",0.5,", ",half,", 1), "column recall_at_1 holds a value that is not a number"),
        (lambda text: text + text.splitlines()[-1] + "\n", "hold a run twice: track tuned"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, change, message):
    path = tmp_path / "records.csv"
    write_flat(RECORDS, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(SuiteError, match=message):
        read_flat(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SuiteError, match=r"records\.csv is missing; run: dvc repro leaderboard"):
        read_flat(tmp_path / "records.csv")
