"""From finished searches to the tuned recipes that git keeps."""

from pathlib import Path

from suite.config.cells import TUNED_FOLDER
from suite.config.tuned import load_tuned, save_tuned, tuned_path
from suite.errors import SuiteError
from suite.tuning.settle import FOUND_FILE, SEARCHES_FOLDER


def adopt() -> list[Path]:
    """Make the recipes below ``searches/`` and ``tuned/`` those of ``suite/recipes/tuned``; gives their paths.

    Raises:
        SuiteError: there is none, or one is damaged; nothing is written then.
    """
    found = [*sorted(TUNED_FOLDER.glob(f"*/{FOUND_FILE}")), *sorted(SEARCHES_FOLDER.glob("*.yaml"))]
    if not found:
        raise SuiteError("there is no finished search; run: dvc repro pipelines/tuning/dvc.yaml")
    recipes = [load_tuned(path) for path in found]
    paths = []
    for recipe in recipes:
        paths.append(tuned_path(recipe.dataset, recipe.loss))
        save_tuned(recipe, paths[-1])
    return paths
