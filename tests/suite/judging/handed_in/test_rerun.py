"""Reruns: all that a record states as outcome is compared, samples reach every track, and what was raised stays."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from suite.data.features import load_features, save_features
from suite.errors import SuiteError
from suite.evaluation.records import Record
from suite.judging.handed_in.bundle import read_bundle
from suite.judging.handed_in.compare import MARGIN, MEASURED, Pair, judge, p_of_hits
from suite.judging.handed_in.folder import load_handed_in
from suite.judging.handed_in.merge import merge
from suite.judging.handed_in.standing import HandedIn, Merged, Rerun, SpotCheck, drawn, shown_records
from suite.judging.verify import RerunOutcome
from suite.settings.params import load_settings
from tests.suite.judging.handed_in.test_merge import as_lines, write_changed
from tests.suite.judging.handed_in.test_tampered import LATE, PAPER, records_of

FROZEN, PAPERS, FINETUNED = ("frozen", "tuned"), ("frozen", "paper_values"), ("finetuned", "tuned")


@pytest.fixture(scope="session")
def bundle(made):
    return read_bundle(made / "own.zip")


@pytest.fixture(scope="session")
def records(bundle):
    """Of a regime and track, all finished."""
    return [each for each in shown_records(bundle) if (each.regime, each.track) == FROZEN]


def test_a_sample_reaches_every_regime_and_track(bundle):
    """As many runs as there are of them hold one each, whatever is drawn; all are drawn at some time."""
    places = {(record.regime, record.track) for record in shown_records(bundle)}
    assert places == {FROZEN, PAPERS, FINETUNED}
    seen = set()
    for seed in range(40):
        sample = drawn(bundle, 3, seed)
        assert {(record.regime, record.track) for record in sample} == places
        assert sample == drawn(bundle, 3, seed)
        seen |= {record.config_sha256 for record in sample}
    assert seen == {record.config_sha256 for record in shown_records(bundle)}
    assert len(drawn(bundle, 99, 0)) == 12


def test_failed_runs_are_drawn_first(bundle):
    """A bad seed told as failed raises the mean: only its rerun shows that it was none."""
    member = "records/frozen/emoji.jsonl"
    failed_ = {"status": "failed", "failure": "the embeddings are not finite", "metrics": {}}
    told = changed(bundle.records[member][3], **failed_)
    forged_ = replace(bundle, records=bundle.records | {member: [*bundle.records[member][:3], told]})
    for seed in range(10):
        assert told in drawn(forged_, 3, seed)
    outcome, why = judge([Pair(told, bundle.records[member][3])], MARGIN)
    assert (outcome, why) == (RerunOutcome.NOT_REPRODUCED, "a run failed in the records or here, and not in both")


def changed(record, **fields):
    return Record.model_validate(record.model_dump() | fields)


def more(metrics, **values):
    return metrics | values


CHANGED = {
    "MAP@R": lambda one: {"metrics": more(one.metrics, map_at_r=one.metrics["map_at_r"] * 0.5)},
    "R@8": lambda one: {"metrics": more(one.metrics, recall_at_8=1.0)},
    "class hits": lambda one: {"class_hits": one.class_hits[::-1]},
    "the validation epoch": lambda one: {
        "validation_epoch": one.validation_epoch.model_dump() | {"metrics": dict.fromkeys(one.metrics, 1.0)}
    },
    "hubness": lambda one: {"hubness": one.hubness + 1},
    "failure": lambda one: {"status": "failed", "failure": "the loss became nan in epoch 1", "metrics": {}},
    "labels": lambda one: {"noise_sha256": "0" * 64},
}


@pytest.mark.parametrize("name", CHANGED)
def test_each_outcome_is_compared(records, name):
    same = [Pair(record, record) for record in records]
    assert judge(same, 1.0) == (RerunOutcome.REPRODUCED, "all 4 runs gave the same values")
    pairs = [Pair(record, changed(record, **CHANGED[name](record))) for record in records]
    outcome, told = judge(pairs, 1.0)
    assert outcome != RerunOutcome.REPRODUCED, told
    if name in {"hubness", "failure", "labels", "the validation epoch"}:  # others scatter too much in four runs
        assert outcome == RerunOutcome.NOT_REPRODUCED, told


def test_the_last_bits_of_another_processor_are_none(records):
    rng = np.random.default_rng(0)
    pairs = []
    for record in records:
        shares = {name: min(1.0, value + float(rng.normal(0, 1e-6))) for name, value in record.metrics.items()}
        pairs.append(Pair(record, record.model_copy(update={"metrics": shares, "hubness": record.hubness + 1e-5})))
    outcome, told = judge(pairs, 1.0)
    assert outcome == RerunOutcome.REPRODUCED
    assert "4 of 4 runs differ, in metrics, hubness" in told
    assert judge(pairs[:1], 1.0)[0] == RerunOutcome.CANNOT_TELL


def test_a_constant_difference_has_no_scatter_and_is_judged_all_the_same(records):
    shifted = [Pair(each, each.model_copy(update={"hubness": each.hubness + 1})) for each in records]
    assert judge(shifted, 1.0)[0] == RerunOutcome.NOT_REPRODUCED
    assert judge(shifted, 11.0)[0] == RerunOutcome.CANNOT_TELL  # all four point one way, which chance may do
    assert judge(shifted * 4, 11.0)[0] == RerunOutcome.NOT_REPRODUCED


@pytest.mark.parametrize("gain", [0.3, 0.9])
def test_numbers_that_were_raised_are_not_taken_for_another_processors(records, gain):
    """As much as leaves TOST content, in all of them: last bits differ in both directions."""
    rng = np.random.default_rng(1)
    for count in (2, 4, 8, 12, 30):
        pairs, honest = [], []
        for number in range(count):
            one = records[number % len(records)]
            way = (-1) ** number  # in both directions
            noise = {name: value + way * abs(float(rng.normal(0, 0.001))) for name, value in one.metrics.items()}
            raised = {name: value - gain / 100 for name, value in noise.items()}
            pairs.append(Pair(one, one.model_copy(update={"metrics": raised})))
            honest.append(Pair(one, one.model_copy(update={"metrics": noise})))
        outcome, told = judge(pairs, MARGIN)
        assert outcome != RerunOutcome.REPRODUCED, told
        if count >= 12:
            assert outcome == RerunOutcome.NOT_REPRODUCED, told
        assert judge(honest, MARGIN)[0] != RerunOutcome.NOT_REPRODUCED
    assert judge(honest, MARGIN)[0] == RerunOutcome.REPRODUCED


def test_on_the_records_machine_a_single_bit_is_not_reproduced(records):
    pairs = [Pair(each, each, same_machine=True) for each in records]
    assert judge(pairs, MARGIN)[0] == RerunOutcome.REPRODUCED
    one = records[0]
    other = one.model_copy(update={"hubness": np.nextafter(one.hubness, 9)})
    outcome, told = judge([*pairs[1:], Pair(one, other, same_machine=True)], MARGIN)
    assert outcome == RerunOutcome.NOT_REPRODUCED
    assert "1 of 4 runs differ, in hubness; 1 of them on the records' kind of processor and versions" in told
    killed = [*pairs[1:], Pair(one, None), Pair(one, other, same_machine=True)]
    assert judge(killed, MARGIN)[0] == RerunOutcome.NOT_REPRODUCED  # a killed process hides nothing


def test_searches_that_found_other_epochs_are_judged_together(records):
    """One run that alone has its validation epoch: a traceback once, after the check was kept."""
    pairs = []
    for number, one in enumerate(records):
        later = one.validation_epoch.model_copy(update={"epoch": 1 + (number == 0)})
        before = one.model_copy(update={"validation_epoch": later})
        shares = {name: value + 1e-6 * (-1) ** number for name, value in one.metrics.items()}
        pairs.append(Pair(before, before.model_copy(update={"metrics": shares})))
    assert judge(pairs, MARGIN)[0] == RerunOutcome.REPRODUCED
    none = [pairs[0], *(replace(each, record=without(each.record), here=without(each.here)) for each in pairs[1:])]
    assert judge(none, MARGIN)[0] == RerunOutcome.CANNOT_TELL


def without(record):
    """A record of a run without a search."""
    return record.model_copy(update={"validation_epoch": None})


def test_what_cannot_be_judged_is_not_kept(board, typed, submitted, monkeypatch):
    merge([submitted / "own.zip"], load_settings())

    def broken(*_):
        raise ValueError("no judgement")

    with monkeypatch.context() as patch:
        patch.setattr("suite.judging.handed_in.standing.judge", broken)
        with pytest.raises(ValueError, match="no judgement"):
            typed("rerun", "own", "--sample", "1", "--yes")
    assert json.loads(Path("handed_in/own.json").read_text())["spot_checks"] == []


def test_hits_of_classes_are_compared_as_by_a_chi_square_test(records):
    """The oracle: for one class it is the test of a two by two table."""
    one = changed(
        records[0],
        class_queries=[40],
        class_hits=[20],
        metrics=more(records[0].metrics, recall_at_1=0.5, recall_at_8=1.0),
    )
    other = one.model_copy(update={"class_hits": [30]})
    expected = stats.chi2_contingency([[20, 20], [30, 10]], correction=False).pvalue
    assert p_of_hits(one, other) == pytest.approx(expected)
    assert p_of_hits(one, one) == 1


def check_of(bundle, count, seed, change=lambda fields: fields, raised=""):
    reruns = []
    for record in drawn(bundle, count, seed):
        fields = change({name: getattr(record, name) for name in Rerun.of("", record, "").found})
        reruns.append(Rerun(config_sha256=record.config_sha256, found=None if raised else fields, raised=raised))
    return SpotCheck(
        draw=seed,
        margin=MARGIN,
        reruns=tuple(reruns),
        suite_version="1",
        processor="another",
        versions={},
        features_sha256={},
    )


def test_marks_follow_from_what_was_drawn_and_agree_with_what_is_told(bundle):
    good, bad = check_of(bundle, 3, 1), check_of(bundle, 3, 2, raised="ValueError")
    killed, one = check_of(bundle, 3, 3), check_of(bundle, 1, 4)
    killed = killed.model_copy(
        update={"reruns": tuple(each.model_copy(update={"found": None}) for each in killed.reruns)}
    )
    marks = [((), "not rerun"), ((good,), "spot-checked"), ((killed,), "undecided"), ((good, killed), "undecided")]
    marks += [((killed, good), "spot-checked"), ((bad, good), "not reproduced"), ((good, bad), "not reproduced")]
    words = {"spot-checked": "reproduced: ", "undecided": "cannot tell: ", "not reproduced": "not reproduced: "}
    for checks, mark in marks:
        found = HandedIn(bundle, Merged(sha256="0", spot_checks=checks)).standing(*FROZEN)
        assert found.mark == mark
        assert words.get(mark, "") == found.told.rpartition("of 2: ")[2][: len(words.get(mark, ""))]
    drawn_place = next((each.regime, each.track) for each in drawn(bundle, 1, 4))
    for place in (FROZEN, PAPERS, FINETUNED):
        mark = HandedIn(bundle, Merged(sha256="0", spot_checks=(one,))).standing(*place).mark
        assert mark == ("spot-checked" if place == drawn_place else "not rerun")


def test_a_check_tells_machine_and_features(bundle):
    """On the records' processor and versions one bit is enough; on another machine it is one of chance."""
    (kind,), versions = bundle.manifest.hardware, bundle.manifest.versions

    def a_bit(fields):
        return fields if fields["hubness"] is None else fields | {"hubness": float(np.nextafter(fields["hubness"], 9))}

    elsewhere = check_of(bundle, 12, 3, a_bit)
    others = {"emoji": "0" * 64}
    here = elsewhere.model_copy(update={"processor": kind, "versions": versions, "features_sha256": others})
    newer = here.model_copy(update={"versions": versions | {"torch": "9.9"}})
    marks = {}
    for name, check in {"elsewhere": elsewhere, "here": here, "newer": newer}.items():
        standing = HandedIn(bundle, Merged(sha256="0", spot_checks=(check,))).standing(*FROZEN)
        marks[name] = standing.mark
        if name == "here":
            assert "; the features of emoji are others here" in standing.told
    assert marks == {"elsewhere": "spot-checked", "here": "not reproduced", "newer": "spot-checked"}


def test_a_check_that_was_edited_is_told_in_a_line(bundle):
    def renamed(fields):
        return fields | {"metrics": fields["metrics"] | {"recall_at_3": 1.0}}

    with pytest.raises(SuiteError, match="a spot check has the metric recall_at_3; allowed: recall_at_1"):
        HandedIn(bundle, Merged(sha256="0", spot_checks=(check_of(bundle, 3, 1, renamed),))).standing(*FROZEN)
    with pytest.raises(ValueError, match=r"less than or equal to 0\.5"):
        SpotCheck.model_validate(check_of(bundle, 3, 1).model_dump() | {"margin": 50.0})


def perfect(one):
    """The best numbers that there can be."""
    one["class_hits"] = one["class_queries"]
    one["metrics"] = dict.fromkeys(one["metrics"], 1.0)


def higher(one):
    """Better ones, but for R@1 and what is bound to it."""
    one["metrics"] |= {"recall_at_4": 1.0, "recall_at_8": 1.0}


def forged(contents, member, change):
    records = records_of(contents, member)
    for one in records:
        change(one)
        if one["validation_epoch"] and one["validation_epoch"]["epoch"] == one["recipe"]["epochs"]:
            one["validation_epoch"]["metrics"] = one["metrics"]
    return {member: as_lines(records)}


def test_forged_numbers_are_found_wherever_they_are(board, typed, contents):
    """They can be, so only a rerun finds them out: at the paper's values, in the other regime, in metrics besides R@1."""
    changes = forged(contents, PAPER, perfect) | forged(contents, LATE, higher)
    merge([write_changed(Path("own.zip"), contents, changes)], load_settings())
    status, printed = typed("rerun", "own", "--sample", "6", "--yes")
    assert status == 1, printed
    assert "frozen tuned: reproduced: all 2 runs gave the same values" in printed
    assert "frozen paper_values: not reproduced: 2 of 2 runs differ, in metrics, class_hits" in printed
    assert "2 of 2 runs differ, in metrics" in printed.partition("finetuned tuned: ")[2]
    found = load_handed_in(load_settings())["own"]
    assert found.standing(*FROZEN).mark == "spot-checked"
    assert found.standing(*PAPERS).mark == "not reproduced"
    assert found.standing(*FINETUNED).mark in {"undecided", "not reproduced"}
    kept = json.loads(Path("handed_in/own.json").read_text())["spot_checks"][0]["reruns"]
    assert len(kept) == 6
    assert set(kept[0]["found"]) > {*MEASURED} - {"failure"}


def test_old_features_of_the_board_are_no_fault_of_a_bundle(board, typed, submitted):
    """They are made anew where they should be the bundle's, and the old file is told."""
    path = Path("features/emoji.safetensors")
    merge([submitted / "own.zip"], load_settings())
    mine = load_features(path)
    save_features(path, replace(mine, features=mine.features[:, ::-1] * 0.5))
    status, printed = typed("rerun", "own", "--sample", "3", "--draw", "1", "--yes")
    assert status == 0, printed
    assert "emoji.safetensors is none that this suite makes; make it anew with: dvc repro -f features@emoji" in printed
    assert set(marks_of("own")) == {"spot-checked"}


def marks_of(loss):
    """The marks of a handed-in loss."""
    return [load_handed_in()[loss].standing(*place).mark for place in (FROZEN, PAPERS, FINETUNED)]


def test_what_a_rerun_raises_stays_beside_the_bundle(board, typed, contents, monkeypatch):
    def of_this_machine(*_):
        raise ValueError("<b>=1+1</b>")

    merge([write_changed(Path("own.zip"), contents, {})], load_settings())
    monkeypatch.setattr("suite.judging.handed_in.rerun.run_frozen", of_this_machine)
    status, printed = typed("rerun", "own", "--sample", "3", "--yes")
    assert status == 1, printed
    found = load_handed_in()["own"]
    assert found.standing(*FROZEN).mark == "not reproduced"
    assert "1 of 1 runs raised an error here" in found.standing(*FROZEN).told
    assert found.standing(*FINETUNED).mark == "spot-checked"
    raised = next(each.raised for each in found.merged.spot_checks[0].reruns if each.raised)
    assert "ValueError" in raised
    assert not set("<>=") & set(raised)
