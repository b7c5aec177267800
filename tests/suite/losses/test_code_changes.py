"""Changes of the code of losses: records in git are compared with what code of today makes."""

import re

import pytest

from suite.errors import SuiteError
from suite.evaluation.records import check_records, read_records
from suite.losses.code_changes import CHANGES, CODE_DIGESTS, latest_code
from suite.losses.registry import BUILT_IN, load_target
from tests.helpers.paths import ROOT

RESULTS = ROOT / "results"


@pytest.fixture(scope="module")
def today():
    """Digests of the code of built-in losses."""
    return {loss: load_target(loss, target).sha256 for loss, target in BUILT_IN.items()}


def test_changes_are_told_of_each_loss_from_before_to_today(today):
    assert all(re.fullmatch("[0-9a-f]{7}", commit) for commit in CHANGES)
    assert CODE_DIGESTS.keys() <= BUILT_IN.keys()
    for loss, digests in CODE_DIGESTS.items():
        assert len(set(digests)) == len(digests) == len(CHANGES) + 1
        assert {latest_code(digest) for digest in digests} == {today[loss]}
    assert latest_code("a" * 64) == "a" * 64


def test_records_in_git_are_of_code_that_is_compared_with_that_of_today(today):
    """Where this fails a change of the code of a loss has to be told in ``CHANGES``, or its records made anew."""
    records = read_records(sorted(RESULTS.glob("runs/*/records.jsonl")))
    records += read_records(sorted(RESULTS.glob("finetuned/runs/*/records.jsonl")))
    for study in sorted(RESULTS.glob("**/studies/*/")):
        records += [record for path in sorted(study.glob("*.jsonl")) for record in read_records([path])]
    assert {record.loss for record in records} > {"pfml", "cpml", "prism", "cross_batch_memory"}
    assert {(record.loss, record.compared("loss_sha256")) for record in records if record.loss in today} <= set(
        today.items()
    )


def test_a_rerun_of_the_grid_is_judged_beside_the_studies_in_git(today):
    grid = read_records(sorted(RESULTS.glob("runs/*/records.jsonl")))
    others = [record for path in sorted(RESULTS.glob("studies/extended/*.jsonl")) for record in read_records([path])]
    rerun = [record.model_copy(update={"loss_sha256": today[record.loss]}) for record in grid]
    check_records([*rerun, *others])
    changed = [record.model_copy(update={"loss_sha256": "a" * 64}) for record in grid]
    with pytest.raises(SuiteError, match=r"loss_sha256 of .* differs from that of "):
        check_records([*changed, *others])
