"""Plans: which hyper-parameters count, what is searched, and which recipes are stale."""

import pytest

from suite.data import catalog
from suite.hashing import sha256_file
from suite.losses.registry import BUILT_IN, load_target
from suite.settings.paths import DATA_FOLDER, PLAN_FOLDER
from suite.settings.plans import Search, plan_path, read_plan, read_plan_file, runs_of
from suite.training import batch_checks
from tests.helpers.synthetic import write_images
from tests.suite.training.planning import RECIPE, save_recipe, written

STALE = "recipes/tuned/emoji/pfml-0.yaml is stale: {} changed since; renew it with: "
RENEW = "dvc repro pipelines/tuning/dvc.yaml:search@emoji-pfml && suite promote"


def test_losses_of_studies_get_searches_but_no_runs(plan):
    found = plan(
        tuning={"trials": 2, "folds": 2, "also": {"soft_triple": {}}},
        geometry={"losses": {"pfml": {}, "soft_triple": {}}},
    )
    names = {path.relative_to(PLAN_FOLDER).as_posix() for path in written()}
    assert "searches/emoji-soft_triple.json" in names
    assert not {name for name in names if name.startswith("tuned/") and "soft_triple" in name}
    assert not [remark for remark in found if remark.startswith("soft_triple")]


def test_by_hand_goes_before_tuned_goes_before_default(plan):
    save_recipe({"alpha": 5, "delta": 0.7, "learning_rate": 0.05})
    plan(losses={"pfml": {"params": {"delta": 0.9, "proxy_learning_rate": 0.5}}})
    mine, search = read_plan(plan_path("tuned", "emoji", "pfml"))
    assert mine.hyperparameters == {"alpha": 5, "delta": 0.9}
    assert (mine.recipe.learning_rate, mine.recipe.proxy_learning_rate) == (0.05, 0.5)
    assert (mine.hyperparameter_source, mine.validation_epoch, search) == ("search", 2, None)
    other, search = read_plan(plan_path("tuned", "typefaces", "pfml"))
    assert other.hyperparameters == {"delta": 0.9}
    assert (other.recipe.learning_rate, other.recipe.proxy_learning_rate) == (0.001, 0.5)
    assert (other.hyperparameter_source, other.validation_epoch) == ("params.yaml", None)


def test_without_a_recipe_what_is_not_set_by_hand_is_searched(plan):
    by_hand = {"delta": 0.9, "learning_rate": 0.5}
    remarks = plan(
        datasets={"emoji": {}},
        losses={"pfml": {"params": by_hand}},
        tuning={"trials": 7, "folds": 2, "space": {"epochs": {"values": [1, 2]}}},
    )
    made, search = read_plan(plan_path("tuned", "emoji", "pfml"))
    declared = load_target("pfml", BUILT_IN["pfml"]).search_space
    assert set(by_hand) < set(declared)
    space = {"epochs": {"values": [1, 2]}} | {name: item for name, item in declared.items() if name not in by_hand}
    assert search == Search(space, by_hand, trials=7, folds=2)
    assert made.hyperparameters == {"delta": 0.9}
    assert remarks == ["pfml on emoji has no tuned recipe: 7 trials come first"]


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ({"search": {}}, "defaults"),
        ({"search": {"delta": {"values": [0.1, 0.2]}}, "params": {"delta": 0.5}}, "params.yaml"),
    ],
)
def test_nothing_to_search(plan, entry, origin):
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": entry})
    for kind in ("tuned", "searches"):
        made, search = read_plan(plan_path(kind, "emoji", "pfml"))
        assert (made.hyperparameter_source, search) == (origin, None)
    assert remarks == ["pfml on emoji has no search space: it runs with its default values"]


def test_a_search_asked_for_by_name_leaves_the_recipe_aside(plan):
    save_recipe({"alpha": 5, "delta": 0.7})
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"params": {"delta": 0.9}}}) == []
    made, search = read_plan(plan_path("searches", "emoji", "pfml"))
    assert made.hyperparameters == {"delta": 0.9}
    assert made.validation_epoch is None
    assert (search.by_hand, search.trials, search.folds) == ({"delta": 0.9}, 2, 2)
    assert "alpha" in search.space
    assert "delta" not in search.space


TRACKS = ("tuned", "tuned_under_noise", "tuned_with_noisy_validation")


def test_tracks_and_searches_are_planned_side_by_side(plan):
    tuning = {"trials": 2, "folds": 2, "searches": 2, "tracks": list(TRACKS), "noise": 0.3}
    save_recipe({"alpha": 5})
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": {}}, tuning=tuning, noise={"levels": [0, 0.2, 0.4]}, seeds=5)
    planned = read_plan_file(plan_path("tuned", "emoji", "pfml"))
    assert [(made.track, made.search, search is None) for made, search in planned] == [
        (track, number, (track, number) == ("tuned", 0)) for track in TRACKS for number in (0, 1)
    ]
    assert [search.noise for _, search in planned if search] == [0.0, 0.3, 0.3, 0.3, 0.3]
    assert [search.noisy_validation for _, search in planned if search] == [False, False, False, True, True]
    assert remarks[-1] == "pfml on emoji has no tuned recipe: 5 searches of 2 trials come first"
    runs = [run for made, _ in planned for run in runs_of(made, keep_embeddings=True)]
    told = [(run.plan.track, run.noise_level, run.plan.search, run.seed) for run in runs]
    assert len(set(told)) == len(told) == 5 * (3 + 2 + 2)
    assert {(track, level) for track, level, *_ in told} == {
        *(("tuned", level) for level in (0.0, 0.2, 0.4)),
        *((track, level) for track in TRACKS[1:] for level in (0.2, 0.4)),
    }
    assert all(seed % 2 == search for *_, search, seed in told)
    assert {run.name for run in runs if run.plan.track != "tuned"} >= {"tuned_under_noise noise 0.2 seed 4"}
    assert {run.plan.track for run in runs if run.keeps_embeddings} == {"tuned"}


@pytest.mark.parametrize(
    ("recipe", "settings", "what"),
    [
        ({"search_space": {"alpha": {"values": [5, 6]}}}, {}, "the search space has"),
        ({}, {"losses": {"pfml": {"search": {"alpha": {"values": [5, 6]}}}}}, "the search space has"),
        ({"data_sha256": "0" * 64}, {}, "the data have"),
        ({}, {"tuning": {"trials": 3, "folds": 2}}, "tuning.trials has"),
        ({}, {"tuning": {"trials": 2, "folds": 3}}, "tuning.folds has"),
        ({"noise": 0.4}, {}, "tuning.noise has"),
        ({}, {"recipe": RECIPE | {"epochs": 3}}, "the recipe has"),
    ],
)
def test_a_stale_recipe_is_used_and_remarked(plan, recipe, settings, what):
    small = {"datasets": {"emoji": {}}, "losses": {"pfml": {}}}
    save_recipe({"alpha": 5})
    assert plan(**small) == []
    save_recipe({"alpha": 5}, **recipe)
    assert plan(**small | settings) == [STALE.format(what) + RENEW]
    made, search = read_plan(plan_path("tuned", "emoji", "pfml"))
    assert (made.hyperparameter_source, made.hyperparameters, search) == ("search", {"alpha": 5}, None)


def test_a_recipe_of_all_that_is_declared_now_is_not_stale(plan):
    own = {"alpha": {"values": [5, 6]}}
    save_recipe({"alpha": 5}, search_space=own)
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"search": own}}) == []


def test_a_recipe_searched_beside_values_set_by_hand_is_stale_once_they_are_no_longer(plan):
    by_hand = {"delta": 0.9, "learning_rate": 0.5}
    declared = load_target("pfml", BUILT_IN["pfml"]).search_space
    space = {name: item for name, item in declared.items() if name not in by_hand}
    save_recipe({"alpha": 5}, search_space=space, by_hand=by_hand)
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"params": by_hand}}) == []
    set_anew = STALE.format("what is set by hand has") + RENEW
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"params": by_hand | {"delta": 0.8}}}) == [set_anew]
    assert plan(datasets={"emoji": {}}, losses={"pfml": {}}) == [STALE.format("the search space has") + RENEW]
    save_recipe({"alpha": 5}, by_hand={"delta_repulsion": 1.0})  # no search varies it
    assert plan(datasets={"emoji": {}}, losses={"pfml": {}}) == [set_anew]


def test_another_general_learning_rate_makes_no_recipe_stale(plan):
    save_recipe({"alpha": 5, "learning_rate": 0.05})
    assert plan(datasets={"emoji": {}}, losses={"pfml": {}}, recipe=RECIPE | {"learning_rate": 0.3}) == []


def test_several_changes_are_each_remarked(plan):
    save_recipe({"alpha": 5}, data_sha256="0" * 64, folds=5)
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert remarks == [STALE.format(what) + RENEW for what in ("the data have", "tuning.folds has")]


def test_plans_of_paper_values_hold_the_values_of_the_paper(plan):
    save_recipe({"alpha": 5, "delta": 0.7, "learning_rate": 0.05})
    plan(datasets={"emoji": {}}, losses={"pfml": {"params": {"delta": 0.9}}, "triplet": {}}, paper_values={"pfml": {}})
    made, search = read_plan(plan_path("paper_values", "emoji", "pfml"))
    assert (made.track, made.hyperparameter_source, made.validation_epoch, search) == (
        "paper_values",
        "paper",
        None,
        None,
    )
    assert made.hyperparameters == {"alpha": 3.0, "delta": 0.2, "proxies_per_class": 2}
    assert (made.recipe.learning_rate, made.recipe.proxy_learning_rate) == (5e-4, 5e-2)
    assert made.recipe.epochs == RECIPE["epochs"]
    assert not plan_path("paper_values", "emoji", "triplet").exists()


def test_the_size_of_the_training_classes_decides_which_value_of_the_paper(plan, monkeypatch):
    path = DATA_FOLDER / "emoji.parquet"
    write_images(path, classes=10, images=17)
    monkeypatch.setitem(catalog.EMBEDDED, "emoji", catalog.EmbeddedDataset(sha256_file(path), ""))
    batch_checks.training_half.cache_clear()
    plan(paper_values={"pfml": {}})
    proxies = {
        name: read_plan(plan_path("paper_values", name, "pfml"))[0].hyperparameters["proxies_per_class"]
        for name in ("emoji", "typefaces")
    }
    assert proxies == {"emoji": 15, "typefaces": 2}


def test_a_recipe_of_a_data_set_with_batches_of_its_own_is_not_stale(plan):
    mine = {"emoji": {"samples_per_class": 2}}
    training = {name: value for name, value in RECIPE.items() if "learning_rate" not in name}
    save_recipe({}, training=training | {"samples_per_class": 2, "sampler": "p_k"})
    remarks = plan(datasets=mine, losses={"pfml": {}})
    assert not [remark for remark in remarks if "the recipe has" in remark]
    assert [remark for remark in plan(datasets={"emoji": {}}, losses={"pfml": {}}) if "the recipe has" in remark]
