"""Tampered bundles: each is refused with one line that names bundle and member, and nothing is on the board afterwards.

Digests in the manifest are right, unless they are what was tampered with: whoever edits a member can renew them.
"""

import copy
import io
import json
import shutil
import stat
import tempfile
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from suite.errors import SuiteError
from suite.judging.handed_in.bundle import LIMITS, MANIFEST, SETTINGS, read_bundle
from suite.judging.handed_in.folder import load_handed_in
from suite.judging.handed_in.merge import merge
from suite.judging.handed_in.plans import bare_plan, paper_runs_due
from suite.judging.handed_in.searches import check_drawn, is_equal_budget
from suite.randomness import entropy
from suite.settings.params import load_settings
from suite.settings.plans import runs_of
from suite.settings.tuned_recipes import Trial, load_tuned
from suite.training.hyperparameters import with_values
from suite.training.search_space import parse_space
from tests.helpers.paths import ROOT
from tests.suite.judging.handed_in.test_merge import as_lines, write_changed

RECORDS = "records/frozen/emoji.jsonl"
SEARCH = "searches/frozen/tuned/emoji-0.json"
PAPER = "records/paper_values/emoji.jsonl"
CODE = "code/losses/own.py"
LATE = "records/finetuned/emoji.jsonl"


def records_of(contents, member=RECORDS):
    """The records of a member as plain data."""
    return [json.loads(line) for line in contents[member].splitlines()]


def record(change, number=0, member=RECORDS):
    """A change of one record."""

    def spoil(contents):
        records = [json.loads(line) for line in contents[member].splitlines()]
        change(records[number])
        return {member: as_lines(records)}

    return spoil


def every(change):
    """A change of all records of the tuned track."""

    def spoil(contents):
        records = [json.loads(line) for line in contents[RECORDS].splitlines()]
        for each in records:
            change(each)
        return {RECORDS: as_lines(records)}

    return spoil


def lines(change):
    """Another list of lines in the records."""
    return lambda contents: {RECORDS: b"".join(change(contents[RECORDS].splitlines(keepends=True)))}


def plain(member, change):
    """A change of a member of plain JSON."""

    def spoil(contents):
        values = json.loads(contents[member])
        change(values)
        return {member: json.dumps(values).encode()}

    return spoil


def text(member, old, new):
    """Another text in a member."""

    def spoil(contents):
        assert old in contents[member]
        return {member: contents[member].replace(old, new)}

    return spoil


def update(**values):
    return lambda mapping: mapping.update(values)


def metric(name, value):
    return lambda one: one["metrics"].update({name: value})


def higher_hits(one):
    """All other hits are in one class: R@1 stays what it is."""
    one["class_hits"] = [sum(one["class_hits"]), *[0] * (len(one["class_hits"]) - 1)]


def smaller_classes(one):
    """Half of the queries, and the same R@1."""
    hits = sum(one["class_hits"]) // 2 * 2
    one["class_queries"] = [count // 2 for count in one["class_queries"]]
    one["class_hits"] = [0] * len(one["class_queries"])
    for place in range(len(one["class_hits"])):
        one["class_hits"][place] = min(one["class_queries"][place], hits // 2 - sum(one["class_hits"]))
    one["metrics"]["recall_at_1"] = sum(one["class_hits"]) / sum(one["class_queries"])
    for name in ("recall_at_2", "recall_at_4", "recall_at_8"):
        one["metrics"][name] = max(one["metrics"][name], one["metrics"]["recall_at_1"])


def more_trials(search):
    search["trials"].append(search["trials"][0])


def better_values(search):
    """Values that no trial had."""
    search["best"] = {"weight": 1.2345}


def beyond_the_space(search):
    """Values outside the space, found by all trials."""
    for values in (search["best"], *(trial["values"] for trial in search["trials"])):
        values["weight"] = 5.0


def another_space(search):
    search["training"]["epochs"] = 50


def failed(**others):
    """A failed run that says more than a failed run does."""

    def change(one):
        one |= {"status": "failed", "failure": "the embeddings are not finite", "metrics": {}, "class_hits": []}
        one |= {"class_queries": [], "validation_epoch": None, "hubness": None} | others

    return change


def first_twice(search):
    search["trials"][1] = search["trials"][0]
    _renewed(search)


def _renewed(search):
    """What follows from the trials, so that nothing but them is wrong."""
    scores = [sum(trial["fold_map_at_r"]) / len(trial["fold_map_at_r"]) for trial in search["trials"]]
    best = search["trials"][scores.index(max(scores))]
    search |= {"best": best["values"], "best_map_at_r": max(scores), "best_fold_map_at_r": best["fold_map_at_r"]}
    search["trial_quartiles"] = np.percentile(scores, [25, 50, 75]).tolist()


def chosen_values(search):
    """A trial within the space, which this search did not draw."""
    search["trials"][1]["values"]["weight"] = 1.2345
    _renewed(search)


def longer_search(search):
    """The loss searches the number of epochs, which no other loss does."""
    search["search_space"]["epochs"] = {"low": 2, "high": 500}
    search["training"].pop("epochs")


def with_epochs(values):
    values["loss"]["params"]["epochs"] = 500


def copied(place, source):
    """A run with the outcome of another one, to the last bit."""

    def spoil(contents):
        records = records_of(contents)
        one = records[place]
        for name in ("metrics", "class_hits", "hubness"):
            one[name] = records[source][name]
        if one["validation_epoch"]["epoch"] == one["recipe"]["epochs"]:
            one["validation_epoch"]["metrics"] = one["metrics"]
        return {RECORDS: as_lines(records)}

    return spoil


SPOILED = {
    "a metric that hits do not make": (record(metric("recall_at_1", 0.99)), RECORDS, "class_hits make"),
    "R@2 below R@1": (record(metric("recall_at_2", 0.0)), RECORDS, "is above recall_at_2"),
    "a metric above 1": (record(metric("recall_at_8", 1.5)), RECORDS, "allowed: numbers from 0 to 1"),
    "no whole number of hits": (record(metric("recall_at_8", 0.999)), RECORDS, "is no share of 36 queries"),
    "more hits than a class has queries": (record(higher_hits), RECORDS, "which cannot be"),
    "classes of other sizes": (every(smaller_classes), RECORDS, "are not the sizes of the test classes of emoji"),
    "a metric left out": (record(lambda one: one["metrics"].pop("map_at_r")), RECORDS, "allowed: recall_at_1, "),
    "a bad seed dropped": (lines(lambda rows: rows[:3]), RECORDS, "the run tuned noise 0.2 seed 1 is missing"),
    "a noise level dropped": (lines(lambda rows: rows[::2]), RECORDS, "the run tuned noise 0.2 seed 0 is missing"),
    "a record twice": (lines(lambda rows: [*rows, rows[0]]), RECORDS, "is there twice; allowed: once"),
    "a seed more": (record(update(seed=2), 2), RECORDS, "no run tuned noise 0 seed 2 is asked for"),
    "another mask": (record(update(noise_sha256="0" * 64), 1), RECORDS, "noise_sha256 = "),
    "less noise than told": (record(update(noise_realised=0.1), 1), RECORDS, "noise_realised = 0.1; allowed: 0.1"),
    "other data": (every(update(data_sha256="0" * 64)), RECORDS, "data_sha256 = "),
    "other values": (every(update(hyperparameters={"weight": 9.0})), RECORDS, "hyperparameters = {'weight': 9.0}"),
    "more epochs": (every(lambda one: one["recipe"].update(epochs=100)), RECORDS, "recipe = "),
    "another configuration": (record(update(config_sha256="0" * 64)), RECORDS, "config_sha256 = "),
    "the best epoch on test classes": (
        record(lambda one: one["validation_epoch"].update(epoch=7)),
        RECORDS,
        "validation_epoch.epoch = 7",
    ),
    "another loss's records": (every(update(loss="triplet")), RECORDS, "loss = 'triplet'; allowed: 'own'"),
    "paper values that change": (
        record(update(hyperparameters={"weight": 9.0}), 1, PAPER),
        PAPER,
        "hyperparameters = {'weight': 9.0}",
    ),
    "a loss file swapped": (text(CODE, b"self.weight *", b"2 * self.weight *"), RECORDS, "loss_sha256 = "),
    "a file beside it swapped": (text("code/losses/own_parts.py", b"mul(2", b"mul(3"), RECORDS, "loss_sha256 = "),
    "a loss file left out": (lambda _: {CODE: None}, CODE, "is missing"),
    "a file that nothing imports": (
        lambda _: {"code/losses/more.py": b""},
        "code/losses/more.py",
        "is not imported by",
    ),
    "a file with a name of 300 letters": (
        lambda _: {f"code/losses/{'a' * 300}.py": b""},
        "code/losses/aaa",
        "may not be there; allowed: a bundle as suite submit writes it",
    ),
    "folders without end": (lambda _: {"code/" + "d/" * 2000 + "a.py": b""}, "code/d/d", "may not be there"),
    "a loss without a target": (
        plain(SETTINGS, lambda values: values["loss"].update(target=None)),
        SETTINGS,
        "loss.target is missing; allowed: module:Class",
    ),
    "no data sets": (plain(SETTINGS, update(datasets={})), "records/", "names no data set emoji; allowed: none"),
    "no Python": (lambda _: {CODE: b"def ("}, f"{CODE}: code/losses/own.py fails on import", "SyntaxError"),
    "brackets without end": (lambda _: {CODE: b"(" * 100_000}, CODE, "fails on import: SyntaxError"),
    "sums without end": (
        lambda _: {CODE: b"x = " + b"-" * 20_000 + b"1"},
        CODE,
        "allowed: Python that can be imported",
    ),
    "an import from above": (
        text(CODE, b"from own_parts", b"from ............................ own_parts"),
        CODE,
        "imports from above the project",
    ),
    "a budget raised in the settings": (
        plain(SETTINGS, lambda values: values["tuning"].update(trials=100)),
        SETTINGS,
        "tuning.trials = 100; allowed: 2, as in params.yaml",
    ),
    "a budget raised in a search": (plain(SEARCH, more_trials), SEARCH, "3 trials; allowed: 2, as for every loss"),
    "values that no trial found": (plain(SEARCH, better_values), SEARCH, "best is not the best of its trials"),
    "a trial outside the space": (
        plain(SEARCH, beyond_the_space),
        SEARCH,
        "a trial has weight = 5.0; allowed: {'low': 0.5, 'high': 2.0}",
    ),
    "a space that is none": (
        plain(SEARCH, lambda search: search["search_space"]["weight"].update(low=3)),
        SEARCH,
        "search_space.weight = {'low': 3, 'high': 2.0}; allowed: {'low': 0.5, 'high': 2.0}, as in losses/own.py:Own",
    ),
    "a better score than the trials have": (
        plain(SEARCH, update(best_map_at_r=0.99)),
        SEARCH,
        "best_map_at_r = 0.99; allowed: ",
    ),
    "failed trials hidden": (plain(SEARCH, update(failed_trials=1)), SEARCH, "failed_trials = 1; allowed: 0"),
    "a MAP@R that the hits do not leave": (
        record(metric("map_at_r", 0.0)),
        RECORDS,
        "map_at_r = 0; allowed: from ",
    ),
    "a MAP@R that the misses do not leave": (
        every(lambda one: one["metrics"].update(map_at_r=1.0, r_precision=1.0)),
        RECORDS,
        "by the hits at rank 1",
    ),
    "another last epoch": (
        every(lambda one: one["validation_epoch"].update(epoch=2, metrics=dict.fromkeys(one["metrics"], 1.0))),
        RECORDS,
        "validation_epoch",
    ),
    "no hubness": (record(update(hubness=None)), RECORDS, "hubness is missing"),
    "a hubness that no counts have": (record(update(hubness=1e308)), RECORDS, "as the skewness of 36 counts"),
    "a seed copied": (
        copied(2, 0),
        f"{RECORDS}, line 3",
        "the outcome is that of own.zip: records/frozen/emoji.jsonl, line 1",
    ),
    "a noise level copied": (copied(3, 2), f"{RECORDS}, line 4", "to the last bit; allowed: one outcome a run"),
    "a record without versions": (record(update(versions={})), f"{RECORDS}, line 1", "versions of none; allowed: of "),
    "a version with which the suite does not run": (
        record(lambda one: one["versions"].update(python="2.7")),
        RECORDS,
        "versions.python = '2.7'; allowed: >=3.11, as the suite needs it",
    ),
    "a version that is none": (
        record(lambda one: one["versions"].update(torch="two")),
        RECORDS,
        "versions.torch = 'two'; allowed: a version",
    ),
    "a failure in words of its own": (record(failed(failure="a [link](http://x)")), RECORDS, "none of this suite's"),
    "a failed run with hits": (record(failed(class_hits=[1])), RECORDS, "class_hits is there although the run failed"),
    "other views in a run": (record(update(views_sha256="0" * 64), 1, LATE), LATE, "views_sha256 = "),
    "no views": (record(update(views_sha256=None), 0, LATE), LATE, "allowed: one SHA-256"),
    "a search by other code": (plain(SEARCH, update(code_sha256="0" * 64)), SEARCH, "code_sha256 = "),
    "a validation epoch beyond the last": (plain(SEARCH, update(validation_epoch=99)), SEARCH, "allowed: 1 to 2"),
    "a trial repeated": (plain(SEARCH, first_twice), SEARCH, "two trials have the values"),
    "a trial that was chosen": (
        plain(SEARCH, chosen_values),
        SEARCH,
        "trial 2 has {'weight': 1.2345}; allowed: {'weight'",
    ),
    "epochs in its own space": (
        lambda contents: (
            plain(SEARCH, longer_search)(contents)
            | plain(SETTINGS, lambda values: values["loss"].update(search={"epochs": {"low": 2, "high": 500}}))(
                contents
            )
        ),
        SETTINGS,
        "loss.search.epochs = {'low': 2, 'high': 500}; allowed: 2 for every loss",
    ),
    "epochs in a search alone": (plain(SEARCH, longer_search), SEARCH, "search_space.epochs = {'low': 2, 'high': 500}"),
    "epochs set by hand": (
        plain(SETTINGS, with_epochs),
        SETTINGS,
        "loss.params.epochs = 500; allowed: 2 for every loss",
    ),
    "epochs of its paper": (
        lambda contents: {
            PAPER: as_lines([one | {"recipe": one["recipe"] | {"epochs": 500}} for one in records_of(contents, PAPER)])
        },
        PAPER,
        "recipe.epochs = 500; allowed: 2 for every loss",
    ),
    "a failure of a finished run": (record(update(failure="none")), RECORDS, "failure = 'none' although status is ok"),
    "longer training in a search": (plain(SEARCH, another_space), SEARCH, "training = "),
    "a search left out": (lambda _: {"searches/frozen/tuned/emoji-1.json": None}, "emoji-1.json", "is missing"),
    "a search too many": (
        lambda contents: {"searches/frozen/tuned/emoji-2.json": contents[SEARCH]},
        "emoji-2.json",
        "no run takes its values",
    ),
    "a budget raised in the other regime": (
        plain(SETTINGS, lambda values: values["finetuned"]["tuning"].update(trials=9)),
        SETTINGS,
        "finetuned.tuning.trials = 9; allowed: 1, as in pipelines/finetuned/params.yaml",
    ),
    "a bad seed dropped in the other regime": (
        lambda contents: {LATE: b"".join(contents[LATE].splitlines(keepends=True)[1:])},
        LATE,
        "the run tuned noise 0 seed 0 is missing",
    ),
    "more seeds": (plain(SETTINGS, update(seeds=9)), SETTINGS, "seeds = 9; allowed: 2"),
    "another regime": (every(update(regime="published")), RECORDS, "regime = 'published'; allowed: 'frozen'"),
    "records of another regime in a place of their own": (
        lambda contents: {LATE: contents[RECORDS]},
        LATE,
        "regime = 'frozen'; allowed: 'finetuned'",
    ),
    "a data set that the board does not have": (
        plain(SETTINGS, lambda values: values["datasets"].update(birds={})),
        SETTINGS,
        "datasets.birds is no data set of this board; allowed: emoji",
    ),
    "records of a data set that the settings do not name": (
        lambda contents: {"records/frozen/birds.jsonl": contents[RECORDS]},
        "records/frozen/birds.jsonl",
        "settings.json names no data set birds; allowed: emoji",
    ),
    "records of a study that no board shows": (
        lambda contents: {"records/splits/emoji.jsonl": contents[RECORDS]},
        "records/splits/emoji.jsonl",
        "may not be there",
    ),
    "a key twice": (
        text(RECORDS, b'"recall_at_1": ', b'"recall_at_1": 0.999, "recall_at_1": '),
        f"{RECORDS}, line 1",
        "'recall_at_1' stands twice; allowed: each key once",
    ),
    "a key twice in the settings": (
        text(SETTINGS, b'"seeds": 2', b'"seeds": 9, "seeds": 2'),
        SETTINGS,
        "'seeds' stands",
    ),
    "true as a seed": (record(update(seed=True), 2), f"{RECORDS}, line 3", "seed = True; allowed: a number"),
    "a text as a number": (
        record(lambda one: one["metrics"].update(recall_at_8=str(one["metrics"]["recall_at_8"]))),
        RECORDS,
        "metrics.recall_at_8 = '",
    ),
    "megabytes of settings": (
        plain(SETTINGS, lambda values: values["loss"].update(params={f"p{number}": 1 for number in range(9000)})),
        SETTINGS,
        "bytes; allowed: up to 50,000",
    ),
    "no records": (lambda _: {RECORDS: None}, RECORDS, "is missing; allowed: records of all of emoji"),
    "a formula in a record": (
        record(update(status="failed", failure="=HYPERLINK(1)", metrics={})),
        RECORDS,
        "holds the text '=HYPERLINK(1)'; allowed: ",
    ),
    "HTML in a record": (every(update(recipe_name="<script>alert(1)</script>")), RECORDS, "without < and >"),
    "a terminal's sequence": (record(update(precision="\x1b[2J")), RECORDS, "without control characters"),
    "half a character": (record(update(precision="\ud800")), RECORDS, "holds the text '\\ud800'"),
    "an unknown field": (record(update(more=1)), RECORDS, "more is not a setting"),
    "not a number": (record(update(noise_realised=float("nan"))), RECORDS, "noise_realised"),
    "no JSON": (lambda _: {SEARCH: b"{"}, SEARCH, "is not valid JSON"),
    "JSON without end": (lambda _: {SEARCH: b"[" * 100_000}, SEARCH, "is not valid JSON"),
    "no text": (lambda _: {RECORDS: b"\xff\xfe"}, RECORDS, "is not UTF-8 text"),
    "a member of its own": (lambda _: {"README.md": b""}, "README.md", "may not be there"),
    "HTML in a member's name": (lambda _: {"records/frozen/<b>.jsonl": b""}, "<b>", "may not be there"),
    "a formula in a member's name": (lambda _: {"=1+1": b""}, "=1+1", "may not be there"),
    "code that is no Python": (lambda _: {"code/losses/own.so": b""}, "own.so", "may not be there"),
}
MANIFESTS = {
    "HTML in the loss's name": ({"loss": "<b>own</b>"}, "holds the text '<b>own</b>'"),
    "a formula in the loss's name": ({"loss": "=own()"}, "holds the text '=own()'"),
    "a path in the loss's name": ({"loss": "../own"}, "loss = '../own'; allowed: up to 64 letters, digits and _"),
    "no licence": ({"licence": "mine"}, "licence = 'mine': Unknown license"),
    "another format": ({"format": 2}, "format = 2; allowed: 1"),
    "another version's name": ({"suite_version": "<1>"}, "without < and >"),
    "other data": ({"data_sha256": {"emoji": "0" * 64}}, "data_sha256.emoji is of other data"),
    "another version than the records have": (
        {"versions": {"python": "3.11.1", "optuna": "4.1.0"}},
        "versions.faiss-cpu = None; allowed: '",
    ),
    "megabytes of versions": ({"versions": {"python": "3" * 2000}}, "versions.python"),
    "thousands of versions": ({"versions": {f"a{number}": "1" for number in range(2000)}}, "versions"),
    "a processor in letters that nobody sees": ({"hardware": ["a\u200bb"]}, "hardware"),
    "LaTeX as a processor": ({"hardware": ["$\\input{x}$"]}, "allowed: names of processors"),
    "a word as a version": (
        {"versions": {"python": "x"}},
        "versions.python = 'x': allowed: a version, e.g. 2.4.1",
    ),
    "pages of an author": ({"author": "a" * 300}, "author"),
    "thousands of processors": ({"hardware": ["x"] * 2000}, "hardware"),
}


def refused(path):
    """The one line by which a bundle is refused, after which the board is as it was."""
    with pytest.raises(SuiteError) as caught:
        merge([path], load_settings())
    line = str(caught.value)
    assert line.count("\n") == 0
    assert line.startswith(f"{path}")
    assert tempfile.gettempdir() not in line
    assert not Path("handed_in").exists()
    assert not list(Path().rglob("it_ran"))
    return line


@pytest.mark.parametrize("name", SPOILED)
def test_tampered_members_are_refused(board, contents, name):
    spoil, member, told = SPOILED[name]
    line = refused(write_changed(Path("own.zip"), contents, spoil(contents)))
    assert member in line
    assert told in line


@pytest.mark.parametrize("name", MANIFESTS)
def test_tampered_manifests_are_refused(board, contents, name):
    changes, told = MANIFESTS[name]
    line = refused(write_changed(Path("own.zip"), contents, {}, **changes))
    assert line.startswith("own.zip: manifest.json")
    assert told in line


def test_another_protocol_is_refused(board, contents):
    theirs = json.loads(contents[MANIFEST])["protocol"]
    line = refused(write_changed(Path("own.zip"), contents, {}, protocol=theirs | {"number": 0}))
    assert "protocol.number = 0; allowed: 1" in line
    line = refused(write_changed(Path("own.zip"), contents, {}, protocol=theirs | {"evaluator_sha256": "0"}))
    assert "protocol.evaluator_sha256 is another evaluator's" in line
    codes = theirs["code_sha256"] | {"frozen": "0"}
    line = refused(write_changed(Path("own.zip"), contents, {}, protocol=theirs | {"code_sha256": codes}))
    assert "protocol.code_sha256.frozen: other code trained and evaluated" in line
    others = theirs["preparation_sha256"] | {"frozen": "0"}
    line = refused(write_changed(Path("own.zip"), contents, {}, protocol=theirs | {"preparation_sha256": others}))
    assert "protocol.preparation_sha256.frozen: other code made features or searched" in line


def test_values_of_a_paper_are_those_that_the_class_declares(board, contents):
    """Other values with all digests of theirs, so that nothing but them is wrong."""
    settings, bundle = load_settings(), read_bundle(write_changed(Path("own.zip"), contents, {}))
    plan = bare_plan(bundle, settings, "frozen", "emoji", bundle.records[RECORDS][0].loss_sha256)
    plan = with_values(replace(plan, track="paper_values", hyperparameter_source="paper"), {"weight": 0.4321})
    digests = {(run.noise_level, run.seed): run.config_sha256 for run in runs_of(plan)}
    records = records_of(contents, PAPER)
    for one in records:
        one |= {"hyperparameters": {"weight": 0.4321}, "config_sha256": digests[one["noise_level"], one["seed"]]}
    line = refused(write_changed(Path("own.zip"), contents, {PAPER: as_lines(records)}))
    assert f"{PAPER}, line 1: hyperparameters = {{'weight': 0.4321}}; allowed: {{'weight': 0.7}}" in line


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("{'weight': '[x](javascript:alert(1))'}", "weight = '[x](javascript:alert(1))'; allowed: finite numbers"),
        ("{'weight': 1e999}", "weight = inf; allowed: finite numbers"),
        ("{}", "losses/own.py:Own declares no paper_values"),
        (f"{dict.fromkeys(map('p{}'.format, range(101)), 1)}", "101 hyper-parameters; allowed: up to 100"),
        ("dict(weight=2)", "paper_values of losses/own.py:Own cannot be read without running it"),
        ("{'weight': {'small': 1}}", "allowed is one value, or a mapping of large_classes and small_classes"),
    ],
)
def test_what_a_class_declares_as_its_papers_values_is_plain(board, submitted, declared, told):
    bundle = read_bundle(submitted / "own.zip")
    name = "losses/own.py"
    code = bundle.code | {name: bundle.code[name].replace(b'{"weight": 0.7}', declared.encode())}
    with pytest.raises(SuiteError) as caught:
        paper_runs_due(replace(bundle, code=code), load_settings(), "emoji", "0", bundle.records[PAPER])
    assert told in str(caught.value)


def test_searches_in_git_are_drawn_anew(submitted):
    """Up to the twentieth trial, which follows from the scores before it, as trials of bundles must."""
    bundle = read_bundle(submitted / "own.zip")
    for path in ("recipes/tuned/furniture/triplet-0.yaml", "recipes/finetuned/tuned/emoji/pfml-3.yaml"):
        recipe = load_tuned(ROOT / path)
        check_drawn(bundle, SEARCH, recipe, parse_space("", recipe.search_space))
        *others, last = recipe.trials
        other = last.model_copy(update={"values": others[0].values})
        chosen = recipe.model_copy(update={"trials": [*others, other]})
        with pytest.raises(SuiteError, match=r"trial 20 has "):
            check_drawn(bundle, SEARCH, chosen, parse_space("", recipe.search_space))


def test_a_trial_is_drawn_anew_whatever_optuna_is_named(submitted):
    """Later trials follow from the scores before them, 0 where training failed; another version is no way around it."""
    bundle = read_bundle(submitted / "own.zip")
    recipe = bundle.searches[SEARCH]
    space = parse_space("", recipe.search_space)
    study, trials = optuna.create_study(direction="maximize"), []
    for number in range(8):
        seed = entropy("tune", recipe.track, recipe.dataset, recipe.loss, recipe.number, number) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)
        asked = study.ask()
        value = asked.suggest_float("weight", 0.5, 2.0)
        score = 0.0 if number == 2 else value / 4
        trials.append(Trial(values={"weight": value}, fold_map_at_r=[score, score] if score else []))
        study.tell(asked.number, score)
    drawn = recipe.model_copy(update={"trials": trials})
    chosen = [*trials[:6], Trial(values={"weight": 1.2345}, fold_map_at_r=[0.9, 0.9]), *trials[7:]]
    for version in (bundle.manifest.versions["optuna"], "4.9.9", "x"):
        versions = bundle.manifest.versions | {"optuna": version}
        named = replace(bundle, manifest=bundle.manifest.model_copy(update={"versions": versions}))
        check_drawn(named, SEARCH, drawn, space)
        with pytest.raises(SuiteError, match=r"trial 7 has \{'weight': 1\.2345\}; allowed: "):
            check_drawn(named, SEARCH, drawn.model_copy(update={"trials": chosen}), space)


def test_the_name_of_another_loss_is_refused(board, contents):
    line = refused(write_changed(Path("own.zip"), contents, {}, loss="triplet"))
    assert "loss triplet is triplet in params.yaml" in line
    line = refused(write_changed(Path("own.zip"), contents, {}, loss="PFML"))
    assert "loss PFML is pfml in params.yaml or in the suite" in line
    line = refused(write_changed(Path("own.zip"), contents, {}, loss="pfml"))
    assert "loss pfml is losses/own.py:Own; allowed: another name, or pfml:PotentialFieldLoss" in line


def raw(contents, *added, path=Path("own.zip")):
    """The members as they are, and more, written without any care."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in [*contents.items(), *added]:
            archive.writestr(name, content)
    return path


def test_a_member_that_the_manifest_does_not_speak_of_as_it_is_is_refused(board, contents):
    line = refused(raw(contents | {CODE: b"import os"}))
    assert f"{CODE} has not the SHA-256 that manifest.json names" in line
    line = refused(raw({name: content for name, content in contents.items() if name != CODE}))
    assert f"'{CODE}' is missing, and manifest.json names it" in line
    line = refused(raw(contents, ("code/losses/more.py", b"")))
    assert "code/losses/more.py has not the SHA-256" in line


@pytest.mark.parametrize("name", ["../own.py", "/own.py", "code/../../own.py", "C:/own.py", "..\\own.py"])
def test_paths_that_escape_are_refused(board, contents, name):
    assert "would be extracted outside its folder" in refused(raw(contents, (name, b"")))
    assert not list(board.parent.glob("own.py"))


def test_links_are_refused(board, contents):
    link = zipfile.ZipInfo("code/losses/link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is a link or a special file" in refused(raw(contents, (link, b"/etc/passwd")))


def test_zip_bombs_are_refused(board, contents):
    line = refused(raw(contents, (PAPER, b"\0" * (LIMITS.member + 1))))
    assert f"'{PAPER}' has 10,000,001 bytes; allowed: up to 10,000,000" in line
    assert Path("own.zip").stat().st_size < 100_000
    many = [(f"records/frozen/emoji{number}.jsonl", b"") for number in range(LIMITS.members + 1)]
    assert "files; allowed: up to 500" in refused(raw(contents, *many))
    large = [(f"records/frozen/emoji{number}.jsonl", b"\0" * LIMITS.member) for number in range(6)]
    assert "bytes; allowed: up to 50,000,000" in refused(raw(contents, *large))


def test_a_size_that_lies_is_refused(board, contents):
    """The directory says 10 bytes, the stream holds more."""
    path = raw(contents | {CODE: b"#" * 5000})
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = archive.getinfo(CODE)
    assert info.file_size == 5000
    size = (5000).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    line = refused(path)
    assert "is truncated, altered or no archive" in line


def spoiled_zip(path, change):
    path.write_bytes(change(path.read_bytes()))
    return path


def with_comment(content):
    with zipfile.ZipFile(path := Path("own.zip"), "a") as archive:
        archive.comment = b"<script>"
    return path.read_bytes()


UNSEEN = {
    "a script in front": lambda content: b"#!/bin/sh\nexit\n" + content,
    "junk behind": lambda content: content + b"junk",
    "a comment": with_comment,
}


@pytest.mark.parametrize("name", UNSEEN)
def test_bytes_that_nobody_sees_are_refused(board, submitted, name):
    shutil.copyfile(submitted / "own.zip", "own.zip")
    assert "allowed: files alone" in refused(spoiled_zip(Path("own.zip"), UNSEEN[name]))


def test_members_that_are_no_files_are_refused(board, contents):
    assert "holds 'etc/evil/'; allowed: files" in refused(raw(contents, ("etc/evil/", b"bytes")))
    named = zipfile.ZipInfo("x")
    named.filename = "\0"
    assert "allowed: files with names" in refused(raw(contents, (named, b"")))
    more = zipfile.ZipInfo("code/losses/more.py")
    more.extra = b"\x99\x99\x04\x00evil"
    assert "has bytes beside its content" in refused(raw(contents, (more, b"")))


def test_a_stream_with_more_behind_its_end_is_refused(board, contents):
    """The directory says that the stream is longer than what it unpacks from."""
    path = raw({"a.py": b"#" * 500})
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("a.py")
    old, new = info.compress_size.to_bytes(4, "little"), (info.compress_size + 4).to_bytes(4, "little")
    cut, start = 30 + len("a.py") + info.compress_size, content.index(b"PK\x05\x06")
    end = content[start:]
    offset = (cut + 4).to_bytes(4, "little")
    parts = content[:cut].replace(old, new) + b"evil" + content[cut:start].replace(old, new)
    path.write_bytes(parts + end[:16] + offset + end[20:])
    assert "'a.py' has bytes beside its content" in refused(path)


def test_flipped_bytes_are_told_in_a_line(submitted, board):
    """Whatever a byte of the file becomes, it is read or refused."""
    content, rng = (submitted / "own.zip").read_bytes(), np.random.default_rng(5)
    start = content.index(b"PK\x01\x02")
    for number in range(300):
        low = start if number % 2 else 0  # half of them in the directory
        other = bytearray(content)
        other[int(rng.integers(low, len(content)))] = [0, 255, 47, 92][number % 4]
        Path("own.zip").write_bytes(other)
        line = unreadable(Path("own.zip"))
        assert not line or line.startswith("own.zip")
        assert "\n" not in line


def unreadable(path):
    """Why a bundle is not read; empty if it is."""
    try:
        read_bundle(path)
    except SuiteError as error:
        return str(error)
    return ""


def test_a_name_twice_is_refused(board, contents):
    assert f"holds '{CODE}' twice; allowed: each file once" in refused(raw(contents, (CODE, b"import os")))


def test_what_is_no_bundle_is_refused(board, contents, submitted):
    Path("own.zip").write_text("PK")
    assert "is truncated, altered or no archive" in refused(Path("own.zip"))
    Path("own.zip").write_bytes((submitted / "own.zip").read_bytes()[:-100])
    assert "is truncated, altered or no archive" in refused(Path("own.zip"))
    assert "manifest.json is missing" in refused(raw({}, (SETTINGS, b"{}")))
    assert "is missing; allowed: a bundle as suite submit writes it" in refused(Path("none.zip"))
    with zipfile.ZipFile("own.zip", "w") as archive:
        archive.writestr("caf\u00e9", "x")
    Path("own.zip").write_bytes(Path("own.zip").read_bytes().replace("\u00e9".encode(), b"\xff\xfe"))
    assert "is truncated, altered or no archive" in refused(Path("own.zip"))


ODD = [None, True, -1, 0, 1.5, 10**30, float("nan"), "", "x", "../x", [], [1], {}, {"a": 1}, "\ud800"]


def places(value, way=()):
    """Ways to all values in nested plain data."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*way, key))


def replaced(value, way, new):
    """Nested plain data with another value in one place, or without it if it is ``...``."""
    if not way:
        return new
    value = copy.copy(value)
    if len(way) == 1 and new is ...:
        del value[way[0]]
    else:
        value[way[0]] = replaced(value[way[0]], way[1:], new)
    return value


def test_whatever_stands_in_a_bundle_it_is_taken_or_refused_in_a_line(board, contents):
    rng = np.random.default_rng(17)
    members = [name for name in contents if name.endswith((".json", ".jsonl"))]
    refused_ones = 0
    for _ in range(60):
        member = members[rng.integers(len(members))]
        lines = contents[member].splitlines() if member.endswith("l") else [contents[member]]
        values = [json.loads(line) for line in lines]
        number = rng.integers(len(values))
        ways = [way for way in places(values[number]) if way]
        way, new = ways[rng.integers(len(ways))], [*ODD, ...][rng.integers(len(ODD) + 1)]
        values[number] = replaced(values[number], way, new)
        content = as_lines(values)
        if member == MANIFEST:
            path = raw(contents | {MANIFEST: content})
        else:
            path = write_changed(Path("own.zip"), contents, {member: content})
        line = refusal(path)
        if line:
            assert line.startswith("own.zip"), (member, way, new)
            assert "\n" not in line
            refused_ones += 1
        else:
            assert list(load_handed_in()) == ["own"]
            shutil.rmtree("handed_in")
    assert 30 < refused_ones < 60


def test_epochs_are_equal_where_the_board_searches_them_for_all(board):
    settings = load_settings()
    space = settings.tuning.model_copy(update={"space": {"epochs": {"low": 2, "high": 5}}})
    within = settings.model_copy(update={"tuning": space})
    assert [is_equal_budget(epochs, settings) for epochs in (2, 3, 2.5, True)] == [True, False, False, False]
    assert [is_equal_budget(epochs, within) for epochs in (1, 2, 5, 6, 2.5, True)] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def refusal(path):
    """Why a bundle is refused; empty if it is taken."""
    try:
        merge([path], load_settings())
    except SuiteError as error:
        return str(error)
    return ""


def test_there_are_at_least_twenty():
    assert len(SPOILED) + len(MANIFESTS) >= 20
