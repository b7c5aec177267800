"""The data set `typefaces`: a class is a font family, an instance a block of three lines of four random letters.

Source: one @fontsource package a family, pinned in typefaces.sources.json; of each, the Latin subset of the regular
weight. How an image is drawn is in `typefaces_render`.

Run: suite data build typefaces OUTPUT.parquet --cache DIR
"""

import json
from pathlib import Path

from rich.progress import track

from suite.data.builders.parquet import Row, encode_webp, shuffled_labels, write_parquet
from suite.data.builders.sources import fetch_npm, load_sources, read_member
from suite.data.builders.typefaces_render import render_instance, woff2_to_ttf
from suite.data.builders.versions import COMMON

BUILT_WITH = {**COMMON, "brotli": "1.2.1", "fonttools": "4.68.0"}
SOURCES = Path(__file__).with_name("typefaces.sources.json")
IMAGES_PER_CLASS = 40
QUALITY = 48
PREFIX = "@fontsource/"


def font_member(name: str) -> str:
    """Return the path of the regular Latin font inside the package of a family, such as "@fontsource/lora"."""
    return f"files/{name.removeprefix(PREFIX)}-latin-400-normal.woff2"


def build(output: Path, cache: Path) -> None:
    """Fetch the pinned packages and write the data set.

    Args:
        output: parquet file to write.
        cache: folder of package files, filled where a file is missing.

    Raises:
        suite.data.builders.sources.SourceError: where a package cannot be had or is not the pinned one.
    """
    sources = load_sources(SOURCES)
    archives = {source: fetch_npm(source.name, source.version, source.sha256, cache) for source in sources}
    families = {source: json.loads(read_member(path, "metadata.json"))["family"] for source, path in archives.items()}
    labels = shuffled_labels(families.values())
    rows: list[Row] = []
    for source in track(sources, description="rendering typefaces"):
        family = families[source]
        ttf = woff2_to_ttf(read_member(archives[source], font_member(source.name)))
        for instance in range(IMAGES_PER_CLASS):
            image = encode_webp(render_instance(ttf, family, instance), QUALITY)
            rows.append(Row(image, labels[family], family, source.name, source.licence))
    write_parquet(output, rows)
