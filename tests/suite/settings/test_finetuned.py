"""How the network learns: what a data set has of its own, and which losses are run besides those of the grid."""

import re
from pathlib import Path

import pytest
import yaml

from suite.errors import SuiteError
from suite.settings.finetuned import load_finetuned
from suite.settings.params import load_settings
from suite.settings.paths import FINETUNED_FILE
from tests.helpers.paths import ROOT


def changed(**sections):
    """The file of the pipeline with other sections."""
    values = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())
    FINETUNED_FILE.parent.mkdir(parents=True, exist_ok=True)
    FINETUNED_FILE.write_text(yaml.safe_dump(values | sections))
    return load_finetuned()


def written(**datasets):
    """The file of the pipeline with entries of data sets."""
    return changed(datasets=datasets)


def test_a_data_set_has_its_own_values_and_the_rest_of_the_recipe(workplace):
    settings = written(emoji={"epochs": 3, "flip": True}).within(load_settings(ROOT / "params.yaml"))
    mine, other = settings.recipe_of("emoji"), settings.recipe_of("furniture")
    assert (mine.epochs, mine.flip, other.epochs, other.flip) == (3, True, settings.recipe.epochs, False)
    assert mine.model_copy(update={"epochs": other.epochs, "flip": False}) == other


@pytest.mark.parametrize("epochs", [0, 1.5, 10_001])
def test_epochs_of_a_data_set_have_the_range_of_the_recipes(workplace, epochs):
    with pytest.raises(SuiteError, match=r"pipelines/finetuned/params\.yaml: datasets\.emoji\.epochs = "):
        written(emoji={"epochs": epochs})


def test_further_losses_are_those_that_studies_of_the_regime_name(workplace):
    whole = load_settings(ROOT / "params.yaml")
    mine = changed(
        extended={"losses": {"smooth_ap": {}}}, geometry={"datasets": {"emoji": {}}, "losses": {"soft_triple": {}}}
    ).within(whole)
    assert list(mine.tuning.also) == ["soft_triple", "smooth_ap"]
    assert mine.tuning.also["smooth_ap"] == whole.tuning.also["smooth_ap"]
    assert mine.tuning.folds == load_finetuned().tuning.folds != whole.tuning.folds


def test_a_loss_of_the_grid_is_no_further_one(workplace):
    tuning = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())["tuning"]
    mine = changed(tuning=tuning | {"also": {"pfml": {"params": {"alpha": 9}}}})
    with pytest.raises(
        SuiteError, match=r"finetuned/params\.yaml: tuning\.also\.pfml is under losses of params\.yaml as well"
    ):
        mine.within(load_settings(ROOT / "params.yaml"))


def test_a_loss_that_params_yaml_does_not_have_is_told(workplace):
    mine = changed(extended={"losses": {"prsim": {}}}).within(load_settings(ROOT / "params.yaml"))
    start = (
        f"{FINETUNED_FILE}: extended.losses.prsim is left out: it is not under losses or tuning.also; allowed: pfml, "
    )
    assert [line for line in mine.unused if line.startswith(start)]


@pytest.mark.parametrize("extended", [{"tracks": ["noisy"]}, {"losses": {"smooth_ap": {"tracks": ["noisy"]}}}])
def test_a_track_that_the_regime_does_not_search_is_refused(workplace, extended):
    with pytest.raises(
        SuiteError, match=r"finetuned/params\.yaml: extended\.\S*tracks: noisy is not searched; allowed: tun"
    ):
        changed(extended=extended)


@pytest.mark.parametrize(
    ("sections", "place", "epochs"),
    [
        ({}, "recipe.epochs", 3),
        ({"datasets": {"emoji": {"epochs": 2}}}, "datasets.emoji.epochs", 2),
        ({"tuning": {"space": {"epochs": {"values": [9, 2]}}}}, "tuning.space.epochs: 2", 2),
        ({"tuning": {"space": {"epochs": {"low": 1, "high": 9}}}}, "tuning.space.epochs: 1", 1),
    ],
)
def test_a_warm_up_that_leaves_no_epoch_in_which_blocks_learn_is_refused(workplace, sections, place, epochs):
    shipped = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())
    sections = {name: shipped[name] | section for name, section in sections.items()}
    recipe = shipped["recipe"] | {"epochs": 3, "warm_up_epochs": 3}
    others = {"datasets": {}} | sections
    line = f"recipe.warm_up_epochs = 3: no block would learn in the {epochs} epochs of {place}; "
    with pytest.raises(SuiteError, match=re.escape(f"{line}allowed: 0 to {epochs - 1}")):
        changed(recipe=recipe | {"epochs": 3 if place == "recipe.epochs" else 9}, **others)
    assert changed(recipe=recipe | {"epochs": 9, "warm_up_epochs": 0}, **others).recipe.warm_up_epochs == 0


def test_epochs_that_are_no_search_space_are_left_to_the_reader_of_spaces(workplace):
    tuning = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())["tuning"]
    odd = {"epochs": {"values": 3}}
    assert changed(tuning=tuning | {"space": odd}).tuning.space == odd


def test_losses_of_the_file_of_the_regime_are_named_by_it(workplace):
    tuning = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())["tuning"]
    whole = load_settings(ROOT / "params.yaml")
    mine = changed(tuning=tuning | {"also": {"own": {"params": {"alpha": 9}}}}).within(whole)
    assert (mine.place_of("own"), mine.file_of("own")) == ("tuning.also", FINETUNED_FILE)
    assert (mine.place_of("smooth_ap"), mine.file_of("smooth_ap")) == ("tuning.also", Path("params.yaml"))
    alike = changed(tuning=tuning | {"also": {"PFML": {}}})
    with pytest.raises(SuiteError, match=r"finetuned/params\.yaml: tuning\.also: pfml, PFML differ in case alone"):
        alike.within(whole)


def test_a_study_of_geometry_names_its_data_sets(workplace):
    with pytest.raises(
        SuiteError, match=r"finetuned/params\.yaml: geometry: datasets names none, and losses are named; allowed"
    ):
        changed(geometry={"losses": {"pfml": {}}})
    mine = changed(geometry={"losses": {"pfml": {}}, "datasets": {"emoji": {}, "birds": {}}})
    (told,) = mine.unused(load_settings(ROOT / "params.yaml"))
    assert told.startswith(
        f"{FINETUNED_FILE}: geometry.datasets.birds is left out: it is not under datasets in params.yaml"
    )


def test_the_study_of_geometry_may_have_a_rate_of_the_blocks_of_its_own(workplace):
    def study(**datasets):
        return changed(geometry={"losses": {"pfml": {}}, "datasets": datasets}).geometry

    found = study(emoji={"backbone_rate": 0}, furniture={}, typefaces=None)  # `typefaces:` with nothing behind it
    assert [found.in_recipe(name) for name in ("emoji", "furniture", "typefaces")] == [{"backbone_rate": 0}, {}, {}]
    assert found.on("typefaces")
    for wrong in (-0.1, 1.5, "fast"):
        with pytest.raises(SuiteError, match=rf"datasets\.emoji\.backbone_rate = '?{wrong}'?; allowed: numbers"):
            study(emoji={"backbone_rate": wrong})
    with pytest.raises(SuiteError, match=r"geometry\.datasets\.emoji\.flip is not a setting; allowed: backbone_rate"):
        study(emoji={"flip": True})
