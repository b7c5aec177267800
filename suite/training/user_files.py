"""What belongs to the user and not to the repository: loss files and data sets that ``params.yaml`` names.

DVC watches files that ``dvc.yaml`` names, and nobody should have to edit that. So the folder ``user/`` says what there is:
``digests.json``, on which the stage ``plan`` depends, and ``stages.yaml``, from which ``dvc.yaml`` takes whether it needs
the stage ``own@files``. That stage renews the digests at the start of each ``dvc repro``, without loading torch. Both files
are in git, and say "nothing" in the repository.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suite.settings.params import PARAMS_FILE, Settings
from suite.data.user import own_datasets, remove_others, renew
from suite.files import write_json, write_text
from suite.losses.source import own_digest, own_files

OWN_FOLDER = Path("user")
WATCHED_FOLDER = Path("my_losses")
"""A folder for loss files that ``dvc.yaml`` names, so that DVC watches it by itself."""
DIGESTS_FILE = OWN_FOLDER / "digests.json"
STAGES_FILE = OWN_FOLDER / "stages.yaml"
_STAGES = """# Written by `suite plan`: [files] where params.yaml names files of your own, which `suite own` then looks at.
own: {}
"""


def update_own(settings: Settings) -> list[str]:
    """Convert own data sets where their sources have changed, and renew the digests of all own files.

    Returns:
        Remarks on the data sets.

    Raises:
        SuiteError: a loss file is missing or no Python, or the images of a data set are not fit for use.
    """
    losses = dict(_own_losses(settings))
    datasets = {name: renew(name, entry) for name, entry in own_datasets(settings).items()}
    remove_others(list(datasets))
    digests: dict[str, Any] = {}
    if losses:
        digests["losses"] = losses
    if datasets:
        digests["datasets"] = {name: data.data_sha256 for name, data in datasets.items()}
    write_json(DIGESTS_FILE, digests)
    write_text(STAGES_FILE, _STAGES.format("[files]" if digests else "[]"))
    return [f"{name}: {remark}" for name, data in datasets.items() for remark in data.remarks]


def _own_losses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Targets in files, with digests; not those that lie in the watched folder with all that they import."""
    watched = WATCHED_FOLDER.resolve()
    for name, entry in settings.losses.items():
        for option, target in (("target", entry.target), ("miner", entry.miner)):
            file = Path(target.rpartition(":")[0]) if target else Path()
            if file.suffix == ".py":
                setting = f"{PARAMS_FILE}: losses.{name}.{option} = {target!r}"
                if any(watched not in found.resolve().parents for found in own_files(file, setting)):
                    yield str(target), own_digest(file, setting)
