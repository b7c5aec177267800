"""Recipes of papers: all load, every value is explained once, and the facts are those of the sources.

Expected values are written here by hand from the tables of the papers and the authors' code, not read from the recipes.
"""

import re

import pytest
import yaml

from suite.errors import SuiteError
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.registry import check_hyperparameters, find_loss
from suite.settings.paper_recipes import PAPER_RECIPES_FOLDER, load_paper_recipe, paper_recipe_names
from suite.settings.params import LossSettings

NAMES = [
    "hist_resnet50",
    "multi_similarity_resnet50",
    "pfml_main_text",
    "pfml_table5",
    "proxy_anchor_bn_inception",
    "proxy_anchor_resnet50",
    "triplet_resnet50",
]

PFML = {
    "backbone.architecture": "resnet50",
    "backbone.pooling": "average",
    "backbone.embedding_dim": 512,
    "optimiser.name": "adam",
    "optimiser.proxy_learning_rate_factor": 100,
    "schedule.unit": "epochs",
    "schedule.length": 200,
    "images.train_resize": 256,
    "images.train_crop": 224,
    "images.test_resize": 256,
    "images.test_crop": 224,
    "loss.name": "pfml",
}
PROXY_ANCHOR = {
    "backbone.embedding_dim": 512,
    "backbone.pooling": "average_plus_max",
    "backbone.head_initialisation": "kaiming_normal_fan_out",
    "optimiser.name": "adamw",
    "optimiser.weight_decay": 1e-4,
    "optimiser.proxy_learning_rate_factor": 100,
    "optimiser.clip_gradient_value": 10,
    "schedule.length": 60,
    "schedule.kind": "step",
    "batches.sampler": "random",
    "batches.drop_last": True,
    "images.train_crop": 224,
    "images.test_resize": 256,
    "images.test_crop": 224,
    "loss.name": "proxy_anchor",
    "loss.hyperparameters.alpha": 32,
    "loss.hyperparameters.margin": 0.1,
}
PROXY_ANCHOR_RESNET = PROXY_ANCHOR | {
    "backbone.architecture": "resnet50",
    "backbone.freeze_batch_norm": "statistics",
    "optimiser.learning_rate": 1e-4,
    "schedule.warm_up_epochs": 5,
    "schedule.gamma": 0.5,
    "batches.size": 120,
}
PROXY_ANCHOR_INCEPTION = PROXY_ANCHOR | {
    "backbone.architecture": "bn_inception",
    "images.pixels": "bgr_255",
    "schedule.warm_up_epochs": 1,
    "batches.size": 180,
}
HIST = {
    "backbone.architecture": "resnet50",
    "backbone.pooling": "average_plus_max",
    "optimiser.name": "adam",
    "schedule.warm_up_epochs": 1,
    "schedule.kind": "step",
    "schedule.gamma": 0.5,
    "batches.sampler": "random",
    "batches.size": 32,
    "loss.name": "hist",
    "loss.hyperparameters.lambda_s": 1.0,
    "loss.hyperparameters.hidden_dim": 512,
}

FACTS = [
    (
        "hist_resnet50",
        "cub",
        HIST
        | {
            "backbone.freeze_batch_norm": "statistics",
            "optimiser.learning_rate": 1.2e-4,
            "optimiser.proxy_learning_rate_factor": pytest.approx(0.1 / 1.2e-4, rel=1e-12),
            "optimiser.weight_decay": 5e-5,
            "schedule.length": 40,
            "schedule.step": 5,
            "loss.hyperparameters.tau": 32,
            "loss.hyperparameters.alpha": 1.1,
            "loss.hyperparameters.network_rate": pytest.approx(5 * 1.2e-4 / 0.1),
        },
    ),
    (
        "hist_resnet50",
        "cars",
        HIST
        | {
            "backbone.freeze_batch_norm": "statistics",
            "optimiser.learning_rate": 1e-4,
            "optimiser.proxy_learning_rate_factor": 1000,
            "optimiser.weight_decay": 1e-4,
            "schedule.length": 50,
            "schedule.step": 10,
            "loss.hyperparameters.tau": 32,
            "loss.hyperparameters.alpha": 0.9,
            "loss.hyperparameters.network_rate": pytest.approx(10 * 1e-4 / 0.1),
        },
    ),
    (
        "hist_resnet50",
        "sop",
        HIST
        | {
            "backbone.freeze_batch_norm": "none",
            "optimiser.learning_rate": 1e-4,
            "optimiser.proxy_learning_rate_factor": 100,
            "optimiser.weight_decay": 1e-4,
            "schedule.length": 60,
            "schedule.step": 10,
            "loss.hyperparameters.tau": 16,
            "loss.hyperparameters.alpha": 2,
            "loss.hyperparameters.network_rate": pytest.approx(10 * 1e-4 / 0.01),
            "evaluation.recall_at": [1, 10, 100, 1000],
        },
    ),
    ("pfml_main_text", "cub", PFML | {"optimiser.learning_rate": 5e-4, "loss.hyperparameters.proxies_per_class": 15}),
    ("pfml_main_text", "cars", PFML | {"optimiser.learning_rate": 5e-4, "loss.hyperparameters.proxies_per_class": 15}),
    ("pfml_main_text", "sop", PFML | {"optimiser.learning_rate": 5e-4, "loss.hyperparameters.proxies_per_class": 2}),
    *(
        (
            "pfml_table5",
            dataset,
            PFML
            | {
                "optimiser.learning_rate": 1e-4,
                "optimiser.weight_decay": decay,
                "batches.size": 100,
                "schedule.warm_up_epochs": 1,
                "backbone.freeze_batch_norm": "statistics_and_affine",
                "loss.hyperparameters.proxies_per_class": 15,
            },
        )
        for dataset, decay in (("cub", 5e-4), ("cars", 1e-4))
    ),
    ("proxy_anchor_resnet50", "cub", PROXY_ANCHOR_RESNET | {"schedule.step": 5}),
    ("proxy_anchor_resnet50", "cars", PROXY_ANCHOR_RESNET | {"schedule.step": 10}),
    *(
        (
            "proxy_anchor_bn_inception",
            dataset,
            PROXY_ANCHOR_INCEPTION
            | {
                "optimiser.learning_rate": rate,
                "schedule.step": step,
                "schedule.gamma": gamma,
                "backbone.freeze_batch_norm": frozen,
            },
        )
        for dataset, rate, step, gamma, frozen in (
            ("cub", 1e-4, 10, 0.5, "statistics"),
            ("cars", 1e-4, 20, 0.5, "statistics"),
            ("sop", 6e-4, 20, 0.25, "none"),
        )
    ),
    (
        "multi_similarity_resnet50",
        "cub",
        {
            "optimiser.name": "adam",
            "optimiser.learning_rate": 3e-5,
            "optimiser.weight_decay": 5e-4,
            "batches.size": 80,
            "batches.samples_per_class": 5,
            "schedule.unit": "iterations",
            "schedule.length": 3000,
            "schedule.step": 1200,
            "images.train_crop": 227,
            "loss.name": "multi_similarity",
            "loss.hyperparameters.alpha": 2,
            "loss.hyperparameters.beta": 40,
            "loss.hyperparameters.base": 0.5,
            "loss.hyperparameters.epsilon": 0.1,
        },
    ),
    (
        "triplet_resnet50",
        "cub",
        {
            "loss.name": "triplet",
            "loss.hyperparameters.margin": 0.1,
            "loss.hyperparameters.squared": False,
            "backbone.freeze_batch_norm": "statistics",
            "optimiser.name": "adamw",
        },
    ),
]


def test_the_recipes_are_these():
    assert paper_recipe_names() == NAMES


@pytest.mark.parametrize(("name", "dataset", "facts"), FACTS)
def test_values_are_those_of_the_sources(name, dataset, facts):
    leaves = load_paper_recipe(name).for_dataset(dataset).leaves()
    assert {setting: leaves[setting] for setting in facts} == facts


@pytest.mark.parametrize("name", NAMES)
def test_what_a_table_says_is_not_called_undisclosed(name):
    recipe = load_paper_recipe(name)
    for other, dataset, facts in FACTS:
        if other == name and dataset in recipe.datasets:
            assert not set(facts) & set(recipe.undisclosed)


def test_the_warm_up_of_hist_that_comes_on_top_in_its_code_is_declared():
    """Its train.py has a loop of its own for it, before that of the epochs and without a step of the scheduler."""
    assert "schedule.warm_up_epochs" in load_paper_recipe("hist_resnet50").departures


def test_what_pfml_leaves_open_is_listed():
    open_in_both = {
        "loss.hyperparameters.alpha",
        "loss.hyperparameters.delta",
        "loss.hyperparameters.scale",
        "loss.hyperparameters.min_distance_ratio",
        "schedule.kind",
        "images.flip",
        "batches.sampler",
        "optimiser.clip_gradient_value",
        "evaluation.epoch",
    }
    for name in ("pfml_main_text", "pfml_table5"):
        assert open_in_both <= set(load_paper_recipe(name).undisclosed)
    only_main_text = set(load_paper_recipe("pfml_main_text").undisclosed) - set(
        load_paper_recipe("pfml_table5").undisclosed
    )
    table_5_only = {"optimiser.weight_decay", "schedule.warm_up_epochs", "batches.size", "backbone.freeze_batch_norm"}
    assert only_main_text == table_5_only


@pytest.mark.parametrize("name", NAMES)
def test_losses_have_the_hyperparameters_and_all_of_them_are_set(name):
    recipe = load_paper_recipe(name)
    for dataset in recipe.datasets:
        loss = recipe.for_dataset(dataset).loss
        entry = find_loss(loss.name, LossSettings())
        check_hyperparameters(entry, loss.hyperparameters, name)
        assert set(loss.hyperparameters) == set(entry.hyperparameter_names()) - set(TRAINING_SETTINGS)
        built = entry.build(loss.hyperparameters, num_classes=3, embedding_dim=8)
        has_proxies = any(True for _ in built.parameters())
        factor = recipe.for_dataset(dataset).optimiser.proxy_learning_rate_factor
        assert has_proxies == (factor is not None)


def test_every_loss_of_the_grid_but_the_control_and_hist_have_a_recipe():
    names = {load_paper_recipe(name).settings.loss.name for name in NAMES}
    assert names == {"pfml", "proxy_anchor", "multi_similarity", "triplet", "hist"}  # cpml's values are not published


def altered(tmp_path, change):
    recipe = yaml.safe_load((PAPER_RECIPES_FOLDER / "pfml_main_text.yaml").read_text())
    change(recipe)
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(SuiteError) as caught:
        load_paper_recipe("odd", tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "odd.yaml: " in message
    return message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r["settings"]["optimiser"].update(momentum=0.9),
            "settings.optimiser.momentum is not a setting; allowed: name",
        ),
        (
            lambda r: r["settings"]["optimiser"].update(name="sgd"),
            "settings.optimiser.name = 'sgd'; allowed: 'adam' or 'adamw'",
        ),
        (lambda r: r["settings"]["optimiser"].pop("name"), "settings.optimiser.name is missing"),
        (
            lambda r: r["settings"]["evaluation"].update(epoch="best"),
            "settings.evaluation.epoch = 'best'; allowed: 'last'",
        ),
        (lambda r: r["settings"]["schedule"].update(kind="step"), "with kind: step, set step and gamma"),
        (lambda r: r["settings"]["batches"].update(size=99), "size 99 is no multiple of samples_per_class 4"),
        (
            lambda r: r["settings"]["batches"].update(samples_per_class=None),
            "set samples_per_class with sampler: balanced",
        ),
        (
            lambda r: r["settings"]["schedule"].update(warm_up_epochs=200),
            "settings.schedule: warm_up_epochs 200: the network would never learn in 200 epochs; allowed: 0 to 199",
        ),
        (
            lambda r: r["settings"]["schedule"].update(warm_up_epochs=2, length=2, unit="iterations"),
            "warm_up_epochs 2: the network would never learn in 2 iterations; allowed: 0 to 1",
        ),
        (
            lambda r: r["settings"]["batches"].update(drop_last=False),
            "settings.batches: drop_last: false does nothing with sampler: balanced, whose batches are full; allowed: true",
        ),
        (
            lambda r: r["sources"].pop("loss.name"),
            "loss.name is explained 0 times by sources, undisclosed and departures",
        ),
        (lambda r: r["sources"].update(schedule="twice"), "schedule.unit is explained 2 times"),
        (
            lambda r: r["undisclosed"].update({"loss.hyperparameters.gamma": "why"}),
            "gamma is explained, but is not a setting",
        ),
        (lambda r: r["datasets"].update(birds={}), "datasets.birds"),
        (
            lambda r: r["datasets"].update(cub={"optimiser.speed": 1}),
            "datasets: optimiser.speed is no setting of this recipe",
        ),
        (lambda r: r["datasets"].update(cub={"optimiser.learning_rate": -1}), "learning_rate"),
    ],
)
def test_mistakes_are_refused_in_one_line(tmp_path, change, message):
    assert message in altered(tmp_path, change)


def test_unknown_recipes_and_data_sets():
    with pytest.raises(SuiteError, match=re.escape(f"no paper recipe 'magic'; allowed: {', '.join(NAMES)}")):
        load_paper_recipe("magic")
    with pytest.raises(SuiteError, match="is not for sop; allowed: cub, cars"):
        load_paper_recipe("pfml_table5").for_dataset("sop")
