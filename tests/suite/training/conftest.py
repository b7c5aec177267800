"""Making plans in a folder with two small data sets."""

from pathlib import Path

import pytest
import yaml

from suite.data import catalog
from suite.hashing import sha256_file
from suite.settings.params import load_settings
from suite.settings.paths import DATA_FOLDER
from suite.training.batch_checks import training_half
from suite.training.planner import write_plans
from tests.helpers.synthetic import write_images
from tests.suite.training.planning import RECIPE, SMALL


@pytest.fixture
def plan(workplace, monkeypatch):
    """Write the plans of a small params.yaml with some settings changed; gives the remarks but the last, on the cost."""
    training_half.cache_clear()
    for name in ("emoji", "typefaces"):
        path = DATA_FOLDER / f"{name}.parquet"
        write_images(path, classes=10)
        monkeypatch.setitem(catalog.EMBEDDED, name, catalog.EmbeddedDataset(sha256_file(path), ""))

    def planned(**changes):
        settings = (
            SMALL | {"noise": {"levels": [0, 0.2]}, "tuning": {"trials": 2, "folds": 2}, "recipe": RECIPE} | changes
        )
        Path("params.yaml").write_text(yaml.safe_dump(settings))
        *remarks, cost = write_plans(load_settings())
        assert cost.startswith("planned: ")
        return remarks

    return planned
