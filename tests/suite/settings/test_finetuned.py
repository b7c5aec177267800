"""How the network learns: what a data set has of its own."""

import pytest
import yaml

from suite.errors import SuiteError
from suite.settings.finetuned import load_finetuned
from suite.settings.params import load_settings
from suite.settings.paths import FINETUNED_FILE
from tests.helpers.paths import ROOT


def written(**datasets):
    """The file of the pipeline with entries of data sets."""
    values = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())
    FINETUNED_FILE.parent.mkdir(parents=True, exist_ok=True)
    FINETUNED_FILE.write_text(yaml.safe_dump(values | {"datasets": datasets}))
    return load_finetuned()


def test_a_data_set_has_its_own_values_and_the_rest_of_the_recipe(workplace):
    settings = written(emoji={"epochs": 3, "flip": True}).within(load_settings(ROOT / "params.yaml"))
    mine, other = settings.recipe_of("emoji"), settings.recipe_of("furniture")
    assert (mine.epochs, mine.flip, other.epochs, other.flip) == (3, True, settings.recipe.epochs, False)
    assert mine.model_copy(update={"epochs": other.epochs, "flip": False}) == other


@pytest.mark.parametrize("epochs", [0, 1.5, 10_001])
def test_epochs_of_a_data_set_have_the_range_of_the_recipes(workplace, epochs):
    with pytest.raises(SuiteError, match=r"pipelines/finetuned/params\.yaml: datasets\.emoji\.epochs = "):
        written(emoji={"epochs": epochs})
