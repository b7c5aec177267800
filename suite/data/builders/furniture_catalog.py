"""The furniture catalogue: which 3D models the package holds, who made them and under which licence.

The package holds one .sh3f file (a zip archive) a collection. Its PluginFurnitureCatalog.properties
describes model N by the keys `id#N`, `name#N`, `category#N`, `creator#N` and `model#N` (path of the OBJ
file inside the archive).
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from suite.data.builders.sources import SourceError

CATALOG = "PluginFurnitureCatalog.properties"

LICENCES = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
"""SPDX identifier of each collection, as the package's copyright file and the collection's LICENSE.TXT
state it."""

MODEL_LICENCES = {
    "BlendSwap-CC-0/winchesterArmchair": "CC-BY-3.0",
    "BlendSwap-CC-0/winchesterSofa": "CC-BY-3.0",
}
"""SPDX identifier of the models whose own licence file states another licence than their collection's."""

EXCLUDED_CATEGORIES = frozenset({"Doors and windows"})
"""Categories which give no class: most of their models are flat frames that differ little."""

_ENTRY = re.compile(r"^(?P<key>\w+)#(?P<number>\d+)\s*=\s*(?P<value>.*)$")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Model:
    """One 3D model of the catalogue.

    Attributes:
        collection: name of the .sh3f file without its ending, a key of `LICENCES`.
        key: name of the model inside its collection.
        name: human-readable name; several models share one.
        category: category of the catalogue, such as "Bedroom".
        creator: author as the catalogue names them; the collection where it names none.
        member: path of the OBJ file inside the archive.
    """

    collection: str
    key: str
    name: str
    category: str
    creator: str
    member: str

    @property
    def class_name(self) -> str:
        """Unique human-readable name, such as ``Bed (Scopia/bed1)``."""
        return f"{self.name} ({self.source})"

    @property
    def source(self) -> str:
        """Collection and model, such as ``Scopia/bed1``."""
        return f"{self.collection}/{self.key}"

    @property
    def licence(self) -> str:
        """SPDX identifier: the model's own where it states one, else its collection's."""
        return MODEL_LICENCES.get(self.source, LICENCES[self.collection])


def parse_catalog(text: str, collection: str) -> list[Model]:
    r"""Read the models out of a catalogue.

    Args:
        text: content of a Java properties file; ``\uXXXX`` escapes in values are resolved.
        collection: a key of `LICENCES`.

    Returns:
        The models in the order of their numbers.

    Raises:
        SourceError: where the collection's licence is not known or an entry lacks its id, name, category or
            model.
    """
    if collection not in LICENCES:
        raise SourceError(f"collection {collection!r} has no known licence; known: {', '.join(LICENCES)}")
    entries: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        if (found := _ENTRY.match(line.strip())) is not None:
            value = _ESCAPE.sub(lambda code: chr(int(code[1], 16)), found["value"]).strip()
            entries.setdefault(int(found["number"]), {})[found["key"]] = value
    models = []
    for number, entry in sorted(entries.items()):
        if missing := [key for key in ("id", "name", "category", "model") if not entry.get(key)]:
            raise SourceError(f"{collection}: model {number} of the catalogue has no {', '.join(missing)}")
        models.append(
            Model(
                collection=collection,
                key=entry["id"].split("#", 1)[-1],
                name=entry["name"],
                category=entry["category"],
                creator=entry.get("creator") or collection,
                member=entry["model"].lstrip("/"),
            )
        )
    return models


def read_catalogs(folder: Path) -> list[Model]:
    """Read every collection of a folder of .sh3f files, by name of collection, then number of the model.

    Raises:
        SourceError: where the folder holds no collection, or two models share one source name.
    """
    models: list[Model] = []
    for path in sorted(folder.glob("*.sh3f")):
        with zipfile.ZipFile(path) as archive:
            models += parse_catalog(archive.read(CATALOG).decode("latin-1"), path.stem)
    if not models:
        raise SourceError(f"{folder} holds no .sh3f file")
    if len({model.source for model in models}) != len(models):
        raise SourceError(f"{folder}: two models share one collection and key")
    return models


def is_candidate(model: Model) -> bool:
    """Tell whether the model may become a class."""
    return model.category not in EXCLUDED_CATEGORIES
