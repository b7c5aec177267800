"""Plans: what they hold, what changes them, where they are written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from suite.data import catalog
from suite.errors import SuiteError
from suite.hashing import ROOT, code_files
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.paths import PLAN_FOLDER
from suite.settings.plans import FrozenPlan, plan_path, read_plan, read_plan_file, runs_of
from suite.training.run import frozen
from tests.suite.training.planning import RECIPE, planned, refused, save_recipe, written


def test_a_plan_for_each_data_set_loss_search_and_loss_at_paper_values(plan):
    plan(paper_values={"triplet": {}})
    assert sorted(path.relative_to(PLAN_FOLDER).as_posix() for path in written()) == [
        "datasets/emoji.json",
        "datasets/typefaces.json",
        "influence.json",
        "paper_values/emoji-triplet.json",
        "paper_values/typefaces-triplet.json",
        "searches/emoji-pfml.json",
        "searches/emoji-triplet.json",
        "searches/typefaces-pfml.json",
        "searches/typefaces-triplet.json",
        "tuned/emoji-pfml.json",
        "tuned/emoji-triplet.json",
        "tuned/typefaces-pfml.json",
        "tuned/typefaces-triplet.json",
    ]
    dataset = json.loads((PLAN_FOLDER / "datasets/emoji.json").read_text())
    assert dataset == {
        "dataset": "emoji",
        "data_sha256": catalog.EMBEDDED["emoji"].sha256,
        "max_classes": None,
        "backbone": {"name": "tf_efficientnet_lite0", "weights": "embedded", "sha256": None},
    }


def test_a_loss_of_the_extended_grid_has_a_plan_of_its_own_and_no_remark(plan):
    tuning = {"trials": 2, "folds": 2, "also": {"supcon": {}}}
    remarks = plan(tuning=tuning, extended={"losses": {"triplet": {}, "supcon": {}}, "noise_kinds": ["asymmetric"]})
    assert not any("supcon" in remark for remark in remarks)
    assert any("triplet" in remark for remark in remarks)
    (found,) = read_plan_file(plan_path("extended", "emoji", "supcon"))
    assert found[1].trials == 2
    assert read_plan_file(plan_path("extended", "emoji", "triplet")) == read_plan_file(
        plan_path("tuned", "emoji", "triplet")
    )


def test_a_study_that_a_data_set_is_too_small_for_is_told_and_does_not_stop_the_grid(plan):
    small = {"tuning": {"trials": 2, "folds": 2, "also": {"supcon": {}}}, "recipe": RECIPE | {"classes_per_batch": 3}}
    for loss in ("pfml", "triplet"):
        for dataset in ("emoji", "typefaces"):
            save_recipe({}, dataset, loss)
    assert not any("suite extended" in remark for remark in plan(**small))
    told = [remark for remark in plan(**small, extended={"losses": {"supcon": {}}}) if "suite extended" in remark]
    assert len(told) == 2
    assert [remark.split(": too few")[0] for remark in told] == [
        f"suite extended will refuse this: params.yaml: datasets.{name}" for name in ("emoji", "typefaces")
    ]


def test_further_kinds_of_noise_that_leave_too_few_classes_are_told(plan):
    wanted = {"losses": {"pfml": {}}, "noise_kinds": ["small_cluster", "asymmetric"]}
    remarks = plan(extended=wanted, noise={"levels": [0, 0.8]})  # of 5 classes 1 is left
    told = [remark for remark in remarks if remark.startswith("suite extended will fail with")]
    assert len(told) == 2  # two data sets
    assert all(" extended.noise_kinds small_cluster: " in remark for remark in told)
    assert not any(
        "suite extended" in remark for remark in plan(extended=wanted | {"losses": {}}, noise={"levels": [0, 0.8]})
    )


def test_a_plan_holds_all_that_a_run_depends_on(plan, monkeypatch):
    plan(seeds=3, noise={"kind": "small_cluster", "levels": [0]})
    found = planned("emoji-pfml")
    assert found.pop("code_sha256") != found["loss_sha256"]
    assert found == {
        "regime": "frozen",
        "track": "tuned",
        "dataset": "emoji",
        "backbone": "tf_efficientnet_lite0",
        "loss": "pfml",
        "target": "pfml:PotentialFieldLoss",
        "loss_sha256": load_target("pfml", BUILT_IN["pfml"]).sha256,
        "noise_kind": "small_cluster",
        "noise_levels": [0.0],
        "seeds": 3,
        "hyperparameter_source": "defaults",
        "hyperparameters": {},
        "recipe": RECIPE | {"sampler": "p_k"},
        "validation_epoch": None,
        "search": 0,
        "searches": 1,
        "split": 0,
    }


def test_the_digest_of_code_covers_what_decides_a_run_and_nothing_else():
    """An import brings a module in; a new one here is a decision that makes all records stale."""
    found = [path.relative_to(ROOT).as_posix() for path in code_files(Path(frozen.__file__))]
    assert [name for name in found if not name.endswith("__init__.py")] == [
        "suite/data/features.py",
        "suite/data/noise.py",
        "suite/evaluation/retrieval.py",
        "suite/losses/build.py",
        "suite/randomness.py",
        "suite/training/run/frozen.py",
        "suite/training/run/loop.py",
    ]


def test_plans_read_back_as_they_were_made(plan):
    plan(losses={"pfml": {"params": {"delta": 0.9}}}, paper_values={"pfml": {}})
    for kind in ("tuned", "searches", "paper_values"):
        made, search = read_plan(plan_path(kind, "emoji", "pfml"))
        assert isinstance(made, FrozenPlan)
        value = json.loads(plan_path(kind, "emoji", "pfml").read_text())
        assert made.as_dict() == value[0]["plan"]
        assert (search is None) == (value[0]["search"] is None) == (kind == "paper_values")


def test_a_missing_plan(workplace):
    with pytest.raises(
        SuiteError, match=r"plan plan/tuned/emoji-magic\.json is missing: .* params\.yaml, then run: dvc"
    ):
        read_plan(plan_path("tuned", "emoji", "magic"))


def test_the_same_settings_give_the_same_bytes(plan):
    plan()
    before = written()
    plan()
    assert written() == before


def test_plans_of_removed_losses_go(plan):
    plan()
    plan(losses={"pfml": {}})
    assert not (PLAN_FOLDER / "tuned/emoji-triplet.json").exists()


def test_a_data_set_may_have_batches_of_its_own(plan):
    message = refused(plan, datasets={"emoji": {"classes_per_batch": 6}})
    assert message == "params.yaml: datasets.emoji.classes_per_batch = 6: emoji has 5 training classes; allowed: 2 to 5"
    large = RECIPE | {"classes_per_batch": 9, "samples_per_class": 9}
    plan(recipe=large, datasets={"emoji": {"classes_per_batch": 2, "samples_per_class": 3}})
    found = planned("emoji-pfml")["recipe"]
    assert (found["classes_per_batch"], found["samples_per_class"]) == (2, 3)
    plan(datasets={"emoji": {"samples_per_class": 2}, "typefaces": {}})
    assert [planned(f"{name}-pfml")["recipe"]["samples_per_class"] for name in ("emoji", "typefaces")] == [2, 3]


def test_a_data_set_may_limit_search_spaces(plan):
    broad = load_target("pfml", BUILT_IN["pfml"]).search_space
    remarks = plan(datasets={"emoji": {"limits": {"proxies_per_class": {"high": 1}}}, "typefaces": {}})
    assert not any("datasets" in remark for remark in remarks)
    spaces = {
        name: json.loads((PLAN_FOLDER / f"searches/{name}.json").read_text())[0]["search"]["space"]
        for name in ("emoji-pfml", "emoji-triplet", "typefaces-pfml")
    }
    assert spaces["emoji-pfml"] == broad | {"proxies_per_class": {"values": [0, 1]}}
    assert spaces["typefaces-pfml"] == broad
    assert "proxies_per_class" not in spaces["emoji-triplet"]


def test_limits_of_nothing_are_told_and_such_that_leave_nothing_refused(plan):
    remarks = plan(datasets={"emoji": {"limits": {"proxies_per_clas": {"high": 1}}}})
    told = (
        "params.yaml: datasets.emoji.limits.proxies_per_clas is left out: no search varies it; allowed: alpha, delta, "
    )
    assert any(remark.startswith(told) for remark in remarks)
    shutil.rmtree(PLAN_FOLDER)
    for limits, message in (
        ({"high": -1}, "datasets.emoji.limits.proxies_per_class leaves nothing of {'values': [0, 1, 2, 5]}; allowed: "),
        ({"low": 2, "high": 1}, "datasets.emoji.limits.proxies_per_class: low must not be above high"),
        ({"most": 2}, "datasets.emoji.limits.proxies_per_class.most is not a setting; allowed: low, high"),
    ):
        assert f"params.yaml: {message}" in refused(plan, datasets={"emoji": {"limits": {"proxies_per_class": limits}}})


@pytest.mark.parametrize("kind", ["symetric", "", 3])
def test_an_unknown_noise_kind(plan, kind):
    message = refused(plan, noise={"kind": kind, "levels": [0]})
    assert message.startswith(f"params.yaml: noise.kind = {kind!r}")
    assert "allowed: " in message


def test_a_run_is_told_by_its_plan_level_and_seed(plan):
    plan(seeds=3)
    made, _ = read_plan(plan_path("tuned", "emoji", "pfml"))
    runs = runs_of(made, keep_embeddings=True)
    assert [(run.noise_level, run.seed, run.keeps_embeddings) for run in runs] == [
        (level, seed, seed == 0) for level in (0.0, 0.2) for seed in range(3)
    ]
    assert len({run.config_sha256 for run in runs}) == 6
    for same in ({"seeds": 9}, {"noise_levels": (0.0, 0.4)}, {"hyperparameter_source": "search"}):
        assert runs_of(replace(made, **same))[0].config_sha256 == runs[0].config_sha256
    for other in ({"hyperparameters": {"delta": 1.0}}, {"noise_kind": "small_cluster"}, {"code_sha256": "other"}):
        assert runs_of(replace(made, **other))[0].config_sha256 != runs[0].config_sha256
