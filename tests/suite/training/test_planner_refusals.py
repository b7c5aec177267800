"""Plans: what is refused, and that nothing is written after an error."""

import errno
import re
from dataclasses import replace
from pathlib import Path

import pytest

from suite.data import catalog
from suite.errors import SuiteError
from suite.files import write_json
from suite.hashing import sha256_file
from suite.settings.params import load_settings
from suite.settings.paths import DATA_FOLDER, PLAN_FOLDER, TIMES_FILE
from suite.settings.plans import Search, plan_path, read_plan_file, tuned_plan_path, write_plan_file
from suite.training.batch_checks import training_half
from suite.training.planner import write_plans
from tests.helpers.synthetic import frozen_plan, own_loss, write_images
from tests.suite.training.planning import RECIPE, planned, refused, save_recipe, written


def test_an_unknown_loss_of_studies_is_blamed_on_its_setting(plan):
    message = refused(plan, tuning={"trials": 2, "folds": 2, "also": {"magic": {}}})
    assert message.startswith(
        "params.yaml: tuning.also.magic: unknown loss; allowed: pfml, cpml, proxy_anchor, triplet,"
    )


def test_a_loss_of_studies_that_fails_is_blamed_on_its_setting(plan):
    also = {"mine": {"target": own_loss("return value.gone")}}
    message = refused(plan, tuning={"trials": 2, "folds": 2, "also": also})
    assert message.startswith(
        "params.yaml: tuning.also.mine: on a batch of 12 unit embeddings the loss raised Attribute"
    )
    Path("my_losses/own.py").unlink()
    message = refused(plan, tuning={"trials": 2, "folds": 2, "also": also})
    assert (
        message == "params.yaml: tuning.also.mine.target = 'my_losses/own.py:Own': file my_losses/own.py does not exist"
    )


def test_a_search_space_of_an_unknown_hyperparameter(plan):
    message = refused(plan, losses={"pfml": {"search": {"marign": {"values": [1]}}}})
    assert message.startswith("params.yaml: losses.pfml.search: marign is no hyper-parameter of loss pfml; allowed: ")


def test_only_losses_that_declare_paper_values_may_run_at_them(plan):
    losses = {"cpml": {}, "pfml": {}, "own": {"target": own_loss("return value")}, "triplet": {}}
    message = refused(plan, losses=losses, paper_values={"pfml": {}, "cpml": {}})
    assert message == ("params.yaml: paper_values.cpml: this loss declares no paper_values; allowed: pfml, triplet")
    message = refused(plan, losses={"own": losses["own"]}, paper_values={"own": {}})
    assert message.endswith("paper_values.own: this loss declares no paper_values; allowed: none of the losses named")


def test_a_damaged_recipe_is_refused(plan):
    save_recipe({"alpha": 5})
    path = Path("recipes/tuned/emoji/pfml-0.yaml")
    path.write_text(path.read_text().replace("best:", "bset:"))
    told = refused(plan).replace("; recipes/tuned/emoji/pfml-0.yaml: ", "; ")
    assert told.startswith("recipes/tuned/emoji/pfml-0.yaml: best is missing; bset is not a setting; allowed: ")


@pytest.mark.parametrize("name", ["alhpa", "num_classes", "epoch"])
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
    assert message == "params.yaml: losses.pfml.params.learning_rate = -1; allowed: numbers above 0, up to 1,000"


def test_batches_that_the_data_cannot_fill(plan):
    message = refused(plan, datasets={"emoji": {}}, recipe=RECIPE | {"classes_per_batch": 6})
    assert message == (
        "params.yaml: recipe.classes_per_batch = 6: emoji has 5 training classes; allowed: 2 to 5, "
        "for this data set alone as datasets.emoji.classes_per_batch in params.yaml"
    )
    message = refused(plan, datasets={"emoji": {}}, recipe=RECIPE | {"samples_per_class": 4})
    assert message == (
        "params.yaml: recipe.samples_per_class = 4: the largest training class of emoji has 3 images; allowed: 2 to 3, "
        "for this data set alone as datasets.emoji.samples_per_class in params.yaml"
    )
    message = refused(plan, datasets={"emoji": {"max_classes": 6}}, recipe=RECIPE | {"classes_per_batch": 4})
    assert "emoji has 3 training classes" in message


def test_a_search_must_be_able_to_fill_a_batch_with_a_fold_held_out(plan):
    """5 training classes in 2 folds: 2 of them train while 3 are held out."""
    message = refused(plan, datasets={"emoji": {}}, recipe=RECIPE | {"classes_per_batch": 3})
    assert message == (
        "params.yaml: recipe.classes_per_batch = 3: a search with tuning.folds = 2 trains on 2 of 5 training "
        "classes; allowed: 2 to 2, for this data set alone as datasets.emoji.classes_per_batch in params.yaml"
    )
    save_recipe({})
    plan(recipe=RECIPE | {"classes_per_batch": 3}, datasets={"emoji": {}}, losses={"pfml": {}})


def test_a_loss_must_do_with_the_classes_that_are_left_while_a_fold_is_held_out(plan):
    """5 training classes in 2 folds: 2 of them train while 3 are held out."""
    target = own_loss("return embeddings.square().sum() * torch.unique(labels).numel() + self.weight * 0")
    path = Path("my_losses/own.py")
    text = path.read_text().replace("weight: float = 1.0", "num_classes: int, weight: float = 1.0")
    refusal = 'if num_classes < 3: raise ValueError(f"needs 3 classes, got {num_classes}")'
    path.write_text(text.replace("        self.weight = weight", f"        {refusal}\n        self.weight = weight"))
    settings = {
        "datasets": {"emoji": {}},
        "losses": {"own": {"target": target, "search": {"weight": {"low": 1, "high": 2}}}},
        "recipe": RECIPE | {"classes_per_batch": 2},
    }
    assert refused(plan, **settings) == (
        "params.yaml: losses.own: needs 3 classes, got 2; a search with params.yaml: tuning.folds = 2 trains on 2 of 5 "
        "training classes; allowed: a loss for 2 classes, or more training classes"
    )
    path.write_text(text)
    plan(**settings)


def test_classes_that_are_too_few_for_a_search(plan):
    message = refused(plan, datasets={"emoji": {"max_classes": 6}})
    assert message == (
        "params.yaml: datasets.emoji: too few classes for a search: emoji has 3 training classes, and a fold needs 2 with "
        "two images or more: with one alone every neighbour is right; allowed: 4 training classes or more, or a tuned "
        "recipe in git"
    )
    save_recipe({}, loss="pfml")
    plan(datasets={"emoji": {"max_classes": 6}}, losses={"pfml": {}})


@pytest.mark.parametrize(("alone", "folds"), [((), 3), ((0, 1, 2, 3), 2)])
def test_folds_in_which_there_is_nothing_to_choose_by(plan, monkeypatch, alone, folds):
    """A fold of one class, where every neighbour is right, and one whose classes have an image each."""
    path = DATA_FOLDER / "emoji.parquet"
    write_images(path, classes=10, images=3, alone=alone)
    monkeypatch.setitem(catalog.EMBEDDED, "emoji", catalog.EmbeddedDataset(sha256_file(path), ""))
    training_half.cache_clear()
    message = refused(plan, datasets={"emoji": {}}, tuning={"trials": 2, "folds": folds})
    assert "emoji has 5 training classes, and a fold needs 2 with two images or more" in message
    assert message.endswith("tuned recipe in git" if alone else "allowed: 2")


def test_all_problems_are_told_at_once_each_in_a_line(plan):
    """Of two data sets, two losses, a study and the noise; what follows from a problem is not told besides."""
    with pytest.raises(SuiteError) as caught:
        plan(
            datasets={"emojis": {}, "birds": {"path": "photos"}, "emoji": {}, "typefaces": {"classes_per_batch": 9}},
            losses={
                "own": {"target": "gone.py:Own"},
                "magic": {},
                "cpml": {},
                "triplet": {"params": {"speed": 1}, "search": {"margni": {"low": 0, "high": 1}}},
                "bad": {"target": own_loss("1 / 0")},
            },
            paper_values={"cpml": {}},
            tuning={"trials": 2, "folds": 2, "also": {"wizard": {}}},
        )
    found = {text.removeprefix("params.yaml: ").partition(":")[0].partition(" =")[0] for text in caught.value.args}
    assert found == {
        "datasets",
        "datasets.birds.path",
        "datasets.typefaces.classes_per_batch",
        "losses.own.target",
        "losses.magic",
        "losses.triplet.params",
        "losses.triplet.search",
        "losses.bad",
        "paper_values.cpml",
        "tuning.also.wizard",
    }
    assert len(caught.value.args) == len(found)
    assert not PLAN_FOLDER.exists()


def test_unknown_data_set_and_loss(plan):
    message = refused(plan, datasets={"birds": {}})
    assert message == (
        "params.yaml: datasets: unknown data set 'birds'; allowed: emoji, furniture, typefaces, "
        "or an entry of params.yaml with a path"
    )
    message = refused(plan, losses={"magic": {}})
    assert message.startswith("params.yaml: losses.magic: unknown loss; allowed: pfml, cpml, proxy_anchor, triplet,")


def test_altered_data_are_refused(plan):
    path = DATA_FOLDER / "typefaces.parquet"
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
        ("raise KeyError('gamma')", "raised KeyError: 'gamma' (own.py, line 18)"),
        ("raise SystemExit(0)", "raised SystemExit: 0 (own.py, line 18)"),
        ("return (value * 1j).sum()", "gave a tensor of type torch.complex64; allowed are real numbers"),
        (
            "self.late = nn.Parameter(torch.ones(()))\nreturn value * self.late",
            "made a parameter in forward, which is never trained; make it in the constructor",
        ),
        (
            "return (embeddings - embeddings.detach()).norm(dim=1).sqrt().sum()",
            "gave a gradient that is not finite; allowed are finite gradients",
        ),
    ],
)
def test_losses_of_a_user_that_do_not_work(plan, body, message):
    where = "params.yaml: losses.own: on a batch of 12 unit embeddings the loss "
    assert refused(plan, losses={"own": {"target": own_loss(body)}}) == where + message


def test_a_loss_of_a_user_that_works(plan):
    plan(losses={"own": {"target": own_loss("return value"), "params": {"weight": 2}}})
    assert planned("emoji-own")["hyperparameters"] == {"weight": 2}
    before = planned("emoji-own")["loss_sha256"]
    plan(losses={"own": {"target": own_loss("return 2 * value")}})
    assert planned("emoji-own")["loss_sha256"] != before


def test_altered_backbone_weights_stop_the_plan(plan, monkeypatch):
    monkeypatch.setattr("suite.training.backbone.WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(SuiteError, match=r"backbone weights: .* was altered: its sha256 is .*, expected is 0000"):
        plan()
    assert not PLAN_FOLDER.exists()


def test_a_loss_that_changes_the_folder_changes_nothing_else(plan):
    plan(losses={"own": {"target": own_loss("import os\nos.chdir('/')\nreturn value")}})
    assert planned("emoji-own")["loss"] == "own"


@pytest.mark.parametrize("error", ["raise RuntimeError('no')", "raise SystemExit(0)", "1 / 0"])
def test_a_constructor_that_raises_anything(plan, error):
    target = own_loss("return value")
    file = Path(target.partition(":")[0])
    file.write_text(file.read_text().replace("        self.weight = weight\n", f"        {error}\n"))
    assert "params.yaml: losses.own: the constructor raised " in refused(plan, losses={"own": {"target": target}})


def test_noise_that_leaves_too_few_classes_with_images(plan):
    """5 classes of 3 images: where 4 of 5 classes dissolve, one is left."""
    message = refused(plan, noise={"kind": "small_cluster", "levels": [0, 0.8]})
    assert message == (
        "params.yaml: noise: with small_cluster noise of 0.8 only 1 of 5 classes have images (seed 0), and a batch needs 2; "
        "allowed: less noise, or more classes"
    )


def test_noise_that_leaves_a_search_too_few_classes(plan):
    """5 classes in 2 folds: 3 or 2 train, and under noise of 0.75 of the classes 1 of them is left."""
    tuning = {"trials": 2, "folds": 2, "tracks": ["tuned_under_noise"], "noise": 0.75}
    message = refused(plan, datasets={"emoji": {}}, noise={"kind": "small_cluster", "levels": [0, 0.2]}, tuning=tuning)
    assert message == (
        "params.yaml: noise: with small_cluster noise of 0.75 a search trains on 1 classes, and a batch needs 2; "
        "allowed: less noise, or more classes"
    )


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            {"alpha": {"low": -3.0, "high": 1.0}},
            "params.yaml: losses.pfml.search.alpha = -3.0: params.yaml: losses.pfml",
        ),
        ({"alpha": {"values": [1, "steep"]}}, "params.yaml: losses.pfml.search.alpha = 'steep': "),
        ({"proxies_per_class": {"low": 1, "high": 10**7}}, "its parameters take 1,600,000,000 bytes; allowed: up to"),
    ],
)
def test_a_search_space_that_the_loss_refuses(plan, search, message):
    assert message in refused(plan, losses={"pfml": {"search": search}})


def test_values_that_fit_together_alone_are_no_fault_of_a_search_space(plan):
    """The radius of repulsion may not be below that of attraction, whose default it is."""
    plan(
        losses={"pfml": {"search": {"delta": {"low": 0.1, "high": 1.5}, "delta_repulsion": {"low": 1.6, "high": 1.9}}}}
    )


def test_a_loss_that_would_fill_the_memory(plan):
    message = refused(plan, losses={"pfml": {"params": {"proxies_per_class": 10**7}}})
    assert message.startswith(
        "params.yaml: losses.pfml: proxies_per_class = 10000000: its parameters take 1,600,000,000"
    )


def test_a_plan_that_cannot_be_written_leaves_the_old_ones(plan, monkeypatch):
    plan()
    before, count = written(), 0

    def full(path, planned):
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")

    monkeypatch.setattr("suite.training.plan_files.write_plan_file", full)
    with pytest.raises(OSError, match="No space left"):
        plan(seeds=2)
    assert written() == before
    assert not list(Path().glob(".plan*"))


def test_what_is_no_plan_stays_in_the_folder_of_plans(plan):
    plan()
    for name in ("plan/mine.txt", "plan/tuned/mine.txt", "plan/mine/x.json"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("mine")
    plan(losses={"pfml": {}})
    assert [Path(name).read_text() for name in ("plan/mine.txt", "plan/tuned/mine.txt", "plan/mine/x.json")] == [
        "mine"
    ] * 3
    assert not Path("plan/tuned/emoji-triplet.json").exists()


def test_more_classes_than_there_are_is_remarked(plan):
    remarks = plan(datasets={"emoji": {"max_classes": 99999}}, losses={"pfml": {}})
    assert remarks[0] == (
        "params.yaml: datasets.emoji.max_classes = 99999: it has no more than 5 training classes, so all are kept"
    )
    assert not [remark for remark in plan(datasets={"emoji": {"max_classes": 10}}) if "max_classes" in remark]


def test_what_a_study_names_outside_the_grid_is_remarked(plan):
    remarks = plan(losses={"pfml": {}}, ablation={"furniture": {"alpha": [1]}}, paper_values={"triplet": {}})
    assert [remark.partition(" is left out")[0] for remark in remarks[:2]] == [
        "params.yaml: paper_values.triplet",
        "params.yaml: ablation.furniture",
    ]


def test_the_cost_is_told(plan, monkeypatch):
    plan(seeds=3)
    *_, cost = write_plans(load_settings())
    told = "planned: 24 runs, after 24 trainings of searches; those in the run cache are not run again; "
    assert re.fullmatch(f"{told}\\d+ at a time, about 0 MB each besides what the loss keeps", cost)
    Path("results").mkdir()
    TIMES_FILE.write_text("name,dataset,loss,runs,seconds,mean_seconds\nfeatures,emoji,,1,9,9\nx,emoji,pfml,2,40,20\n")
    monkeypatch.setenv("SUITE_WORKERS", "4")
    *_, cost = write_plans(load_settings())
    assert "4 at a time, about 0 MB" in cost
    # 24 runs and 4 searches of 2 trials and a last training on 2 folds, of 20 s each, four at a time
    assert "; all about 4 min (16 min in one process) by results/times.csv, which may be" in cost
    monkeypatch.setenv("SUITE_WORKERS", "1")
    assert (
        "1 at a time, about 0 MB each besides what the loss keeps; all about 16 min by"
        in write_plans(load_settings())[-1]
    )
    TIMES_FILE.write_text("name,dataset\n\xff")
    assert "all about" not in write_plans(load_settings())[-1]


def test_a_head_that_would_fill_the_memory_is_refused(plan):
    message = refused(
        plan, recipe=RECIPE | {"hidden_dim": 65_536, "embedding_dim": 65_536}, losses={"pfml": {"search": {}}}
    )
    assert re.fullmatch(
        r"params\.yaml: recipe: with hidden_dim 65536 and embedding_dim 65536 a run on emoji takes about [\d.]+ GB; "
        r"allowed: what fits into the [\d.,]+ GB of this machine",
        message,
    )


@pytest.mark.parametrize("where", ["outside", "project"])
def test_a_module_whose_edits_nobody_would_notice_is_refused(plan, tmp_path_factory, monkeypatch, where):
    folder = tmp_path_factory.mktemp("lib") if where == "outside" else Path.cwd()
    (folder / "lib_of_mine.py").write_text(Path(own_loss("return value").partition(":")[0]).read_text())
    monkeypatch.syspath_prepend(str(folder))
    message = refused(plan, losses={"own": {"target": "lib_of_mine:Own"}})
    assert (
        "lib_of_mine.py is not installed, so that an edit of it would go unnoticed; allowed: a module of an" in message
    )


def test_folds_that_a_study_will_refuse_are_remarked(plan):
    studies = {
        "crossed": {"values": {"alpha": [0]}, "folds": 3},
        "splits": {"losses": {"pfml": {}}, "folds": 2},
    }
    remarks = plan(**studies)
    told = (
        "suite crossed will refuse this: params.yaml: crossed.folds = 3: {} has 5 training classes, and a fold needs 2 with "
        "two images or more: with one alone every neighbour is right; allowed: 2"
    )
    assert [remark for remark in remarks if "refuse" in remark] == [told.format("emoji"), told.format("typefaces")]
    unset = {"crossed": {"folds": 3}, "splits": {"losses": {"magic": {}}, "folds": 50}}
    assert not [remark for remark in plan(**unset) if "refuse" in remark]


def test_losses_without_proxies_have_no_geometry_to_study(plan):
    assert refused(plan, geometry={"losses": {"triplet": {}}}, losses={"triplet": {}}).startswith(
        "params.yaml: geometry.losses.triplet: proxies_per_class is no hyper-parameter of loss triplet; allowed: margin"
    )
    target = own_loss("return value")
    path = Path(target.partition(":")[0])
    path.write_text(path.read_text().replace("weight: float = 1.0", "weight: float = 1.0, proxies_per_class: int = 1"))
    message = refused(plan, geometry={"losses": {"own": {}}}, losses={"own": {"target": target}})
    assert message == (
        "params.yaml: geometry.losses.own: this loss has no attribute proxies, proxy_labels; "
        "allowed: losses with proxies and proxy_labels"
    )


@pytest.mark.parametrize(
    "typed", [("ablation", "emoji", "alpha"), ("crossed", "emoji", "alpha"), ("geometry", "emoji", "pfml")]
)
def test_tuning_tracks_without_tuned(plan, command, typed):
    plan(
        tuning={"trials": 2, "folds": 2, "tracks": ["tuned_under_noise"]},
        ablation={"emoji": {"alpha": [1]}},
        crossed={"values": {"alpha": [1]}},
        geometry={"losses": {"pfml": {}}},
    )
    planned = read_plan_file(plan_path("tuned", "emoji", "pfml"))
    complete = [(replace(plan, search=search.number), None) for plan, search in planned]
    write_plan_file(tuned_plan_path("emoji", "pfml"), complete)
    status, _, err = command(*typed)
    assert status == 2
    assert err.startswith(
        "error: params.yaml: tuning.tracks has no tuned, which this study begins with; allowed: tuned"
    )


def test_tracks_under_noise_and_no_noise(plan):
    message = refused(plan, tuning={"trials": 2, "folds": 2, "tracks": ["tuned_under_noise"]}, noise={"levels": [0]})
    assert message.startswith("params.yaml: tuning.tracks has tracks under noise alone, and noise.levels has no noise")


def test_a_study_of_tracks_that_a_loss_does_not_have(plan):
    also = {"loss": {"target": own_loss("return value")}}  # no search space
    tuning = {"trials": 2, "folds": 2, "tracks": ["tuned", "tuned_under_noise"], "also": also}
    told = (
        " = tuned_under_noise: loss has none of these on emoji, as it has no search space, or noise.levels no noise; "
        "allowed: tuned"
    )
    for extended, setting in (
        ({"losses": {"loss": {}}, "tracks": ["tuned_under_noise"]}, "extended.tracks"),
        ({"losses": {"loss": {"tracks": ["tuned_under_noise"]}}}, "extended.losses.loss.tracks"),
    ):
        message = refused(plan, datasets={"emoji": {}}, tuning=tuning, extended=extended)
        assert message == f"params.yaml: {setting}{told}"
    plan(datasets={"emoji": {}}, tuning=tuning, extended={"losses": {"loss": {}}})


def test_a_search_space_of_a_loss_of_studies_is_blamed_on_its_setting(plan):
    for space, told in (
        ({"magic": {"values": [1]}}, "search: magic is no hyper-parameter of loss pfml_constant_force"),
        ({"delta": {"low": -0.5, "high": 0.6}}, "search.delta = -0.5: "),
    ):
        also = {"pfml_constant_force": {"search": space}}
        message = refused(plan, tuning={"trials": 2, "folds": 2, "also": also})
        assert message.startswith(f"params.yaml: tuning.also.pfml_constant_force.{told}")


def test_a_hyperparameter_of_a_loss_of_studies_is_blamed_on_its_setting(plan):
    also = {"soft_triple": {"params": {"x": 1}}}
    message = refused(plan, tuning={"trials": 2, "folds": 2, "also": also})
    assert message.startswith(
        "params.yaml: tuning.also.soft_triple.params: x is no hyper-parameter of loss soft_triple"
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seeds": "3"}, "seeds = '3' cannot be"),
        ({"seeds": -1}, "seeds = -1 cannot be"),
        ({"seeds": True}, "seeds = True cannot be"),
        ({"noise_levels": "0"}, "noise_levels = '0' cannot be"),
        ({"noise_levels": []}, "noise_levels cannot be"),
        ({"noise_levels": [5]}, "noise_levels.0 = 5 cannot be"),
        ({"hyperparameters": [1]}, "hyperparameters cannot be"),
        ({"recipe": {}}, "recipe.embedding_dim is missing"),
        ({"track": "x"}, "track = 'x' cannot be"),
        ({"split": -4}, "split = -4 cannot be"),
        ({"validation_epoch": "x"}, "validation_epoch = 'x' cannot be"),
        ({"more": 1}, "more = 1 cannot be"),
        ({"loss": "triplet"}, "it is of triplet on emoji"),
        ({"dataset": "cub"}, "it is of pfml on cub"),
    ],
)
def test_a_plan_that_was_damaged(workplace, changed, told):
    made = frozen_plan("pfml", "pfml:PotentialFieldLoss")
    path = plan_path("tuned", "emoji", "pfml")
    write_plan_file(path, [(made, None)])
    assert read_plan_file(path) == [(made, None)]
    write_json(path, [{"plan": made.as_dict() | changed, "search": None}])
    with pytest.raises(SuiteError, match=re.escape(f"plan {path} is damaged: {told}; delete it, then run: dvc repro")):
        read_plan_file(path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"space": {}}, "space cannot be"),
        ({"trials": "x"}, "trials = 'x' cannot be"),
        ({"trials": 0}, "trials = 0 cannot be"),
        ({"folds": 1}, "folds = 1 cannot be"),
        ({"noise": 2}, "noise = 2 cannot be"),
        ({"number": "x"}, "number = 'x' cannot be"),
        ({"by_hand": [1]}, "by_hand cannot be"),
    ],
)
def test_a_plan_of_a_search_that_was_damaged(workplace, changed, told):
    search = Search({"alpha": {"values": [1]}}, {}, 2, 2)
    path = plan_path("searches", "emoji", "pfml")
    plain = frozen_plan("pfml", "pfml:PotentialFieldLoss").as_dict()
    write_json(path, [{"plan": plain, "search": search.as_dict()}])
    assert read_plan_file(path)[0][1] == search
    write_json(path, [{"plan": plain, "search": search.as_dict() | changed}])
    with pytest.raises(SuiteError, match=re.escape(f"plan {path} is damaged: {told}; delete it")):
        read_plan_file(path)
