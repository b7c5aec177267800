"""Records written, read back and checked: field by field, and against each other."""

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from suite.errors import SuiteError
from suite.evaluation.records import KEY, Record, check_once, read_records, write_records
from suite.evaluation.retrieval import METRICS
from suite.files import write_lines
from suite.losses.code_changes import CODE_DIGESTS

DIGESTS = ("data_sha256", "noise_sha256", "config_sha256")
DONE = {
    "regime": "frozen",
    "track": "tuned",
    "dataset": "emoji",
    "backbone": "tf_efficientnet_lite0",
    "loss": "pfml",
    "noise_kind": "symmetric",
    "noise_level": 0.2,
    "seed": 0,
    "status": "ok",
    "metrics": {"recall_at_1": 0.5, "map_at_r": 0.4},
    "class_hits": [3, 1],
    "class_queries": [4, 4],
    "data_sha256": "d",
    "noise_sha256": "n",
    "config_sha256": "c",
    "hyperparameter_source": "search",
}
NO_CLASSES = {"metrics": {}, "class_hits": [], "class_queries": []}
FAILED = DONE | NO_CLASSES | {"seed": 1, "status": "failed", "failure": "NaN", "noise_sha256": "m"}
PLACES = {
    "proxies_per_class": 2,
    "alpha": 3.0,
    "delta": 0.9,
    "size": [5, 6],
    "spread": [0.6, 0.5],
    "w2": [0.7, 0.6],
    "nearest": [0.2, 0.3],
    "condition": [0.5, 1.0],
    "minima_met": [[5, 5], [6, 5]],
    "minima_unmet": [[0, 0], [1, 0]],
}
STUDIED = DONE | NO_CLASSES | {"proxies": PLACES}
FULL = DONE | {
    "regime": "published",
    "track": "ablation",
    "failure": None,
    "validation_epoch": {"epoch": 7, "metrics": {"recall_at_1": 0.6}},
    "noise_realised": 0.2,
    "loss_sha256": "l",
    "target": "pfml:PotentialFieldLoss",
    "hyperparameters": {"alpha": 3.0, "learned": True, "name": None},
    "recipe": {"epochs": 15, "optimiser": {"name": "adam"}},
    "recipe_name": "pfml-cub",
    "precision": "bfloat16",
    "versions": {"torch": "2"},
    "before_training": {"recall_at_1": 0.3},
    "ablation": {"axis": "alpha", "value": 3.0},
}


def read(folder, *files):
    """Write each list of rows to a file and read all."""
    paths = [folder / f"{name}.jsonl" for name in "abcdef"[: len(files)]]
    for path, rows in zip(paths, files, strict=True):
        write_lines(path, rows)
    return read_records(paths)


@pytest.mark.parametrize("row", [DONE, FAILED, STUDIED, FULL], ids=["finished", "failed", "studied", "full"])
def test_what_is_written_is_read_back(tmp_path, row):
    first = Record.model_validate(row)
    write_records(tmp_path / "a.jsonl", [first])
    (again,) = read_records([tmp_path / "a.jsonl"])
    assert again.model_dump() == first.model_dump()
    assert again.where == f"{tmp_path}/a.jsonl, line 1"
    write_records(tmp_path / "b.jsonl", [again])
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    # Where a record was read from is no part of it.
    assert not {"file", "line"} & json.loads((tmp_path / "a.jsonl").read_text()).keys()


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*METRICS][1:]), st.floats(0, 1), max_size=8),
    st.lists(st.tuples(st.integers(0, 50), st.integers(50, 60)), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 2**40),
)
def test_every_number_is_read_back_exactly(tmp_path_factory, metrics, classes, level, seed):
    hits, queries = [list(counts) for counts in zip(*classes, strict=True)]
    metrics = {"recall_at_1": sum(hits) / sum(queries)} | metrics
    recalls = [name for name in METRICS if name.startswith("recall") and name in metrics]
    metrics |= dict(
        zip(recalls[1:], sorted(max(metrics[name], metrics["recall_at_1"]) for name in recalls[1:]), strict=True)
    )
    metrics |= {"r_precision": max(metrics.get("r_precision", 0), metrics.get("map_at_r", 0))}
    row = DONE | {"metrics": metrics, "class_hits": hits, "class_queries": queries, "noise_level": level, "seed": seed}
    path = tmp_path_factory.mktemp("records") / "a.jsonl"
    write_records(path, [Record.model_validate(row)])
    (found,) = read_records([path])
    assert (found.metrics, found.noise_level, found.seed) == (metrics, level, seed)
    assert (found.class_hits, found.class_queries) == (hits, queries)


def test_files_are_joined_in_their_order(tmp_path):
    found = read(tmp_path, [DONE, FAILED], [DONE | {"loss": "cpml"}])
    assert [(each.loss, each.status, each.line) for each in found] == [
        ("pfml", "ok", 1),
        ("pfml", "failed", 2),
        ("cpml", "ok", 1),
    ]


def test_a_metric_that_is_missing_was_not_measured(tmp_path):
    (found,) = read(tmp_path, [DONE | {"metrics": {"recall_at_1": 0.5}}])
    assert found.metrics == {"recall_at_1": 0.5}
    # A metric of a later version, or one that is gone, does not make a record invalid.
    (found,) = read(tmp_path, [DONE | {"metrics": {"recall_at_1": 0.5, "purity": 0.1}}])
    assert found.metrics["purity"] == 0.1


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(SuiteError, match=r"record file .*x\.jsonl is missing; run: dvc repro"):
        read_records([tmp_path / "x.jsonl"])
    with pytest.raises(SuiteError, match=r"a\.jsonl holds no record; delete it and run: dvc repro"):
        read(tmp_path, [])
    (tmp_path / "a.jsonl").write_text(json.dumps(DONE) + "\n{half")
    with pytest.raises(SuiteError, match=r"a\.jsonl, line 2 is not valid JSON"):
        read_records([tmp_path / "a.jsonl"])
    (tmp_path / "a.jsonl").write_text("[1, 2]\n")
    with pytest.raises(SuiteError, match=r"a\.jsonl, line 1 holds .*list"):
        read_records([tmp_path / "a.jsonl"])


OUT_OF_RANGE = [
    ({"regime": "thawed"}, ": regime = 'thawed'; allowed: 'frozen', 'finetuned' or 'published'"),
    (
        {"track": "published"},
        (
            ": track = 'published'; allowed: 'tuned', 'tuned_under_noise', 'tuned_with_noisy_validation', "
            "'paper_values' or 'ablation'"
        ),
    ),
    ({"dataset": 3}, ": dataset = 3; allowed: a string"),
    ({"backbone": None}, ": backbone = None; allowed: a string"),
    ({"loss": ["pfml"]}, ": loss = ['pfml']; allowed: a string"),
    ({"noise_kind": 1}, ": noise_kind = 1; allowed: a string"),
    ({"noise_level": 1}, ": noise_level = 1; allowed: numbers from 0 to below 1"),
    ({"noise_level": -0.1}, ": noise_level = -0.1; allowed: numbers from 0"),
    ({"seed": -1}, ": seed = -1; allowed: whole numbers from 0"),
    ({"seed": 0.5}, ": seed = 0.5; allowed: whole numbers"),
    ({"status": "done"}, ": status = 'done'; allowed: 'ok' or 'failed'"),
    ({"failure": 3}, ": failure = 3; allowed: a string"),
    ({"metrics": {"map_at_r": 0.5}}, ": metrics lacks recall_at_1"),
    ({"metrics": [0.5]}, ": metrics = [0.5]; allowed: a mapping"),
    ({"metrics": DONE["metrics"] | {"map_at_r": 50.0}}, ": metrics.map_at_r = 50.0; allowed: numbers from 0 to 1"),
    ({"metrics": DONE["metrics"] | {"map_at_r": -0.1}}, ": metrics.map_at_r = -0.1; allowed: numbers from 0"),
    ({"metrics": DONE["metrics"] | {"map_at_r": math.nan}}, ": metrics.map_at_r = nan; allowed: numbers from 0 to 1"),
    ({"status": "failed"}, ": a run with status 'failed' has metrics; allowed: {}"),
    (
        {"validation_epoch": {"epoch": -1, "metrics": {}}},
        ": validation_epoch.epoch = -1; allowed: whole numbers from 0",
    ),
    (
        {"validation_epoch": {"epoch": 1, "metrics": {"map_at_r": 2}}},
        ": validation_epoch.metrics.map_at_r = 2; allowed: numbers from 0 to 1",
    ),
    ({"validation_epoch": {"metrics": {}}}, ": validation_epoch.epoch is missing"),
    ({"class_hits": [3]}, ": class_hits and class_queries must hold one number for each test class"),
    ({"class_hits": [], "class_queries": []}, ": class_hits and class_queries must hold one number"),
    ({"class_hits": [3, 2]}, ": class_hits make 0.625000, metrics.recall_at_1 is 0.500000"),
    ({"class_queries": [9, -1]}, ": class_queries.1 = -1; allowed: whole numbers from 0"),
    ({"noise_realised": 1.5}, ": noise_realised = 1.5; allowed: numbers from 0 to 1"),
    ({"hyperparameter_source": "luck"}, ": hyperparameter_source = 'luck'; allowed: 'search', 'params.yaml', "),
    ({"hyperparameters": [1]}, ": hyperparameters = [1]; allowed: a mapping"),
    ({"before_training": {"recall_at_1": 30.0}}, ": before_training.recall_at_1 = 30.0; allowed: numbers from 0 to 1"),
    ({"ablation": {"axis": "alpha"}}, ": ablation.value is missing"),
    ({"ablation": {"axis": "alpha", "value": math.inf}}, ": ablation.value = inf; allowed: finite numbers"),
    ({"colour": "red"}, ": colour is not a setting; allowed: regime, track"),
]
PLACES_OUT_OF_RANGE = [
    ({"proxies_per_class": 0}, "proxies_per_class = 0; allowed: whole numbers from 1"),
    ({"delta": -1.0}, "delta = -1.0; allowed: numbers from 0"),
    ({"spread": [0.6, math.inf]}, "spread.1 = inf; allowed: finite numbers"),
    ({"condition": [0.5, 1.1]}, "condition.1 = 1.1; allowed: numbers from 0 to 1"),
    ({"size": [5, -6]}, "size.1 = -6; allowed: whole numbers from 0"),
    ({"w2": [0.7]}, ": w2 has 1 entries; allowed: one a class, 2 as in size"),
    ({"nearest": []}, ": nearest has 0 entries; allowed: one a class, 2 as in size"),
    ({"apart": [0.7]}, ": apart has 1 entries; allowed: one a class, 2 as in size"),
    ({"minima_met": [[5, 5, 5]]}, "minima_met.0"),
    ({"radius": 1}, "proxies.radius is not a setting; allowed: proxies_per_class"),
]


@pytest.mark.parametrize(("change", "message"), OUT_OF_RANGE)
def test_values_that_are_not_allowed_are_named_with_file_and_line(tmp_path, change, message):
    with pytest.raises(SuiteError, match=re.escape(f"{tmp_path}/a.jsonl, line 2{message}")):
        read(tmp_path, [DONE, DONE | {"seed": 1} | change])


@pytest.mark.parametrize(("change", "message"), PLACES_OUT_OF_RANGE)
def test_places_of_proxies_that_are_not_allowed_are_named(tmp_path, change, message):
    with pytest.raises(SuiteError, match=re.escape(f"{tmp_path}/a.jsonl, line 1: proxies")) as caught:
        read(tmp_path, [STUDIED | {"proxies": PLACES | change}])
    assert message in str(caught.value)


def test_places_are_empty_for_a_failed_run_alone(tmp_path):
    empty = {"proxies_per_class": 2}
    (found,) = read(tmp_path, [FAILED | {"proxies": empty}])
    assert found.proxies.size == []
    with pytest.raises(SuiteError, match=r"line 1: proxies\.size is empty although status is ok"):
        read(tmp_path, [STUDIED | {"proxies": empty}])


def test_every_field_but_those_with_a_default_is_needed():
    optional = {name for name, field in Record.model_fields.items() if not field.is_required()}
    assert {name for name in Record.model_fields if name not in optional} == {*DONE} - {"class_hits", "class_queries"}
    Record.model_validate(DONE)


@pytest.mark.parametrize("field", [*KEY, "backbone", "status", "metrics", "hyperparameter_source", *DIGESTS])
def test_a_field_that_is_missing_is_named(tmp_path, field):
    row = {name: value for name, value in DONE.items() if name != field}
    with pytest.raises(SuiteError, match=rf"a\.jsonl, line 1: {field} is missing"):
        read(tmp_path, [row])


def test_a_record_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Record.model_validate(DONE).seed = 3


def test_a_run_must_be_there_once(tmp_path):
    twice = r"a run twice: regime frozen, .* noise_level 0\.2, seed 0 \(.*a\.jsonl, line 1; .*a\.jsonl, line 3\)"
    with pytest.raises(SuiteError, match=twice):
        read(tmp_path, [DONE, FAILED, DONE])
    with pytest.raises(SuiteError, match=r"a run twice: .* \(.*a\.jsonl, line 2; .*b\.jsonl, line 1\)"):
        read(tmp_path, [DONE, FAILED], [FAILED])


@pytest.mark.parametrize(
    "other",
    [
        {"regime": "finetuned"},
        {"track": "paper_values"},
        {"dataset": "furniture"},
        {"loss": "cpml"},
        {"noise_kind": "small_cluster"},
        {"noise_level": 0.4},
        {"seed": 2},
        {"backbone": "resnet50"},
        {"ablation": {"axis": "alpha", "value": 1.0}},
        NO_CLASSES | {"proxies": PLACES},
    ],
    ids=lambda other: list(other)[-1],
)
def test_runs_that_differ_in_one_of_these_are_two(other):
    check_once([Record.model_validate(DONE), Record.model_validate(DONE | other)])


def test_points_of_an_ablation_are_runs_of_their_own(tmp_path):
    points = [DONE | {"track": "ablation", "ablation": {"axis": axis, "value": v}} for axis in "ab" for v in (1.0, 2.0)]
    assert len(read(tmp_path, points)) == 4
    with pytest.raises(SuiteError, match="a run twice"):
        read(tmp_path, [*points, points[2]])
    counts = [STUDIED | {"proxies": PLACES | {"proxies_per_class": count}} for count in (2, 4)]
    assert len(read(tmp_path, counts)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data_sha256": "e"},
            r"data_sha256 of .*b\.jsonl, line 1 differs from that of .*a\.jsonl, .* dataset emoji",
        ),
        (
            {"noise_sha256": "m"},
            r"noise_sha256 of .*b\.jsonl.* dataset emoji, noise_kind symmetric, noise_level 0\.2, seed 0",
        ),
        ({"class_hits": [2, 1, 1], "class_queries": [4, 2, 2]}, r"class_queries of .*b\.jsonl, line 1 differs"),
    ],
)
@pytest.mark.parametrize("other", [{"loss": "cpml"}, {"regime": "finetuned"}, {"track": "paper_values"}], ids=str)
def test_runs_that_were_made_on_something_else_are_refused(tmp_path, change, message, other):
    with pytest.raises(SuiteError, match=message):
        read(tmp_path, [DONE], [DONE | other | change])


@pytest.mark.parametrize("other", [{"noise_level": 0.4}, {"noise_kind": "asymmetric"}, {"seed": 1}], ids=str)
def test_one_search_has_one_set_of_values_at_all_noise(tmp_path, other):
    first = DONE | {"hyperparameters": {"margin": 0.1}, "search": 0}
    second = first | other | {"hyperparameters": {"margin": 0.2}, "noise_sha256": "m"}
    assert len(read(tmp_path, [first], [second | {"search": 1}])) == 2
    with pytest.raises(SuiteError, match=r"hyperparameters of .*b\.jsonl, line 1 differs from that of .*a\.jsonl"):
        read(tmp_path, [first], [second])


def test_other_data_sets_levels_and_seeds_may_have_other_data_and_noise(tmp_path):
    others = [
        {"dataset": "furniture", "data_sha256": "e", "class_hits": [1, 1, 0], "class_queries": [1, 2, 1]},
        {"noise_level": 0.4, "noise_sha256": "m"},
        {"seed": 1, "noise_sha256": "o"},
        {"noise_kind": "small_cluster", "noise_sha256": "p"},
    ]
    assert len(read(tmp_path, [DONE, *(DONE | other for other in others)])) == 5


def test_failed_runs_and_places_of_proxies_have_no_test_classes_to_compare(tmp_path):
    assert len(read(tmp_path, [DONE, FAILED], [STUDIED | {"loss": "cpml"}])) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metrics": {"recall_at_1": 0.5, "recall_at_2": 0.4}},
            "recall_at_1 = 0.5 is above recall_at_2 = 0.4, which cannot be",
        ),
        (
            {"metrics": {"recall_at_1": 0.5, "recall_at_8": 0.4}},
            "recall_at_1 = 0.5 is above recall_at_8 = 0.4, which cannot be",
        ),
        (
            {"metrics": {"recall_at_1": 0.5, "map_at_r": 0.4, "r_precision": 0.3}},
            "map_at_r = 0.4 is above r_precision = 0.3, which cannot be",
        ),
        ({"class_hits": [5, -1 + 0]}, "class_hits.1 = -1"),
        ({"class_hits": [5, 0], "metrics": {"recall_at_1": 0.625}}, "class_hits[0] = 5 is above class_queries[0] = 4"),
        (
            {"validation_epoch": {"epoch": 1, "metrics": {"recall_at_1": 0.5, "recall_at_2": 0.4}}},
            "recall_at_1 = 0.5 is above recall_at_2 = 0.4",
        ),
        ({"before_training": {"recall_at_4": 0.5, "recall_at_8": 0.4}}, "recall_at_4 = 0.5 is above recall_at_8 = 0.4"),
    ],
)
def test_numbers_that_cannot_be(tmp_path, changes, message):
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, [DONE | changes])
    assert message in str(caught.value)


def test_equal_numbers_are_no_contradiction(tmp_path):
    metrics = {"recall_at_1": 0.5, "recall_at_2": 0.5, "map_at_r": 0.4, "r_precision": 0.4}
    assert read(tmp_path, [DONE | {"metrics": metrics}])


@pytest.mark.parametrize("field", ["hyperparameters", "recipe", "target", "loss_sha256"])
def test_runs_that_differ_in_their_seeds_alone_have_the_same_loss_and_values(tmp_path, field):
    value = {"alpha": 2.0} if field in ("hyperparameters", "recipe") else "other"
    other = DONE | {"seed": 5, "noise_sha256": "m", field: value}
    with pytest.raises(
        SuiteError, match=rf"^{field} of .*b.jsonl, line 1 differs from that of .*a.jsonl, line 1 for .* loss pfml"
    ):
        read(tmp_path, [DONE], [other])
    if field == "loss_sha256":  # a change across which records are compared
        before, *_, after = CODE_DIGESTS["pfml"]
        assert read(tmp_path, [DONE | {field: before}], [other | {field: after}])
    # The values of another search, another loss and another point of an ablation are others.
    assert read(tmp_path, [DONE | {"search": 0}], [other | {"search": 1}])
    assert read(tmp_path, [DONE], [other | {"loss": "cpml"}])
    assert read(tmp_path, [DONE], [other | {"ablation": {"axis": "alpha", "value": 2.0}}])
