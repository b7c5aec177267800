"""Plans: what is resolved, what is refused, and that nothing is written after an error."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from suite.config import plan as plan_module
from suite.config.cells import (
    PLAN_FOLDER,
    CellPlan,
    Search,
    cell_plan_path,
    geometry_plan_path,
    published_plan_path,
    read_cell,
    search_plan_path,
)
from suite.config.plan import write_plans
from suite.config.settings import load_settings
from suite.config.tuned import TunedRecipe, save_tuned, tuned_path
from suite.datasets import catalog
from suite.errors import SuiteError
from suite.hashing import sha256_file
from suite.losses.registry import BUILT_IN, load_target
from tests.suite.synthetic import own_loss, write_images

SMALL = {"datasets": {"emoji": {}, "typefaces": {}}, "losses": {"pfml": {}, "triplet": {}}, "seeds": 1}
RECIPE = {
    "embedding_dim": 8,
    "hidden_dim": 0,
    "epochs": 2,
    "classes_per_batch": 2,
    "samples_per_class": 3,
    "learning_rate": 0.001,
    "proxy_learning_rate": 0.01,
    "weight_decay": 0.0001,
}


@pytest.fixture
def plan(workplace, monkeypatch):
    """Write the plans of a small params.yaml with some settings changed; gives the remarks."""
    for name in ("emoji", "typefaces"):
        path = catalog.DATA_FOLDER / f"{name}.parquet"
        write_images(path, classes=10)
        monkeypatch.setitem(catalog.SHA256, name, sha256_file(path))

    def planned(**changes):
        settings = (
            SMALL | {"noise": {"levels": [0, 0.2]}, "tuning": {"trials": 2, "folds": 2}, "recipe": RECIPE} | changes
        )
        Path("params.yaml").write_text(yaml.safe_dump(settings))
        return write_plans(load_settings())

    return planned


def cell(name):
    """The plan before tuning, as plain data."""
    return json.loads((PLAN_FOLDER / "cells" / f"{name}.json").read_text())["plan"]


def written():
    return {path: path.read_bytes() for path in PLAN_FOLDER.rglob("*.json")}


def save_recipe(best, dataset="emoji", loss="pfml", **changes):
    """Write a tuned recipe that fits the present search space and data."""
    values = {
        "data_sha256": catalog.SHA256[dataset],
        "search_space": load_target(loss, BUILT_IN[loss]).search_space,
        "folds": 2,
        "training": {name: value for name, value in RECIPE.items() if "learning_rate" not in name},
        "best_map_at_r": 0.5,
        "best_fold_map_at_r": [0.4, 0.6],
        "trial_quartiles": [0.5, 0.5, 0.5],
        "failed_trials": 0,
        "validation_epoch": 2,
        "seconds": 1.0,
        "trials": [{"values": best, "fold_map_at_r": [0.4, 0.6]}] * 2,
    }
    recipe = TunedRecipe(dataset=dataset, loss=loss, best=best, **values | changes)
    save_tuned(recipe, tuned_path(dataset, loss))


def refused(plan, **changes):
    """The message of refused settings; no plan may be written."""
    with pytest.raises(SuiteError) as caught:
        plan(**changes)
    assert not PLAN_FOLDER.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plan_for_each_data_set_cell_search_and_published_cell(plan):
    plan(published={"triplet": {}})
    assert sorted(path.relative_to(PLAN_FOLDER).as_posix() for path in written()) == [
        "cells/emoji-pfml.json",
        "cells/emoji-triplet.json",
        "cells/typefaces-pfml.json",
        "cells/typefaces-triplet.json",
        "datasets/emoji.json",
        "datasets/typefaces.json",
        "published/emoji-triplet.json",
        "published/typefaces-triplet.json",
        "searches/emoji-pfml.json",
        "searches/emoji-triplet.json",
        "searches/typefaces-pfml.json",
        "searches/typefaces-triplet.json",
    ]
    dataset = json.loads((PLAN_FOLDER / "datasets/emoji.json").read_text())
    assert dataset == {"dataset": "emoji", "data_sha256": catalog.SHA256["emoji"], "max_classes": None}


def test_losses_of_studies_get_searches_and_geometry_but_no_cells(plan):
    plan(
        tuning={"trials": 2, "folds": 2, "also": {"soft_triple": {}}},
        geometry={"losses": {"pfml": {}, "soft_triple": {}}},
    )
    names = {path.relative_to(PLAN_FOLDER).as_posix() for path in written()}
    assert {name for name in names if name.startswith("geometry/")} == {
        f"geometry/{dataset}-{loss}.json" for dataset in ("emoji", "typefaces") for loss in ("pfml", "soft_triple")
    }
    assert "searches/emoji-soft_triple.json" in names
    assert not {name for name in names if name.startswith("cells/") and "soft_triple" in name}


def test_the_geometry_is_planned_at_tuned_values(plan):
    save_recipe({"alpha": 5, "delta": 0.7, "learning_rate": 0.05})
    plan(geometry={"losses": {"pfml": {}}})
    made, search = read_cell(geometry_plan_path("emoji", "pfml"))
    assert (made, search) == read_cell(cell_plan_path("emoji", "pfml"))
    assert (made.hyperparameters, made.recipe.learning_rate) == ({"alpha": 5, "delta": 0.7}, 0.05)
    assert not geometry_plan_path("emoji", "triplet").exists()


def test_a_loss_of_studies_without_a_recipe_is_remarked_with_the_search_for_one(plan):
    also = {"trials": 2, "folds": 2, "also": {"soft_triple": {}}}
    found = plan(datasets={"emoji": {}}, tuning=also, geometry={"losses": {"soft_triple": {}}})
    (named,) = [remark for remark in found if remark.startswith("soft_triple")]
    assert named == (
        "soft_triple on emoji has no tuned recipe and is studied as it is; search one: "
        "dvc repro pipelines/tuning/dvc.yaml:search-also@emoji-soft_triple && suite adopt"
    )


def test_a_stale_recipe_of_a_loss_of_studies_names_its_own_stage(plan):
    save_recipe({}, loss="soft_triple", folds=5)
    also = {"trials": 2, "folds": 2, "also": {"soft_triple": {}}}
    found = plan(datasets={"emoji": {}}, tuning=also, geometry={"losses": {"soft_triple": {}}})
    (stale,) = [remark for remark in found if "is stale" in remark]
    assert stale.endswith("pipelines/tuning/dvc.yaml:search-also@emoji-soft_triple && suite adopt")


def test_an_unknown_loss_of_studies_is_blamed_on_its_setting(plan):
    message = refused(plan, tuning={"trials": 2, "folds": 2, "also": {"magic": {}}})
    assert message.startswith(
        "params.yaml: tuning.also.magic: unknown loss; allowed: pfml, cpml, proxy_anchor, triplet,"
    )


def test_a_plan_holds_all_that_a_run_depends_on(plan, monkeypatch):
    plan(seeds=3, noise={"kind": "small_cluster", "levels": [0]})
    found = cell("emoji-pfml")
    assert found.pop("code_sha256") != found["source_sha256"]
    assert found == {
        "track": "tuned",
        "dataset": "emoji",
        "loss": "pfml",
        "target": "pfml:PotentialFieldLoss",
        "source_sha256": load_target("pfml", BUILT_IN["pfml"]).source_sha256,
        "noise_kind": "small_cluster",
        "seeds": 3,
        "origin": "defaults",
        "hyperparameters": {},
        "recipe": RECIPE,
        "validation_epoch": None,
    }


@pytest.mark.parametrize("part", plan_module.RUN_CODE)
def test_a_plan_changes_with_the_code_that_runs_it(plan, monkeypatch, part):
    """Each part of the code exists, and an edit of it changes the digest; an edit of other code does not."""
    plan(datasets={"emoji": {}}, losses={"pfml": {}})
    before = cell("emoji-pfml")["code_sha256"]
    copy = Path("copy")
    shutil.copytree(Path(plan_module.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(plan_module, "_SUITE", copy)
    (copy / "leaderboard/table.py").write_text("")
    plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert cell("emoji-pfml")["code_sha256"] == before
    file = copy / part if part.endswith(".py") else next((copy / part).glob("*.py"))
    file.write_text(file.read_text() + "# edited\n")
    plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert cell("emoji-pfml")["code_sha256"] != before


def test_plans_read_back_as_they_were_made(plan):
    plan(losses={"pfml": {"params": {"delta": 0.9}}}, published={"pfml": {}})
    for path in (cell_plan_path, search_plan_path, published_plan_path):
        made, search = read_cell(path("emoji", "pfml"))
        assert isinstance(made, CellPlan)
        value = json.loads(path("emoji", "pfml").read_text())
        assert made.as_dict() == value["plan"]
        assert (search is None) == (value["search"] is None) == (path is published_plan_path)


def test_a_missing_plan(workplace):
    with pytest.raises(
        SuiteError, match=r"plan plan/cells/emoji-magic\.json is missing: .* params\.yaml, then run: dvc"
    ):
        read_cell(cell_plan_path("emoji", "magic"))


def test_the_same_settings_give_the_same_bytes(plan):
    plan()
    before = written()
    plan()
    assert written() == before


def test_plans_of_removed_losses_go(plan):
    plan()
    plan(losses={"pfml": {}})
    assert not (PLAN_FOLDER / "cells/emoji-triplet.json").exists()


def test_by_hand_goes_before_tuned_goes_before_default(plan):
    save_recipe({"alpha": 5, "delta": 0.7, "learning_rate": 0.05})
    plan(losses={"pfml": {"params": {"delta": 0.9, "proxy_learning_rate": 0.5}}})
    mine, search = read_cell(cell_plan_path("emoji", "pfml"))
    assert mine.hyperparameters == {"alpha": 5, "delta": 0.9}
    assert (mine.recipe.learning_rate, mine.recipe.proxy_learning_rate) == (0.05, 0.5)
    assert (mine.origin, mine.validation_epoch, search) == ("search", 2, None)
    other, search = read_cell(cell_plan_path("typefaces", "pfml"))
    assert other.hyperparameters == {"delta": 0.9}
    assert (other.recipe.learning_rate, other.recipe.proxy_learning_rate) == (0.001, 0.5)
    assert (other.origin, other.validation_epoch) == ("params.yaml", None)


def test_without_a_recipe_what_is_not_set_by_hand_is_searched(plan):
    by_hand = {"delta": 0.9, "learning_rate": 0.5}
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": {"params": by_hand}}, tuning={"trials": 7, "folds": 3})
    made, search = read_cell(cell_plan_path("emoji", "pfml"))
    declared = load_target("pfml", BUILT_IN["pfml"]).search_space
    assert set(by_hand) < set(declared)
    space = {name: item for name, item in declared.items() if name not in by_hand}
    assert search == Search(space, by_hand, trials=7, folds=3)
    assert made.hyperparameters == {"delta": 0.9}
    assert remarks == ["pfml on emoji has no tuned recipe: 7 trials will search one"]


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ({"search": {}}, "defaults"),
        ({"search": {"delta": {"values": [0.1, 0.2]}}, "params": {"delta": 0.5}}, "params.yaml"),
    ],
)
def test_nothing_to_search(plan, entry, origin):
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": entry})
    for path in (cell_plan_path, search_plan_path):
        made, search = read_cell(path("emoji", "pfml"))
        assert (made.origin, search) == (origin, None)
    assert remarks == ["pfml on emoji has nothing to search and runs as it is"]


def test_a_search_asked_for_by_name_leaves_the_recipe_aside(plan):
    save_recipe({"alpha": 5, "delta": 0.7})
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"params": {"delta": 0.9}}}) == []
    made, search = read_cell(search_plan_path("emoji", "pfml"))
    assert made.hyperparameters == {"delta": 0.9}
    assert made.validation_epoch is None
    assert (search.by_hand, search.trials, search.folds) == ({"delta": 0.9}, 2, 2)
    assert "alpha" in search.space
    assert "delta" not in search.space


def test_a_search_space_of_an_unknown_hyperparameter(plan):
    message = refused(plan, losses={"pfml": {"search": {"marign": {"values": [1]}}}})
    assert message.startswith("search space of pfml: marign is no hyper-parameter of loss pfml; allowed: ")


STALE = "suite/recipes/tuned/emoji/pfml.yaml is stale: {} changed since; renew it with: "
RENEW = "dvc repro pipelines/tuning/dvc.yaml:search@emoji-pfml && suite adopt"


@pytest.mark.parametrize(
    ("recipe", "settings", "what"),
    [
        ({"search_space": {"alpha": {"values": [5, 6]}}}, {}, "the search space has"),
        ({}, {"losses": {"pfml": {"search": {"alpha": {"values": [5, 6]}}}}}, "the search space has"),
        ({"data_sha256": "0" * 64}, {}, "the data have"),
        ({}, {"tuning": {"trials": 3, "folds": 2}}, "tuning.trials has"),
        ({}, {"tuning": {"trials": 2, "folds": 3}}, "tuning.folds has"),
        ({}, {"recipe": RECIPE | {"epochs": 3}}, "the recipe has"),
    ],
)
def test_a_stale_recipe_is_used_and_remarked(plan, recipe, settings, what):
    small = {"datasets": {"emoji": {}}, "losses": {"pfml": {}}}
    save_recipe({"alpha": 5})
    assert plan(**small) == []
    save_recipe({"alpha": 5}, **recipe)
    assert plan(**small | settings) == [STALE.format(what) + RENEW]
    made, search = read_cell(cell_plan_path("emoji", "pfml"))
    assert (made.origin, made.hyperparameters, search) == ("search", {"alpha": 5}, None)


def test_a_recipe_of_all_that_is_declared_now_is_not_stale(plan):
    own = {"alpha": {"values": [5, 6]}}
    save_recipe({"alpha": 5}, search_space=own)
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"search": own}}) == []


def test_a_recipe_searched_beside_values_set_by_hand_is_stale_once_they_are_no_longer(plan):
    by_hand = {"delta": 0.9, "learning_rate": 0.5}
    declared = load_target("pfml", BUILT_IN["pfml"]).search_space
    save_recipe({"alpha": 5}, search_space={name: item for name, item in declared.items() if name not in by_hand})
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"params": by_hand}}) == []
    assert plan(datasets={"emoji": {}}, losses={"pfml": {}}) == [STALE.format("the search space has") + RENEW]


def test_another_general_learning_rate_makes_no_recipe_stale(plan):
    save_recipe({"alpha": 5, "learning_rate": 0.05})
    assert plan(datasets={"emoji": {}}, losses={"pfml": {}}, recipe=RECIPE | {"learning_rate": 0.3}) == []


def test_several_changes_are_each_remarked(plan):
    save_recipe({"alpha": 5}, data_sha256="0" * 64, folds=5)
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert remarks == [STALE.format(what) + RENEW for what in ("the data have", "tuning.folds has")]


def test_published_plans_hold_the_values_of_the_paper(plan):
    save_recipe({"alpha": 5, "delta": 0.7, "learning_rate": 0.05})
    plan(datasets={"emoji": {}}, losses={"pfml": {"params": {"delta": 0.9}}, "triplet": {}}, published={"pfml": {}})
    made, search = read_cell(published_plan_path("emoji", "pfml"))
    assert (made.track, made.origin, made.validation_epoch, search) == ("published", "published", None, None)
    assert made.hyperparameters == {"alpha": 3.0, "delta": 0.2, "proxies_per_class": 2}
    assert (made.recipe.learning_rate, made.recipe.proxy_learning_rate) == (5e-4, 5e-2)
    assert made.recipe.epochs == RECIPE["epochs"]
    assert not published_plan_path("emoji", "triplet").exists()


def test_the_size_of_the_training_classes_decides_which_published_value(plan, monkeypatch):
    path = catalog.DATA_FOLDER / "emoji.parquet"
    write_images(path, classes=10, images=17)
    monkeypatch.setitem(catalog.SHA256, "emoji", sha256_file(path))
    plan_module.training_half.cache_clear()
    plan(published={"pfml": {}})
    proxies = {
        name: read_cell(published_plan_path(name, "pfml"))[0].hyperparameters["proxies_per_class"]
        for name in ("emoji", "typefaces")
    }
    assert proxies == {"emoji": 15, "typefaces": 2}


def test_only_losses_that_declare_values_may_be_published(plan):
    losses = {"cpml": {}, "pfml": {}, "own": {"target": own_loss("return value")}, "triplet": {}}
    message = refused(plan, losses=losses, published={"pfml": {}, "cpml": {}})
    assert message == ("params.yaml: published.cpml: this loss declares no published values; allowed: pfml, triplet")
    message = refused(plan, losses={"own": losses["own"]}, published={"own": {}})
    assert message.endswith("published.own: this loss declares no published values; allowed: none of the losses named")


def test_a_damaged_recipe_is_refused(plan):
    save_recipe({"alpha": 5})
    path = Path("suite/recipes/tuned/emoji/pfml.yaml")
    path.write_text(path.read_text().replace("best:", "bset:"))
    assert "suite/recipes/tuned/emoji/pfml.yaml: best is missing; bset is not a setting; allowed: " in refused(plan)


@pytest.mark.parametrize("name", ["alhpa", "num_classes", "epochs"])
def test_an_unknown_hyperparameter(plan, name):
    message = refused(plan, losses={"pfml": {"params": {name: 1}}})
    assert message.startswith(f"params.yaml: losses.pfml.params: {name} is no hyper-parameter of loss pfml; allowed: ")
    assert "alpha, delta" in message.replace("proxies_per_class, ", "")


def test_an_unknown_hyperparameter_of_a_tuned_recipe(plan):
    save_recipe({"alhpa": 5})
    assert "tuned recipe of pfml on emoji: alhpa is no hyper-parameter" in refused(plan)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": -1}, "alpha = -1: allowed are finite numbers >= 0"),
        ({"alpha": "high"}, "alpha = 'high': allowed are finite numbers >= 0"),
        ({"delta": 0}, "delta = 0: allowed are finite numbers > 0"),
        ({"delta": -0.1}, "delta = -0.1: allowed are finite numbers > 0"),
    ],
)
def test_hyperparameters_that_the_loss_refuses(plan, params, message):
    assert refused(plan, losses={"pfml": {"params": params}}).startswith(f"params.yaml: losses.pfml: {message}")


def test_a_learning_rate_out_of_range(plan):
    message = refused(plan, losses={"pfml": {"params": {"learning_rate": -1}}})
    assert message == "params.yaml: losses.pfml.params.learning_rate = -1; allowed: numbers above 0"


def test_batches_that_the_data_cannot_fill(plan):
    message = refused(plan, recipe=RECIPE | {"classes_per_batch": 6})
    assert message == (
        "params.yaml: recipe.classes_per_batch = 6: emoji has 5 training classes; allowed: 2 to 5, "
        "for this data set alone as datasets.emoji.classes_per_batch"
    )
    message = refused(plan, recipe=RECIPE | {"samples_per_class": 4})
    assert message == (
        "params.yaml: recipe.samples_per_class = 4: the largest training class of emoji has 3 images; allowed: 2 to 3, "
        "for this data set alone as datasets.emoji.samples_per_class"
    )
    message = refused(plan, datasets={"emoji": {"max_classes": 6}}, recipe=RECIPE | {"classes_per_batch": 4})
    assert "emoji has 3 training classes" in message


def test_a_data_set_may_have_batches_of_its_own(plan):
    message = refused(plan, datasets={"emoji": {"classes_per_batch": 6}})
    assert message == "params.yaml: datasets.emoji.classes_per_batch = 6: emoji has 5 training classes; allowed: 2 to 5"
    large = RECIPE | {"classes_per_batch": 9, "samples_per_class": 9}
    plan(recipe=large, datasets={"emoji": {"classes_per_batch": 2, "samples_per_class": 3}})
    found = cell("emoji-pfml")["recipe"]
    assert (found["classes_per_batch"], found["samples_per_class"]) == (2, 3)
    plan(datasets={"emoji": {"samples_per_class": 2}, "typefaces": {}})
    assert [cell(f"{name}-pfml")["recipe"]["samples_per_class"] for name in ("emoji", "typefaces")] == [2, 3]


def test_a_recipe_of_a_data_set_with_batches_of_its_own_is_not_stale(plan):
    mine = {"emoji": {"samples_per_class": 2}}
    training = {name: value for name, value in RECIPE.items() if "learning_rate" not in name}
    save_recipe({}, training=training | {"samples_per_class": 2})
    remarks = plan(datasets=mine, losses={"pfml": {}})
    assert not [remark for remark in remarks if "the recipe has" in remark]
    assert [remark for remark in plan(datasets={"emoji": {}}, losses={"pfml": {}}) if "the recipe has" in remark]


def test_a_search_must_be_able_to_fill_a_batch_with_a_fold_held_out(plan):
    """5 training classes in 2 folds: 2 of them train while 3 are held out."""
    message = refused(plan, recipe=RECIPE | {"classes_per_batch": 3})
    assert message == (
        "params.yaml: recipe.classes_per_batch = 3: a search of pfml with tuning.folds = 2 trains on 2 of 5 training "
        "classes; allowed: 2 to 2, for this data set alone as datasets.emoji.classes_per_batch"
    )
    save_recipe({})
    plan(recipe=RECIPE | {"classes_per_batch": 3}, datasets={"emoji": {}}, losses={"pfml": {}})
    plan(recipe=RECIPE | {"classes_per_batch": 4}, tuning={"trials": 2, "folds": 5})  # 4 of 5 train


def test_classes_that_are_too_few_for_a_search(plan):
    message = refused(plan, datasets={"emoji": {"max_classes": 6}})
    assert message == (
        "params.yaml: datasets.emoji has 3 training classes, too few to search pfml with tuning.folds = 2; "
        "allowed: 4 training classes or more"
    )


def test_unknown_data_set_and_loss(plan):
    message = refused(plan, datasets={"birds": {}})
    assert message == (
        "params.yaml: datasets: unknown data set 'birds'; allowed: emoji, furniture, typefaces, "
        "or an entry of params.yaml with a path"
    )
    message = refused(plan, losses={"magic": {}})
    assert message.startswith("params.yaml: losses.magic: unknown loss; allowed: pfml, cpml, proxy_anchor, triplet,")


def test_altered_data_are_refused(plan):
    path = catalog.DATA_FOLDER / "typefaces.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    assert "data/typefaces.parquet was altered" in refused(plan)


def test_an_error_leaves_old_plans_alone(plan):
    plan()
    before = written()
    with pytest.raises(SuiteError):
        plan(losses={"triplet": {}, "pfml": {"params": {"alhpa": 1}}})
    assert written() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return value * float('nan')", "gave nan; allowed are finite values"),
        ("return value.repeat(2)", "gave a tensor of shape (2,); allowed is a scalar tensor, shape ()"),
        ("return value.item()", "gave float; allowed is a scalar tensor"),
        ("return value.detach()", "does not depend on the embeddings; allowed is a value with a gradient"),
        ("raise KeyError('gamma')", "raised KeyError: 'gamma'"),
        (
            "return (embeddings - embeddings.detach()).norm(dim=1).sqrt().sum()",
            "gave a gradient that is not finite; allowed are finite gradients",
        ),
    ],
)
def test_own_losses_that_do_not_work(plan, body, message):
    where = "params.yaml: losses.own: on a batch of 12 unit embeddings the loss "
    assert refused(plan, losses={"own": {"target": own_loss(body)}}) == where + message


def test_an_own_loss_that_works(plan):
    plan(losses={"own": {"target": own_loss("return value"), "params": {"weight": 2}}})
    assert cell("emoji-own")["hyperparameters"] == {"weight": 2}
    before = cell("emoji-own")["source_sha256"]
    plan(losses={"own": {"target": own_loss("return 2 * value")}})
    assert cell("emoji-own")["source_sha256"] != before


def test_altered_backbone_weights_stop_the_plan(plan, monkeypatch):
    monkeypatch.setattr("suite.features.weights.WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(SuiteError, match=r"backbone weights: .* was altered: its sha256 is .*, allowed is 0000"):
        plan()
    assert not PLAN_FOLDER.exists()
