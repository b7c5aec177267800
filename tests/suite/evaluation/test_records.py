"""Records read back and checked."""

import math

import pytest

from suite.errors import SuiteError
from suite.evaluation.records import METRICS, read_records
from suite.files import write_lines

KEY = {"dataset": "emoji", "loss": "pfml", "noise_kind": "symmetric", "noise_level": 0.2}
DONE = KEY | {"seed": 0, "status": "ok", "metrics": dict.fromkeys(METRICS, 0.5)}
FAILED = KEY | {"seed": 1, "status": "failed", "metrics": {}}


def test_a_failed_run_has_no_metrics(tmp_path):
    write_lines(tmp_path / "a.jsonl", [DONE, FAILED])
    table = read_records(tmp_path, ["a"])
    assert table["status"].tolist() == ["ok", "failed"]
    assert table["map_at_r"].tolist()[0] == 0.5
    assert all(math.isnan(table.loc[1, metric]) for metric in METRICS)


def test_records_that_cannot_be_used(tmp_path):
    with pytest.raises(SuiteError, match=r"record file .*a\.jsonl is missing; run: dvc repro"):
        read_records(tmp_path, ["a"])
    write_lines(tmp_path / "a.jsonl", [])
    with pytest.raises(SuiteError, match=r"a\.jsonl holds no row; delete it and run: dvc repro"):
        read_records(tmp_path, ["a"])
    write_lines(tmp_path / "a.jsonl", [DONE, FAILED, DONE])
    with pytest.raises(SuiteError, match=r"hold a run twice: .*'noise_level': 0\.2, 'seed': 0"):
        read_records(tmp_path, ["a"])
