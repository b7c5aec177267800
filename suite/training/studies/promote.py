"""``suite promote``: copies the outcomes of searches, studies and the grid to files in git.

Searches and studies take long. ``dvc repro`` runs none of them: it reads their outcomes from git. Records of the grid are
there to be judged again without computing them.
"""

from pathlib import Path

from suite.errors import SuiteError
from suite.evaluation.cells import cells_to_keep
from suite.evaluation.records import misplaced, read_records
from suite.files import write_text
from suite.settings.paths import FOLDERS, FROZEN_METRICS, RESULTS_FOLDER, SEARCHES_FOLDER, STUDY_OUTPUTS, TUNED_FOLDER
from suite.settings.plans import PLANS, folder_of, studies_of
from suite.settings.tuned_recipes import load_tuned, save_tuned, tuned_path
from suite.training.studies.ablation import is_left_out


def promote() -> list[Path]:
    """Make the best values of finished searches the recipes in git, and take the records of studies and of the grid.

    Returns:
        What was written.

    Raises:
        SuiteError: there is none, or a recipe or a record is damaged or of another place; nothing is written then.
    """
    folders = [root / name for root in (Path(), *FOLDERS.values()) for name in (TUNED_FOLDER, SEARCHES_FOLDER)]
    found = [path for folder in folders for path in sorted(folder.glob("*/*.yaml"))]
    studies = {
        path: studies_of(regime) / path.relative_to(folder_of(regime) / STUDY_OUTPUTS)
        for regime in PLANS
        for path in sorted((folder_of(regime) / STUDY_OUTPUTS).glob("*/*.jsonl"))
        if not is_left_out(path, regime)
    }
    cells = cells_to_keep()
    metrics = {path: RESULTS_FOLDER / path for path in sorted(Path().glob(FROZEN_METRICS.format(dataset="*")))}
    if not found and not studies and not cells:
        raise SuiteError(
            "there is no finished search, study or run of the grid; run: dvc repro pipelines/tuning/dvc.yaml, "
            "or: dvc repro pipelines/studies/dvc.yaml"
        )
    recipes = [load_tuned(path) for path in found]
    for record in (record for path in studies for record in read_records([path])):
        if wrong := misplaced(record, by_name=True):
            raise SuiteError(f"{record.where}: {wrong}")
    for path in cells:
        read_records([path])
    written = []
    for recipe in recipes:
        written.append(tuned_path(recipe.dataset, recipe.loss, recipe.track, recipe.number, recipe.regime))
        save_tuned(recipe, written[-1])
    for path, place in (studies | cells | metrics).items():
        write_text(place, path.read_text(encoding="utf-8"))
    return [*written, *studies.values(), *cells.values(), *metrics.values()]
