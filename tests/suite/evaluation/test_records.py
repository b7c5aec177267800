"""Records read back and checked."""

import json
import math
import re

import pytest

from suite.errors import SuiteError
from suite.evaluation.records import KEY, METRICS, check_paired, read_records
from suite.files import write_lines

HASHES = {"data_sha256": "d", "noise_sha256": "n", "config_sha256": "c"}
CELL = {"track": "tuned", "dataset": "emoji", "loss": "pfml", "noise_kind": "symmetric", "noise_level": 0.2}
CLASSES = {"class_hits": [3, 1], "class_queries": [4, 4]}
DONE = CELL | HASHES | {"seed": 0, "status": "ok", "metrics": dict.fromkeys(METRICS, 0.5)} | CLASSES
FAILED = CELL | HASHES | {"seed": 1, "status": "failed", "failure": "NaN", "metrics": {}}


def read(folder, *files, **options):
    """Write each list of rows to a file and read all."""
    paths = [folder / f"{name}.jsonl" for name in "abcdef"[: len(files)]]
    for path, rows in zip(paths, files, strict=True):
        write_lines(path, rows)
    return read_records(paths, **options)


def test_a_failed_run_has_no_metrics(tmp_path):
    table = read(tmp_path, [DONE, FAILED])
    assert table["status"].tolist() == ["ok", "failed"]
    assert table["map_at_r"].tolist()[0] == 0.5
    assert all(math.isnan(table.loc[1, metric]) for metric in METRICS)


def test_files_are_joined_and_metrics_of_the_validation_epoch_are_columns(tmp_path):
    later = DONE | {"seed": 1, "validation_epoch": {"epoch": 7, "metrics": dict.fromkeys(METRICS, 0.6)}}
    table = read(tmp_path, [DONE | {"validation_epoch": None}], [later | {"loss": "cpml"}])
    assert table["loss"].tolist() == ["pfml", "cpml"]
    assert table["map_at_r_validation_epoch"].tolist() == pytest.approx([math.nan, 0.6], nan_ok=True)


def test_other_fields_stay_and_may_tell_runs_apart(tmp_path):
    rows = [DONE | {"track": "ablation", "axis": "alpha", "value": value} for value in (1.0, 2.0)]
    assert read(tmp_path, rows, key=(*KEY, "axis", "value"))["value"].tolist() == [1, 2]
    with pytest.raises(SuiteError, match="a run twice"):
        read(tmp_path, rows)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(SuiteError, match=r"record file .*x\.jsonl is missing; run: dvc repro"):
        read_records([tmp_path / "x.jsonl"])
    with pytest.raises(SuiteError, match=r"a\.jsonl holds no row; delete it and run: dvc repro"):
        read(tmp_path, [])
    (tmp_path / "a.jsonl").write_text(json.dumps(DONE) + "\n{half")
    with pytest.raises(SuiteError, match=r"a\.jsonl: line 2 is not valid JSON"):
        read_records([tmp_path / "a.jsonl"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "done"}, "line 2.status = 'done'; allowed: 'ok' or 'failed'"),
        ({"track": "best"}, "line 2.track = 'best'; allowed: 'tuned', 'published' or 'ablation'"),
        ({"noise_level": 1}, "line 2.noise_level = 1; allowed: numbers below 1"),
        ({"seed": -1}, "line 2.seed = -1; allowed: numbers from 0"),
        ({"metrics": {}}, "line 2: metrics lacks recall_at_1, recall_at_2"),
        ({"metrics": DONE["metrics"] | {"map_at_r": 50.0}}, "line 2.metrics.map_at_r = 50.0"),
        ({"metrics": DONE["metrics"] | {"map_at_r": math.nan}}, "line 2.metrics.map_at_r = nan"),
        ({"status": "failed"}, "line 2: metrics of a run with status 'failed'; allowed: {}"),
        ({"class_hits": [3]}, "line 2: class_hits and class_queries must hold one number for each test class"),
        ({"class_hits": [3, 2]}, "line 2: class_hits make 0.625000, metrics.recall_at_1 is 0.500000"),
        ({"class_queries": [9, -1]}, "line 2.class_queries.1 = -1; allowed: numbers from 0"),
    ],
)
def test_values_that_are_not_allowed_are_named_with_file_and_line(tmp_path, change, message):
    with pytest.raises(SuiteError, match=re.escape(f"{tmp_path}/a.jsonl: {message}")):
        read(tmp_path, [DONE, DONE | {"seed": 1} | change])


@pytest.mark.parametrize("field", [*KEY, "status", "metrics", *HASHES])
def test_a_field_that_is_missing_is_named(tmp_path, field):
    row = {name: value for name, value in DONE.items() if name != field}
    with pytest.raises(SuiteError, match=rf"a\.jsonl: line 1\.{field} is missing"):
        read(tmp_path, [row])


def test_a_run_must_be_there_once(tmp_path):
    with pytest.raises(SuiteError, match=r"a run twice: track tuned, .* noise_level 0\.2, seed 0 \(.*a\.jsonl\)"):
        read(tmp_path, [DONE, FAILED, DONE])
    with pytest.raises(SuiteError, match=r"a run twice: .* \(.*a\.jsonl, .*b\.jsonl\)"):
        read(tmp_path, [DONE, FAILED], [FAILED])
    assert len(read(tmp_path, [DONE], [DONE | {"track": "published"}])) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_sha256": "e"}, r"data_sha256 of .*b\.jsonl differs from that of .*a\.jsonl for dataset emoji"),
        (
            {"noise_sha256": "m"},
            r"noise_sha256 of .*b\.jsonl .* dataset emoji, noise_kind symmetric, noise_level 0\.2, seed 0",
        ),
        ({"class_hits": [2, 1, 1], "class_queries": [4, 2, 2]}, r"class_queries of .*b\.jsonl differs"),
    ],
)
def test_runs_that_were_made_on_something_else_are_refused(tmp_path, change, message):
    with pytest.raises(SuiteError, match=message):
        read(tmp_path, [DONE], [DONE | {"loss": "cpml"} | change])


def test_losses_of_a_table_must_have_the_same_seeds(tmp_path):
    table = read(tmp_path, [DONE, FAILED], [DONE | {"loss": "cpml"}])
    with pytest.raises(SuiteError, match=r"not paired: cpml lacks seed 1, .*dataset emoji, .* \(.*b\.jsonl\)"):
        check_paired(table)
    check_paired(read(tmp_path, [DONE, FAILED], [DONE | {"loss": "cpml", "track": "published"}]))
    check_paired(read(tmp_path, [DONE, FAILED], [row | {"loss": "cpml"} for row in (FAILED, DONE)]))
