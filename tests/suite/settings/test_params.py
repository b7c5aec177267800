"""params.yaml: the repository's own loads; each mistake is one line that names file, setting and what is allowed."""

import re

import pytest
import yaml

from suite.errors import SuiteError
from suite.settings.params import Settings, load_settings
from suite.settings.reading import _models_in
from suite.settings.yaml_files import _Loader, read_yaml
from tests.helpers.paths import ROOT

PARAMS = ROOT / "params.yaml"


def altered(tmp_path, setting, value):
    """A params.yaml with one setting, spelt ``a.b.c``, replaced."""
    params = yaml.safe_load(PARAMS.read_text())
    *parents, last = setting.split("|")
    inner = params
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return path


def refusal(path):
    """The message of a refused settings file, which must be one line that begins with the file's path."""
    with pytest.raises(SuiteError) as caught:
        load_settings(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith((f"{path}", "settings file"))
    return message.removeprefix(f"{path}: ")


def test_own_settings_load():
    settings = load_settings(PARAMS)
    assert list(settings.datasets) == ["emoji", "furniture", "typefaces"]
    assert settings.noise.levels[0] == 0
    assert settings.recipe.epochs >= 1


def test_entries_may_be_empty(tmp_path):
    settings = load_settings(altered(tmp_path, "datasets|emoji", None))
    assert settings.datasets["emoji"].max_classes is None
    settings = load_settings(altered(tmp_path, "losses|pfml", None))
    assert settings.losses["pfml"].params == {}
    settings = load_settings(altered(tmp_path, "tuning|also", {"soft_triple": None}))
    assert settings.tuning.also["soft_triple"].params == {}
    settings = load_settings(altered(tmp_path, "geometry|losses", {"pfml": None}))
    assert list(settings.geometry.losses) == ["pfml"]
    settings = load_settings(altered(tmp_path, "ablation", {"emoji": None}))
    assert settings.ablation["emoji"].alpha == ()


def test_losses_of_studies_are_known_beside_those_of_the_grid(tmp_path):
    also = {"soft_triple": {"params": {"proxies_per_class": 3}}}
    settings = load_settings(altered(tmp_path, "tuning|also", also))
    assert set(settings.all_losses) == {*settings.losses, "soft_triple"}
    assert "soft_triple" not in settings.losses
    assert settings.all_losses["soft_triple"].params == {"proxies_per_class": 3}
    assert [settings.place_of(name) for name in ("soft_triple", "pfml", "own")] == ["tuning.also", "losses", "losses"]


def test_studies_of_losses_that_are_no_longer_tuned(tmp_path):
    notes = load_settings(altered(tmp_path, "tuning|also", {})).unused
    own = load_settings(PARAMS)
    extended = sorted(own.extended.losses.keys() - own.losses.keys())
    assert "smooth_ap" in extended
    assert [note.partition(" is left out: it is not under losses or tuning.also")[0] for note in notes] == [
        *(f"params.yaml: extended.losses.{name}" for name in extended),
        "params.yaml: geometry.losses.soft_triple",
    ]


def test_paper_values_may_be_empty_or_left_out(tmp_path):
    assert load_settings(altered(tmp_path, "paper_values", {})).paper_values == {}
    path = altered(tmp_path, "paper_values", {"pfml": None})
    assert list(load_settings(path).paper_values) == ["pfml"]
    params = yaml.safe_load(path.read_text())
    del params["paper_values"]
    path.write_text(yaml.safe_dump(params))
    assert load_settings(path).paper_values == {}


def test_a_loss_with_paper_values_that_is_none_of_the_losses(tmp_path):
    (note,) = load_settings(altered(tmp_path, "paper_values", {"pfml": {}, "magic": {}})).unused
    assert note.startswith("params.yaml: paper_values.magic is left out: it is not under losses; allowed: cpml, ")


def test_paper_values_are_not_blamed_for_losses_that_are_wrong(tmp_path):
    assert refusal(altered(tmp_path, "losses|pfml", 3)) == "losses.pfml = 3; allowed: a mapping"


@pytest.mark.parametrize(
    ("backbone", "name", "weights"),
    [
        ({}, "tf_efficientnet_lite0", "embedded"),
        ({"name": "resnet50", "weights": "pretrained"}, "resnet50", "pretrained"),
        ({"weights": "my.pth", "sha256": "0" * 64}, "tf_efficientnet_lite0", "my.pth"),
    ],
)
def test_backbones(tmp_path, backbone, name, weights):
    settings = load_settings(altered(tmp_path, "backbone", backbone))
    assert (settings.backbone.name, settings.backbone.weights) == (name, weights)


def test_numbers_may_be_written_with_an_exponent(tmp_path):
    # YAML 1.1 takes 1e-3, without a point, for a string; DVC reads it as a number.
    assert load_settings(altered(tmp_path, "recipe|learning_rate", "1e-3")).recipe.learning_rate == 0.001
    settings = load_settings(altered(tmp_path, "losses|pfml", {"params": {"alpha": "-2E+1", "mode": "1e-x"}}))
    assert settings.losses["pfml"].params == {"alpha": -20.0, "mode": "1e-x"}


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (
            "sedes",
            3,
            "sedes is not a setting; allowed: datasets, losses, paper_values, backbone, noise, seeds, recipe, tuning, abl",
        ),
        (
            "recipe|learning_rat",
            1,
            "recipe.learning_rat is not a setting; allowed: embedding_dim, hidden_dim, epochs, ",
        ),
        ("datasets|emoji", {"max": 9}, "datasets.emoji.max is not a setting; allowed: max_classes"),
        ("losses|pfml", {"parms": {}}, "losses.pfml.parms is not a setting; allowed: target, params, search"),
        ("paper_values", {"pfml": {"alpha": 3}}, "paper_values.pfml.alpha is not a setting; allowed: none"),
        ("paper_values", ["pfml"], "paper_values = ['pfml']; allowed: a mapping"),
        ("noise|kind", 3, "noise.kind = 3; allowed: a string"),
        ("noise|levels", [0.2, 1], "noise.levels.1 = 1; allowed: numbers from 0 to below 1"),
        ("noise|levels", [-0.1], "noise.levels.0 = -0.1; allowed: numbers from 0 to below 1"),
        ("noise|levels", [float("nan")], "noise.levels.0 = nan; allowed: "),
        ("noise|levels", [0.2, 0.2], "noise.levels = [0.2, 0.2]: a value is named twice; allowed: each value once"),
        ("noise|levels", [0.0], "noise.levels = [0.0]: 0.0 becomes part of file names; allowed: 0"),
        ("noise|levels", [1.0], "noise.levels.0 = 1.0; allowed: numbers from 0 to below 1"),
        ("noise|levels", [0.1234567], "0.1234567 becomes part of file names; allowed: 0.123457"),
        ("noise|levels", [], "noise.levels = []; allowed: at least 1 entry"),
        ("noise|levels", 0.2, "noise.levels = 0.2; allowed: a list"),
        ("noise", {"kind": "symmetric"}, "noise.levels is missing"),
        ("tuning|noise", 1, "tuning.noise = 1; allowed: numbers from 0 to below 1"),
        ("seeds", 0, "seeds = 0; allowed: whole numbers from 1 to 1,000"),
        ("seeds", 2.5, "seeds = 2.5; allowed: whole numbers from 1 to 1,000"),
        ("seeds", True, "seeds = True; allowed: whole numbers"),
        ("recipe|learning_rate", 0, "recipe.learning_rate = 0; allowed: numbers above 0, up to 1,000"),
        ("recipe|learning_rate", -1e-3, "recipe.learning_rate = -0.001; allowed: numbers above 0"),
        ("recipe|learning_rate", float("nan"), "recipe.learning_rate = nan; allowed: finite numbers"),
        ("recipe|learning_rate", float("inf"), "recipe.learning_rate = inf; allowed: finite numbers"),
        ("recipe|learning_rate", "fast", "recipe.learning_rate = 'fast'; allowed: numbers"),
        ("recipe|learning_rate", True, "recipe.learning_rate = True; allowed: numbers"),
        ("recipe|samples_per_class", 1, "recipe.samples_per_class = 1; allowed: whole numbers from 2 to 10,000"),
        ("losses", {}, "losses; allowed: at least 1 entry"),
        ("losses", None, "losses = None; allowed: a mapping"),
        ("losses|pfml", 3, "losses.pfml = 3; allowed: a mapping"),
        (
            "losses|pfml",
            {"params": {"alpha": [1]}},
            "losses.pfml.params.alpha = [1]; allowed: a number, a string, true",
        ),
        ("losses|pfml", {"search": {"alpha": 3}}, "losses.pfml.search.alpha = 3; allowed: a mapping"),
        (
            "losses|pfml",
            {"miner_params": {"epsilon": 1}},
            "miner_params needs a miner; add miner: module:Class, or remove miner_params",
        ),
        ("datasets|emoji", {"side": 64}, "side needs a path; add path: FOLDER or TABLE, or remove it"),
        (
            "datasets|birds",
            {"path": "photos", "side": 8},
            "datasets.birds.side = 8; allowed: whole numbers from 32 to 512",
        ),
        (
            "tuning|also",
            {"pfml": {}, "soft_triple": {}},
            "tuning.also.pfml is under losses as well; allowed: losses that the grid does not run",
        ),
        (
            "tuning|also",
            {"soft_triple": {"alpha": 1}},
            "tuning.also.soft_triple.alpha is not a setting; allowed: target, ",
        ),
        ("tuning|held_out", 5, "held_out = 5: there are 4 folds; allowed: 1 to 4"),
        (
            "losses",
            {"pfml": {}, "PFML": {"target": "a.py:A"}},
            "losses: PFML, pfml differ in case alone; allowed: other names",
        ),
        ("tuning|also", {"Pfml": {}}, "losses: pfml, Pfml differ in case alone; allowed: other names"),
        ("tuning|also", ["soft_triple"], "tuning.also = ['soft_triple']; allowed: a mapping"),
        ("geometry|losses", {"pfml": {"alpha": 1}}, "geometry.losses.pfml.alpha is not a setting; allowed: none"),
        ("geometry|proxies_per_class", 0, "geometry.proxies_per_class = 0; allowed: whole numbers from 1 to 1,000"),
        ("seeds", 10**26, "allowed: whole numbers from 1 to 1,000"),
        ("seeds", "3", "seeds = '3'; allowed: whole numbers from 1 to 1,000"),
        ("recipe|embedding_dim", 10**9, "recipe.embedding_dim = 1000000000; allowed: whole numbers from 1 to 65,536"),
        ("noise|levels", [0, "0.2"], "noise.levels.1 = '0.2'; allowed: numbers"),
        ("noise|levels", [1e-9], "1e-09 is below the least level of noise; allowed: 0, or numbers from 0.001"),
        ("ablation|furniture|delta", [2.5], "ablation.furniture.delta.0 = 2.5; allowed: numbers above 0, up to 2"),
        ("recipe|learning_rate", "x" * 10**6, "recipe.learning_rate = 'xxxxxxxxx"),
        (
            "ablation|furniture",
            {"gamma": [1]},
            "ablation.furniture.gamma is not a setting; allowed: proxies_per_class, alpha, delta, repulsion_margin",
        ),
        (
            "ablation|furniture|alpha",
            [1, 1],
            "ablation.furniture.alpha = [1, 1]: a value is named twice; allowed: each value once",
        ),
        ("datasets|emoji", {"max_classes": 2}, "datasets.emoji.max_classes = 2; allowed: whole numbers from 4"),
        ("backbone", {"network": "resnet50"}, "backbone.network is not a setting; allowed: name, weights, sha256"),
        ("backbone", "resnet50", "backbone = 'resnet50'; allowed: a mapping"),
        (
            "backbone",
            {"name": "resnet50"},
            "backbone.weights = 'embedded' are those of tf_efficientnet_lite0; allowed for resnet50: pretrained, or",
        ),
        ("backbone", {"name": "resnet50", "weights": "my.pth"}, "backbone.sha256 is needed with the path of a weight"),
        ("backbone", {"weights": "my.pth"}, "backbone.sha256 is needed with the path of a weight file"),
        (
            "backbone",
            {"sha256": "0" * 64},
            "backbone.sha256 is needed with the path of a weight file, and allowed only",
        ),
        (
            "backbone",
            {"name": "resnet50", "weights": "pretrained", "sha256": "0" * 64},
            "and allowed only there",
        ),
    ],
)
def test_refused(tmp_path, setting, value, message):
    assert message in refusal(altered(tmp_path, setting, value))


def test_no_number_is_without_a_range():
    """Whatever a number sets, there is a value that nobody can mean."""

    def numbers(model, place=""):
        for name, field in model.model_fields.items():
            for inner in _models_in(field.annotation):
                yield from numbers(inner, f"{place}{name}.")
            if any(kind in str(field.annotation) for kind in ("int", "float")) and not _models_in(field.annotation):
                yield f"{place}{name}", field

    found = dict(numbers(Settings))
    assert {"seeds", "recipe.epochs", "noise.levels", "tuning.trials", "ablation.delta"} <= found.keys()
    free = {"losses.params", "losses.miner_params", "losses.wraps.params"}  # a loss's own; the loss is asked
    for place, field in found.items():
        if place not in free and "params" not in place:
            text = f"{field.annotation} {field.metadata}"
            assert "Le(" in text or "Lt(" in text or "le=" in text or "lt=" in text, place


def test_sections_of_studies_may_name_what_is_not_in_the_grid(tmp_path):
    path = altered(tmp_path, "datasets", {"birds": {"path": "photos"}})
    settings = load_settings(path)
    assert settings.unused[0] == ("params.yaml: ablation.emoji is left out: it is not under datasets; allowed: birds")
    assert len(settings.unused) == 3
    (note,) = load_settings(altered(tmp_path, "geometry|losses", {"magic": {}})).unused
    assert note.startswith(
        "params.yaml: geometry.losses.magic is left out: it is not under losses or tuning.also; allowed: "
    )
    assert {*settings.losses, "soft_triple"} <= {*note.partition("allowed: ")[2].split(", ")}


@pytest.mark.parametrize("name", ["a b", "a/b", "../x", "a-b", "1a", "", "ä", "a" * 65])
def test_names_unfit_for_file_names(tmp_path, name):
    message = refusal(altered(tmp_path, f"losses|{name}", {}))
    assert message == f"losses.{name} = {name!r}; allowed: up to 64 letters, digits and _, a letter first"


def test_all_mistakes_are_told_each_in_a_line_of_its_own(tmp_path):
    path = altered(tmp_path, "recipe", {"epochs": 0})
    with pytest.raises(SuiteError) as caught:
        load_settings(path)
    problems = [text.removeprefix(f"{path}: ") for text in caught.value.args]
    rest = ("classes_per_batch", "samples_per_class", "learning_rate", "proxy_learning_rate", "weight_decay")
    assert problems == [
        "recipe.embedding_dim is missing",
        "recipe.hidden_dim is missing",
        "recipe.epochs = 0; allowed: whole numbers from 1 to 10,000",
        *(f"recipe.{name} is missing" for name in rest),
    ]


def test_of_very_many_mistakes_the_first_are_told(tmp_path):
    with pytest.raises(SuiteError) as caught:
        load_settings(altered(tmp_path, "losses", {f"a-{number}": {} for number in range(50)}))
    assert len(caught.value.args) == 21
    assert caught.value.args[-1] == "... and 30 more problems like these"


def test_files_that_are_none(tmp_path):
    path = tmp_path / "params.yaml"
    assert re.search(r"settings file .*params\.yaml is missing; run from the project's root", refusal(path))
    path.write_text("seeds: [1\nlosses: {")
    assert re.search(r"params\.yaml is not valid YAML: line 2, column 7: expected", refusal(path))
    for empty in ("", "# nothing", "[]"):
        path.write_text(empty)
        assert refusal(path).startswith("the file holds no settings; write one a line, NAME: VALUE, of datasets, ")
    path.write_text("seeds: 3\nlosses: {}\nseeds: 5\n")
    assert re.search(r"params\.yaml is not valid YAML: line 3, column 1: seeds stands twice", refusal(path))
    path.write_bytes("losses: {café: {}}".encode("latin-1"))
    assert "is not UTF-8 text" in refusal(path)


def test_text_split_in_c_reads_as_in_python():
    """The slower reader, which tells what is wrong, is the oracle of the faster one."""
    recipe = next((ROOT / "recipes/tuned").glob("*/*.yaml"))
    for path in (
        ROOT / "params.yaml",
        ROOT / "pipelines/finetuned/params.yaml",
        recipe,
        *(ROOT / "claims").glob("*-20.yaml"),
    ):
        assert read_yaml(path) == yaml.load(path.read_text(), _Loader)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "- " * 5_000])
def test_deep_nesting_is_one_line_and_ends_no_process(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SuiteError, match=r"params\.yaml is not valid YAML: .*recursion") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
