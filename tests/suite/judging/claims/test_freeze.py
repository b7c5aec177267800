"""Preregistration: what was preregistered, what changed since, what came after; and refusals in one line."""

import json
import subprocess

import pytest
import yaml

from suite.errors import SuiteError
from suite.judging.claims.freeze import Frozen, add_later, design_anew, freeze, load_frozen
from suite.judging.claims.load import load_claims
from suite.settings.finetuned import GeometryChanges, load_finetuned
from suite.settings.params import Settings, load_settings
from suite.settings.paths import FINETUNED_FILE
from tests.helpers.paths import ROOT
from tests.suite.judging.claims.synthetic import values_of


@pytest.fixture
def folder(workplace):
    (workplace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    path = workplace / "claims"
    path.mkdir()
    for name in ("first", "second"):
        put(path, name)
    return path


def put(folder, name, **changes):
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(values_of("superiority", **changes) | {"id": name}))


def changed(**changes):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for place, value in changes.items():
        *path, last = place.split("__")
        inner = values
        for name in path:
            inner = inner[name]
        inner[last] = value
    return Settings.model_validate(values)


def test_each_claim_stands_as_preregistered_was_changed_or_came_after(folder):
    freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    put(folder, "second", minimum_seeds=4)
    put(folder, "third")
    frozen = load_frozen(folder)
    standings = {file.claim.id: frozen.standing_of(file) for file in load_claims(folder=folder)}
    assert standings == {"first": "as preregistered", "second": "changed since", "third": "came after"}


def test_without_a_freeze_there_is_none(folder):
    assert load_frozen(folder) is None


def test_nothing_else_has_changed_right_after(folder):
    freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    assert load_frozen(folder).changes(load_settings()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seeds": 20}, ["seeds: 5 then, 20 now"]),
        ({"noise__levels": [0, 0.2]}, ["noise.levels: [0.0, 0.2, 0.4] then, [0.0, 0.2] now"]),
        ({"tuning__searches": 7}, ["tuning.searches: "]),
        ({"tuning__trials": 999}, ["tuning.trials: "]),
        ({"splits__count": 4}, ["splits: {"]),
        ({"fresh_seeds__count": 5}, ["fresh_seeds: {"]),
        (
            {"recipe__epochs": 16},
            [f"recipe on {name}: changed" for name in ("emoji", "furniture", "typefaces")],
        ),
        ({"losses__pfml": {"search": {"alpha": {"values": [1, 2]}}}}, ["search space of pfml: changed"]),
        ({"losses__hist": {}}, ["search space of hist: came after"]),
    ],
)
def test_what_else_changed_is_named(folder, changes, told):
    freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    found = load_frozen(folder).changes(changed(**changes))
    assert len(found) == len(told)
    assert all(text.startswith(start) for text, start in zip(found, told, strict=True))


def test_a_setting_that_has_come_since_is_no_change_where_nobody_sets_it(folder):
    path = freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    values = json.loads(path.read_text())
    del values["designs"]["frozen"]["studies"]["extended"]["tracks"]
    path.write_text(json.dumps(values))
    frozen = load_frozen(folder)
    assert frozen.changes(load_settings()) == []
    both = ["tuned", "tuned_under_noise"]
    three = [*both, "tuned_with_noisy_validation"]
    (_, told) = frozen.changes(changed(tuning__tracks=three, extended__tracks=both))
    assert told.startswith("extended: {")


def test_each_regime_has_a_design_of_its_own(folder):
    settings = load_settings()
    late = load_finetuned(ROOT / FINETUNED_FILE)
    both = {"frozen": settings, "finetuned": late.within(settings)}
    freeze(load_claims(folder=folder), both, folder=folder)
    frozen = load_frozen(folder)
    other = late.model_copy(update={"geometry": late.geometry.model_copy(update={"deltas": (0.9,)})})
    assert frozen.changes(settings) == frozen.changes(late.within(settings), "finetuned") == []
    (told,) = frozen.changes(other.within(settings), "finetuned")
    assert told.startswith("geometry: {")
    rates = {"furniture": GeometryChanges(backbone_rate=0.5)}
    slower = late.model_copy(update={"geometry": late.geometry.model_copy(update={"datasets": rates})})
    (told,) = frozen.changes(slower.within(settings), "finetuned")
    assert "{'furniture': {'backbone_rate': 0.5}}} now" in told, "a setting that this regime alone has"
    assert frozen.changes(settings, "published") == ["regime published: came after"]


def test_a_shared_search_space_is_part_of_each_losss(folder):
    freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    found = load_frozen(folder).changes(changed(tuning__space={"epochs": {"values": [5, 6]}}))
    spaces = [text for text in found if text.startswith("search space of")]
    assert len(spaces) == len(load_settings().all_losses)


@pytest.mark.parametrize("place", ["losses", "tuning__also"])
def test_a_loss_that_cannot_be_found_is_named_with_the_setting_that_holds_it(folder, place):
    settings = changed(**{f"{place}__own": {"target": "mine.py:Own"}})
    with pytest.raises(
        SuiteError, match=rf"^params\.yaml: {place.replace('__', '.')}\.own\.target = 'mine.py:Own': file"
    ):
        freeze(load_claims(folder=folder), {"frozen": settings}, folder=folder)
    assert not list(folder.glob("frozen*"))


def test_the_commit_is_that_of_the_working_tree_and_says_what_was_not_committed(folder):
    path = freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    assert Frozen.model_validate_json(path.read_text()).commit is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "claims/first.yaml"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    freeze(load_claims(folder=folder), {"frozen": load_settings()}, renew=True, folder=folder)
    commit = load_frozen(folder).commit
    assert len(commit) == 40
    put(folder, "first", minimum_seeds=4)
    freeze(load_claims(folder=folder), {"frozen": load_settings()}, renew=True, folder=folder)
    assert load_frozen(folder).commit == f"{commit}+"


def test_a_second_freeze_needs_to_be_asked_for(folder):
    path = freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    before = path.read_bytes()
    message = r"claims/frozen\.json was written on \d{4}-\d\d-\d\d; .*suite claims freeze --renew"
    with pytest.raises(SuiteError, match=message) as caught:
        freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_what_has_come_since_is_added_under_its_own_date_and_nothing_else_is_touched(folder):
    freeze(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    before = load_frozen(folder)
    put(folder, "second", minimum_seeds=4)
    put(folder, "third")
    now = changed(seeds=20, losses__hist={}, tuning__trials=999)
    add_later(load_claims(folder=folder), {"frozen": now}, folder=folder)
    frozen = load_frozen(folder)
    assert frozen.model_copy(update={"later": ()}) == before
    (added,) = frozen.later
    assert (list(added.claims), list(added.designs["frozen"].search_spaces)) == (["third"], ["hist"])
    assert (added.designs["frozen"].studies, added.designs["frozen"].recipes) == ({}, {})
    standings = {file.claim.id: frozen.standing_of(file) for file in load_claims(folder=folder)}
    assert standings == {"first": "as preregistered", "second": "changed since", "third": "as preregistered"}
    told = frozen.changes(now)
    assert [text.split(":")[0] for text in told] == ["tuning.trials", "seeds"]
    put(folder, "third", minimum_seeds=4)
    assert frozen.standing_of(load_claims(folder=folder)[2]) == "changed since"
    other = changed(losses__hist={"search": {"learning_rate": {"values": [1, 2]}}})
    assert "search space of hist: changed" in frozen.changes(other)


def test_a_study_that_was_not_there_is_added(folder):
    path = freeze(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    old = json.loads(path.read_text())
    del old["designs"]["frozen"]["studies"]["extended"], old["later"]  # as it was written before there was this study
    path.write_text(json.dumps(old))
    (told,) = load_frozen(folder).changes(changed())
    assert told.startswith("extended: None then, {")
    add_later(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    assert load_frozen(folder).changes(changed()) == []
    (told,) = load_frozen(folder).changes(changed(extended__noise_kinds=["asymmetric"]))
    assert told.startswith("extended: {")


def test_a_loss_of_a_study_that_has_come_since_is_added_and_nothing_else_of_the_study(folder):
    freeze(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    before = load_frozen(folder)
    losses = before.designs["frozen"].studies["extended"]["losses"]
    further = {"hist": {"tracks": ["tuned"]}}
    now = changed(
        tuning__also=dict(changed().tuning.also) | {name: {} for name in further},
        extended__losses={**{name: value for name, value in losses.items() if name != "cpml"}, **further},
        extended__noise_kinds=["asymmetric"],
    )
    later = ["extended.losses.cpml: left out", "extended.losses.hist: came after"]
    told = before.changes(now)
    assert [text for text in told if text.startswith("extended.losses")] == later
    add_later(load_claims(folder=folder), {"frozen": now}, folder=folder)
    frozen = load_frozen(folder)
    assert frozen.later[0].designs["frozen"].studies == {"extended": {"losses": further}}
    assert frozen.model_copy(update={"later": ()}) == before
    first, second = frozen.changes(now)
    assert first == later[0]
    assert second.startswith("extended: {'noise_kinds': ['asymmetric', ")
    other = changed(extended__losses={**losses, "pfml": {"tracks": ["tuned"]}})
    assert "extended.losses.pfml: changed" in frozen.changes(other)


def test_adding_needs_something_to_add_and_something_to_add_to(folder):
    with pytest.raises(SuiteError, match=r"claims/frozen\.json is missing: .*; run: suite claims freeze$"):
        add_later(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    path = freeze(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    before = path.read_bytes()
    with pytest.raises(SuiteError, match="lacks nothing"):
        add_later(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    assert path.read_bytes() == before


def test_a_design_without_results_is_replaced_and_the_earlier_one_stays_in_the_file(folder):
    late = load_finetuned(ROOT / FINETUNED_FILE)
    both = {"frozen": changed(), "finetuned": late.within(changed())}
    path = freeze(load_claims(folder=folder), both, folder=folder)
    before = json.loads(path.read_text())
    put(folder, "second", minimum_seeds=4)
    tuning = late.tuning.model_copy(update={"searches": 3, "held_out": 2})
    new = late.model_copy(update={"tuning": tuning}).within(changed(seeds=7))
    design_anew("finetuned", new, folder)
    frozen = load_frozen(folder)
    assert frozen.changes(new, "finetuned") == []
    assert frozen.changes(late.within(changed()), "finetuned")
    assert frozen.changes(changed()) == []
    assert frozen.standing_of(load_claims(folder=folder)[1]) == "changed since"
    after = json.loads(path.read_text())
    assert after | {"later": []} == before
    assert [(each["anew"], each["claims"]) for each in after["later"]] == [(["finetuned"], {})]


def test_a_design_with_results_stays(folder, workplace):
    with pytest.raises(SuiteError, match=r"there is no design to replace; run: suite claims freeze$"):
        design_anew("frozen", changed(), folder)
    path = freeze(load_claims(folder=folder), {"frozen": changed()}, folder=folder)
    before = path.read_bytes()
    with pytest.raises(SuiteError, match="has the design of regime frozen as it is now"):
        design_anew("frozen", changed(), folder)
    (workplace / "results").mkdir()
    (workplace / "results" / "leaderboard.json").write_text("{}")
    with pytest.raises(SuiteError, match=r"regime frozen has results, results/leaderboard\.json; a design is replaced"):
        design_anew("frozen", changed(seeds=7), folder)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "claims/frozen.json is not valid JSON"),
        ("[]", "claims/frozen.json holds no preregistered claims"),
        ("{}", "claims/frozen.json: date is missing"),
        ('{"date": "soon"}', "claims/frozen.json: "),
    ],
)
def test_a_damaged_file_is_told_in_one_line_with_its_cure(folder, text, message):
    (folder / "frozen.json").write_text(text)
    with pytest.raises(SuiteError) as caught:
        load_frozen(folder)
    told = str(caught.value)
    assert message in told
    assert "\n" not in told
    assert "suite claims freeze --renew" in told
    with pytest.raises(SuiteError, match="was written; a second preregistration hides"):
        freeze(load_claims(folder=folder), {"frozen": load_settings()}, folder=folder)
