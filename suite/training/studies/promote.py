"""From what was asked for by name to files that git keeps: tuned recipes, and records of studies.

Searches and studies take long, so a plain ``dvc repro`` runs none of them and takes their outcomes as they stand in git.
"""

from pathlib import Path

from suite.settings.plans import TUNED_FOLDER
from suite.settings.tuned_recipes import load_tuned, save_tuned, tuned_path
from suite.errors import SuiteError
from suite.files import write_text
from suite.settings.folders import ABLATIONS_FOLDER, GEOMETRY_FOLDER, PUBLISHED_FOLDER, STUDIES_FOLDER
from suite.training.tuning.resolve import FOUND_FILE, SEARCHES_FOLDER


def adopt() -> list[Path]:
    """Take finished searches into ``recipes/tuned`` and finished studies into ``studies/``; gives what was written.

    Raises:
        SuiteError: there is none, or a recipe is damaged; nothing is written then.
    """
    found = [*sorted(TUNED_FOLDER.glob(f"*/{FOUND_FILE}")), *sorted(SEARCHES_FOLDER.glob("*.yaml"))]
    folders = (PUBLISHED_FOLDER, ABLATIONS_FOLDER, GEOMETRY_FOLDER)
    studies = [path for folder in folders for path in sorted(folder.glob("*.jsonl"))]
    if not found and not studies:
        raise SuiteError(
            "there is no finished search or study; run: dvc repro pipelines/tuning/dvc.yaml, "
            "or: dvc repro pipelines/studies/dvc.yaml"
        )
    recipes = [load_tuned(path) for path in found]
    written = []
    for recipe in recipes:
        written.append(tuned_path(recipe.dataset, recipe.loss))
        save_tuned(recipe, written[-1])
    for path in studies:
        written.append(STUDIES_FOLDER / path)
        write_text(written[-1], path.read_text(encoding="utf-8"))
    return written
