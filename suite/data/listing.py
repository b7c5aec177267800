"""What ``suite datasets`` shows."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from suite.data.catalog import EMBEDDED, user_data_path
from suite.data.split import num_training_classes
from suite.settings.params import DatasetSettings, load_settings
from suite.settings.paths import DATA_FOLDER, PARAMS_FILE


def list_datasets() -> list[dict[str, Any]]:
    """The embedded data sets and those of ``params.yaml``, if it is there, as plain data."""
    entries = {name: DatasetSettings() for name in EMBEDDED}
    chosen = load_settings().datasets if PARAMS_FILE.is_file() else {}
    return [_describe(name, each, chosen=name in chosen) for name, each in (entries | chosen).items()]


def _describe(name: str, settings: DatasetSettings, *, chosen: bool) -> dict[str, Any]:
    own = name not in EMBEDDED
    path = user_data_path(name) if own else DATA_FOLDER / f"{name}.parquet"
    return {
        "name": name,
        "in params.yaml": chosen,
        "about": f"a user's images, from {settings.path}" if own else EMBEDDED[name].about,
        **(_counts(path) if path.is_file() else dict.fromkeys(_COUNTS)),
        "max_classes": settings.max_classes,
        "file": str(path),
        "fetched with": f"suite data user {name}" if own else "dvc pull data.dvc",
        "sha256": "pinned by its sources" if own else EMBEDDED[name].sha256,
        "data sheet": None if own else f"docs/data/{name}.md",
    }


_COUNTS = ("training classes", "test classes", "images", "images a class", "licences")


def _counts(path: Path) -> dict[str, Any]:
    table = pq.read_table(path, columns=["label", "licence"])
    sizes = sorted(Counter(table["label"].to_pylist()).values())
    training = num_training_classes(len(sizes))
    licences = Counter(table["licence"].to_pylist())
    values = (training, len(sizes) - training, sum(sizes), f"{sizes[0]} to {sizes[-1]}", dict(licences.most_common()))
    return dict(zip(_COUNTS, values, strict=True))
