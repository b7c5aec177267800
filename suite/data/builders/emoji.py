"""The data set `emoji`: a class is an emoji, an instance the drawing of one vendor.

Source: nine @iconify-json packages, pinned in emoji.sources.json. Their vector drawings are joined into classes
(`emoji_join`), rendered with resvg on white and stored as WebP. Pictures that cannot be told apart are left out
(`without_repeats`). Fonts of the machine are never used: drawings come out the same everywhere.

Run: suite data build emoji OUTPUT.parquet --cache DIR
"""

import io
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from suite.data.builders.emoji_join import Drawing, VendorSet, join
from suite.data.builders.parquet import Row, encode_webp, shuffled_labels, write_parquet
from suite.data.builders.sources import fetch_npm, load_sources, read_member
from suite.data.builders.versions import COMMON

BUILT_WITH = {**COMMON, "resvg-py": "0.5.0"}
SOURCES = Path(__file__).with_name("emoji.sources.json")
SIZE = 96
QUALITY = 85
MIN_VENDORS = 5
PREFIX = "@iconify-json/"


def square_svg(icon: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Write a drawing as a square SVG document, the drawing in its middle.

    Args:
        icon: one entry of a package's icons, with a "body" and maybe its own view box.
        defaults: the package's icon data, which gives what the entry leaves out.

    Returns:
        An SVG document whose view box is the smallest square around the drawing's.
    """
    left, top = (float(icon.get(key, defaults.get(key, 0)) or 0) for key in ("left", "top"))
    width, height = (float(icon.get(key, defaults.get(key, 16)) or 16) for key in ("width", "height"))
    side = max(width, height)
    box = f"{left - (side - width) / 2:g} {top - (side - height) / 2:g} {side:g} {side:g}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{side:g}" height="{side:g}" viewBox="{box}">{icon["body"]}</svg>'
    )


def render(svg: str, size: int = SIZE) -> NDArray[np.uint8]:
    """Render an SVG document on white.

    Args:
        svg: a square document.
        size: side of the image in pixels.

    Returns:
        (size, size, 3) RGB image.
    """
    import resvg_py  # an optional dependency, needed by this function alone

    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, background="white", skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def without_repeats(
    classes: Mapping[str, list[Drawing]], images: Mapping[Drawing, NDArray[np.uint8]], minimum: int
) -> dict[str, list[Drawing]]:
    """Leave out blank pictures, repeats within a class, and pictures that stand in two classes.

    A picture that several classes share (a vendor who draws "man running" and "person running" alike) names none of
    them, so it is taken from all of them. Of repeats within a class the first stays.

    Args:
        classes: drawings of each class.
        images: (H, W, 3) picture of each drawing.
        minimum: least number of drawings of a class that stays.

    Returns:
        The classes that keep at least `minimum` drawings.
    """
    owners: dict[bytes, set[str]] = defaultdict(set)
    for name, drawings in classes.items():
        for drawing in drawings:
            owners[images[drawing].tobytes()].add(name)
    kept: dict[str, list[Drawing]] = {}
    for name, drawings in classes.items():
        pictures: dict[bytes, Drawing] = {}
        for drawing in drawings:
            picture = images[drawing].tobytes()
            if len(owners[picture]) == 1 and images[drawing].std() > 0:
                pictures.setdefault(picture, drawing)
        if len(pictures) >= minimum:
            kept[name] = list(pictures.values())
    return kept


def build(output: Path, cache: Path) -> None:
    """Fetch the pinned packages and write the data set.

    Args:
        output: parquet file to write.
        cache: folder of package files, filled where a file is missing.

    Raises:
        suite.data.builders.sources.SourceError: where a package cannot be had or is not the pinned one.
    """
    sets: list[VendorSet] = []
    icon_data: dict[str, dict[str, Any]] = {}
    licences: dict[str, str] = {}
    for source in load_sources(SOURCES):
        archive = fetch_npm(source.name, source.version, source.sha256, cache)
        data, codes, meta = (
            json.loads(read_member(archive, f"{part}.json")) for part in ("icons", "chars", "metadata")
        )
        vendor = source.name.removeprefix(PREFIX)
        flags = frozenset(meta.get("categories", {}).get("Flags", []))
        sets.append(VendorSet(vendor, data["icons"], data.get("aliases", {}), codes, flags))
        icon_data[vendor], licences[vendor] = data, source.licence

    classes = join(sets, MIN_VENDORS)
    drawings = [drawing for members in classes.values() for drawing in members]
    images = {
        drawing: render(square_svg(icon_data[drawing.vendor]["icons"][drawing.name], icon_data[drawing.vendor]))
        for drawing in track(drawings, description="rendering emoji")
    }
    classes = without_repeats(classes, images, MIN_VENDORS)
    labels = shuffled_labels(classes)
    rows = [
        Row(encode_webp(images[drawing], QUALITY), labels[name], name, drawing.vendor, licences[drawing.vendor])
        for name, members in track(classes.items(), description="encoding emoji")
        for drawing in members
    ]
    write_parquet(output, rows)
