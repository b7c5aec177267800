"""Rows that contradict each other or are malformed are refused, by file and field."""

import pytest

from suite.errors import SuiteError
from suite.judging.claims.measured import read_measured
from suite.judging.claims.vocabulary import Verdict
from tests.suite.judging.claims.synthetic import DATASETS, along, claim, judged, model, run, runs, write

pytestmark = pytest.mark.usefixtures("workplace")
FIVE = [50.1, 50.2, 49.9, 50.0, 50.3]


def refused(*claims):
    with pytest.raises(SuiteError) as caught:
        judged(*claims)
    return str(caught.value)


def test_other_seeds_are_unpaired():
    write("runs", runs(FIVE), "a")
    write("runs", [run(50, seed, loss="cpml") for seed in (0, 1, 2, 3, 7)], "b")
    assert refused(claim("superiority")).startswith("runs/b/records.jsonl: seed: unpaired runs: [0, 1, 2, 3, 7] here")


def test_other_noise_is_unpaired():
    rows = runs(FIVE) + [run(50, seed, loss="cpml", noise_sha256="other") for seed in range(5)]
    write("runs", rows)
    assert refused(claim("superiority")).startswith("runs/some/records.jsonl, line 6: noise_sha256 differs")


def test_a_run_that_stands_twice():
    write("runs", runs(FIVE), "a")
    write("runs", runs(FIVE[:1]), "b")
    assert refused() == "runs/b/records.jsonl, line 1: seed = 0: this run stands in runs/a/records.jsonl, line 1 too"


@pytest.mark.parametrize("folder", ["runs", "studies/as_published", "studies/ablations", "studies/geometry"])
def test_rows_on_other_data(folder):
    write("runs", runs(FIVE), "a")
    other = {
        "runs": run(50, 9),
        "studies/as_published": run(50, 0, track="published"),
        "studies/ablations": along("alpha", {1: [50]})[0],
        "studies/geometry": model(0),
    }[folder]
    path = write(folder, [other | {"data_sha256": "other"}], "b")
    assert f"{path}, line 1: data_sha256 differs from that of" in refused()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "fine"}, "status = 'fine'; allowed: 'ok' or 'failed'"),
        ({"metrics": {"recall_at_1": 50.0}}, "recall_at_1 = 50.0; allowed: shares from 0 to 1"),
        ({"metrics": {}}, "metrics is empty although status is ok"),
        ({"noise_level": 1.5}, "noise_level = 1.5; allowed: numbers below 1"),
    ],
)
def test_malformed_records(change, message):
    write("runs", [run(50, 0) | change])
    assert "runs/some/records.jsonl, line 1: " in refused()
    assert message in refused()


def test_a_missing_field():
    row = run(50, 0)
    del row["data_sha256"]
    write("runs", [row])
    assert refused() == "runs/some/records.jsonl, line 1: data_sha256 is missing"


def test_half_a_line():
    write("runs", []).write_text('{"track": "tu')
    assert refused().startswith("runs/some/records.jsonl, line 1: no JSON")


def test_arrays_of_unequal_length():
    write("studies/geometry", [model(0, w2=[0.5])])
    assert "w2 has 1 entries; allowed: one a class, 4 as in size" in refused()


def test_proxies_of_other_number_are_not_compared():
    write(
        "studies/geometry",
        [model(s) for s in range(5)] + [model(s, loss="cpml", proxies_per_class=4) for s in range(5)],
    )
    assert "line 6: proxies_per_class = 4 for cpml; allowed: 2" in refused(claim("closeness"))


def test_a_premise_needs_its_delta():
    write(
        "studies/geometry", [model(s) | {"delta": None} for s in range(5)] + [model(s, loss="cpml") for s in range(5)]
    )
    assert "line 1: delta = null" in refused(claim("closeness"))


def test_other_classes_are_not_compared():
    rows = [model(s, loss="cpml", size=[9, 10, 10, 10]) for s in range(5)]
    write("studies/geometry", [model(s) for s in range(5)] + rows)
    assert "size differs" in refused(claim("closeness"))


def test_data_sets_that_are_cut_down_are_not_run():
    write("runs", runs(FIVE) + runs(FIVE, loss="cpml"))
    from suite.judging.claims.judge import judge

    (found,) = judge([claim("superiority")], read_measured(DATASETS | {"emoji": True}))
    assert (found.verdict, found.line.reason) == (
        Verdict.NOT_RUN,
        "params.yaml cuts emoji down (datasets.emoji.max_classes)",
    )


def test_rows_of_data_sets_that_are_not_asked_for_are_left_aside():
    write("runs", runs(FIVE, dataset="birds"))
    assert read_measured(DATASETS).runs == {}
