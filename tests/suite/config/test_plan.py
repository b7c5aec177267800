"""Plans: what is resolved, what is refused, and that nothing is written after an error."""

import json
from pathlib import Path

import pytest
import yaml

from suite.config.plan import PLAN_FOLDER, write_plans
from suite.config.settings import load_settings
from suite.config.tuned import TunedRecipe, save_tuned
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
    "classes_per_batch": 4,
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
    return json.loads((PLAN_FOLDER / "cells" / f"{name}.json").read_text())


def written():
    return {path: path.read_bytes() for path in PLAN_FOLDER.rglob("*.json")}


def save_recipe(best, dataset="emoji", loss="pfml", **changes):
    """Write a tuned recipe that fits the present search space and data."""
    values = {
        "data_sha256": catalog.SHA256[dataset],
        "search_space": load_target(loss, BUILT_IN[loss]).search_space,
        "folds": 2,
        "best_map_at_r": 0.5,
        "trials": [{"values": best, "map_at_r": 0.5}],
    }
    save_tuned(TunedRecipe(dataset=dataset, loss=loss, best=best, **values | changes))


def refused(plan, **changes):
    """The message of refused settings; no plan may be written."""
    with pytest.raises(SuiteError) as caught:
        plan(**changes)
    assert not PLAN_FOLDER.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plan_for_each_data_set_and_each_cell(plan):
    plan()
    assert sorted(path.relative_to(PLAN_FOLDER).as_posix() for path in written()) == [
        "cells/emoji-pfml.json",
        "cells/emoji-triplet.json",
        "cells/typefaces-pfml.json",
        "cells/typefaces-triplet.json",
        "datasets/emoji.json",
        "datasets/typefaces.json",
    ]
    dataset = json.loads((PLAN_FOLDER / "datasets/emoji.json").read_text())
    assert dataset == {"dataset": "emoji", "data_sha256": catalog.SHA256["emoji"], "max_classes": None}
    assert cell("emoji-pfml") == {
        "dataset": "emoji",
        "loss": "pfml",
        "target": "pfml:PotentialFieldLoss",
        "source_sha256": load_target("pfml", BUILT_IN["pfml"]).source_sha256,
        "hyperparameters": {},
        "tuned": False,
        "recipe": RECIPE,
    }


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
    remarks = plan(losses={"pfml": {"params": {"delta": 0.9, "proxy_learning_rate": 0.5}}})
    mine = cell("emoji-pfml")
    assert mine["hyperparameters"] == {"alpha": 5, "delta": 0.9}
    assert mine["tuned"] is True
    assert (mine["recipe"]["learning_rate"], mine["recipe"]["proxy_learning_rate"]) == (0.05, 0.5)
    other = cell("typefaces-pfml")
    assert other["hyperparameters"] == {"delta": 0.9}
    assert other["tuned"] is False
    assert (other["recipe"]["learning_rate"], other["recipe"]["proxy_learning_rate"]) == (0.001, 0.5)
    assert remarks == ["pfml on typefaces is not tuned and uses its defaults; tune it with: suite tune typefaces pfml"]


def test_a_recipe_of_another_search_space_is_stale(plan):
    save_recipe({"alpha": 5}, search_space={"alpha": {"values": [5, 6]}})
    remarks = plan(datasets={"emoji": {}}, losses={"pfml": {}})
    path = "suite/recipes/tuned/emoji/pfml.yaml"
    assert remarks == [f"{path} is stale: the search space has changed since; renew it with: suite tune emoji pfml"]
    own = {"alpha": {"values": [5, 6]}}
    assert plan(datasets={"emoji": {}}, losses={"pfml": {"search": own}}) == []


def test_a_recipe_of_other_data_is_stale(plan):
    save_recipe({"alpha": 5}, data_sha256="0" * 64)
    (remark,) = plan(datasets={"emoji": {}}, losses={"pfml": {}})
    assert "pfml.yaml is stale: the data have changed since; renew it with: suite tune emoji pfml" in remark


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
    assert message == "params.yaml: recipe.classes_per_batch = 6: emoji has 5 training classes; allowed: 2 to 5"
    message = refused(plan, recipe=RECIPE | {"samples_per_class": 4})
    assert message == (
        "params.yaml: recipe.samples_per_class = 4: the largest training class of emoji has 3 images; allowed: 2 to 3"
    )
    message = refused(plan, datasets={"emoji": {"max_classes": 6}})
    assert "emoji has 3 training classes" in message


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
