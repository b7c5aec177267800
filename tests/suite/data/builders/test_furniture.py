"""The furniture builder: catalogue, exclusions, scenes, shapes, rendering, and the whole build where
sources are at hand."""

from dataclasses import replace

import numpy as np
import pytest

from suite.data.builders.furniture_catalog import LICENCES, Model, is_candidate, parse_catalog, read_catalogs
from suite.data.builders.furniture_duplicates import distinct, shape_distances
from suite.data.builders.furniture_files import repaired_mtl, repaired_obj
from suite.data.builders.furniture_scene import (
    Difficulty,
    background,
    compose,
    generator,
    over,
    sample_camera,
    sample_lights,
)
from suite.data.builders.furniture_views import Camera, Light, direction
from suite.data.builders.sources import SourceError, fetch_deb

CATALOG = r"""
# comment
id=SweetHome3D#ScopiaModels
name=Scopia catalog

id#2=Scopia#door
name#2=Door
category#2=Doors and windows
model#2=/scopia/door/door.obj
id#1=Scopia#bed1
name#1=Bed \u00e9
category#1=Bedroom
model#1=/scopia/bed1/bed1.obj
creator#1=Scopia & eTeks
"""

CUBE = """mtllib cube.mtl
v -1 -1 -1
v 1 -1 -1
v 1 1 -1
v -1 1 -1
v -1 -1 1
v 1 -1 1
v 1 1 1
v -1 1 1
usemtl red
f 1 2
f 1 4 3 2
f 5 6 7 8
f 1 2 6 5
f 4 8 7 3
f 1 5 8 4
f 2 3 7 6
"""


def test_catalog_is_read_in_order_of_numbers():
    bed, door = parse_catalog(CATALOG, "Scopia")
    assert bed == Model("Scopia", "bed1", "Bed é", "Bedroom", "Scopia & eTeks", "scopia/bed1/bed1.obj")
    assert (bed.class_name, bed.source, bed.licence) == ("Bed é (Scopia/bed1)", "Scopia/bed1", "CC-BY-3.0")
    assert door.creator == "Scopia"
    assert [is_candidate(bed), is_candidate(door)] == [True, False]


def test_catalog_of_unknown_licence_or_with_a_gap_is_refused():
    with pytest.raises(SourceError, match=r"'Other' has no known licence; known: .*Scopia"):
        parse_catalog(CATALOG, "Other")
    with pytest.raises(SourceError, match="Scopia: model 1 of the catalogue has no model"):
        parse_catalog(CATALOG.replace("model#1", "icon#1"), "Scopia")


def test_own_licence_of_a_model_goes_before_its_collections():
    sofa = Model("BlendSwap-CC-0", "winchesterSofa", "Sofa", "Living room", "someone", "a/b.obj")
    assert sofa.licence == "CC-BY-3.0"
    assert replace(sofa, key="other").licence == LICENCES["BlendSwap-CC-0"] == "CC0-1.0"


def test_no_collection(tmp_path):
    with pytest.raises(SourceError, match=r"holds no \.sh3f file"):
        read_catalogs(tmp_path)


def test_repairs_blank_only_what_stops_the_importer():
    assert repaired_obj(b"v 1 2 3\nf 1 2\nf 1/1 2/2 \r\nf 1 2 3\nf 1//2 2//2 3//2\n") == (
        b"v 1 2 3\n\n\nf 1 2 3\nf 1//2 2//2 3//2\n"
    )
    assert repaired_mtl(b"# c\nNs 20\n newmtl a\nKd 1 1 1\nnewmtl b\n") == b" newmtl a\nKd 1 1 1\nnewmtl b\n"
    assert repaired_mtl(b"Ns 20\n") == b""


def test_camera_and_lights_depend_on_name_and_view_alone():
    settings = Difficulty()

    def sample(name, view):
        rng = generator(name, view)
        return sample_camera(name, view, settings, rng), sample_lights(settings, rng)

    assert sample("a/b", 1) == sample("a/b", 1)
    assert sample("a/b", 1) != sample("a/b", 2)
    assert sample("a/b", 1) != sample("a/c", 1)


def test_azimuths_share_the_circle():
    settings = replace(Difficulty(), jitter=0.0)
    azimuths = [sample_camera("m", view, settings, generator("m", view)).azimuth for view in range(settings.views)]
    gaps = np.diff([*sorted(azimuths), min(azimuths) + 360.0])
    assert np.allclose(gaps, 360.0 / settings.views)


def test_camera_stays_in_the_ranges():
    settings = Difficulty()
    for view in range(200):
        camera = sample_camera("m", view, settings, generator("m", view))
        assert settings.elevation[0] <= camera.elevation <= settings.elevation[1]
        assert settings.fill[0] <= camera.fill <= settings.fill[1]
        assert settings.distance[0] <= camera.distance <= settings.distance[1]
        assert max(abs(camera.roll) - settings.roll, *(abs(s) - settings.shift for s in camera.shift)) <= 0


def test_directions_are_unit_vectors_with_y_up():
    assert np.allclose(direction(0, 0), [0, 0, 1])
    assert np.allclose(direction(90, 0), [1, 0, 0])
    assert np.allclose(direction(17, 90), [0, 1, 0])
    assert np.isclose(np.linalg.norm(direction(33, 21)), 1)


def test_over_blends_premultiplied_colours():
    top = np.zeros((1, 3, 4), np.uint8)
    top[0, 1], top[0, 2] = (10, 20, 30, 255), (50, 0, 0, 128)
    bottom = np.full((1, 3, 3), 200, np.uint8)
    assert over(top, bottom).tolist() == [[[200, 200, 200], [10, 20, 30], [150, 100, 100]]]


def test_composition_is_deterministic_and_keeps_the_model_in_front():
    model = np.zeros((32, 32, 4), np.uint8)
    model[8:24, 8:24] = (1, 2, 3, 255)
    settings = replace(Difficulty(), grey=False)
    image = compose(model, settings, generator("m", 0))
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8
    assert (image[8:24, 8:24] == (1, 2, 3)).all()
    assert (image == compose(model, settings, generator("m", 0))).all()
    grey = compose(model, replace(settings, grey=True), generator("m", 0))
    assert (grey[..., 0] == grey[..., 1]).all()


def test_backgrounds():
    images = {
        kind: background(replace(Difficulty(), background=kind), 32, generator("m", 0))
        for kind in ("white", "gradient", "wallpaper")
    }
    assert (images["white"] == 255).all()
    assert all(image.shape == (32, 32, 3) and image.dtype == np.uint8 for image in images.values())
    assert images["gradient"].std(axis=(0, 1)).max() > 0
    assert images["wallpaper"].std(axis=(0, 1)).max() > 0


def test_turned_and_mirrored_shapes_are_the_same():
    rng = np.random.default_rng(0)
    shape, other = rng.random((2, 8, 6, 6), dtype=np.float32)
    turned = np.roll(shape, 3, axis=0)
    mirrored = shape[::-1, :, ::-1]
    distances = shape_distances(np.stack([shape, turned, other, mirrored]))
    assert np.allclose(distances, distances.T)
    assert distances[0, 1] < 1e-5
    assert distances[0, 3] < 1e-5
    assert distances[0, 2] > 0.05
    assert distinct(distances) == [0, 2]


def test_shape_distance_equals_its_definition():
    a, b = np.random.default_rng(1).random((2, 1, 3, 3), dtype=np.float32)
    least = min(float(((a - side) ** 2).sum() / ((a**2).sum() + (side**2).sum())) for side in (b, b[::-1, :, ::-1]))
    mirrored = float(((a[::-1, :, ::-1] - b) ** 2).sum() / ((a**2).sum() + (b**2).sum()))
    assert np.isclose(shape_distances(np.stack([a, b]))[0, 1], min(least, mirrored), atol=1e-6)


def test_altered_package_is_refused(tmp_path):
    (tmp_path / "thing_1.0-1_all.deb").write_bytes(b"altered")
    with pytest.raises(SourceError, match=r"thing_1\.0-1_all\.deb is not the pinned source"):
        fetch_deb("thing", "1.0-1", "0" * 64, tmp_path)


def stage(size):
    pytest.importorskip("vtkmodules", reason="vtk (extra build-data) is not installed")
    from suite.data.builders.furniture_render import Stage

    return Stage(size)


def test_rendered_cube(tmp_path):
    scene = stage(32)
    obj = tmp_path / "cube.obj"
    obj.write_bytes(repaired_obj(CUBE.encode()))
    (tmp_path / "cube.mtl").write_text("newmtl red\nKd 1 0 0\nillum 1\n")
    assert scene.load(obj)
    lights = [Light(0.0, 0.0, (1.0, 1.0, 1.0))]
    image = scene.render(Camera(0.0, 0.0, fill=0.5), lights)
    assert image.shape == (32, 32, 4)
    assert image[16, 16, 0] > 200
    assert image[16, 16, 1:].tolist() == [0, 0, 255]
    assert image[0, 0].tolist() == [0, 0, 0, 0]
    # The front face, the nearest part, spans half of the image.
    assert np.flatnonzero(image[16, :, 3]).size == pytest.approx(16, abs=1)
    assert (image == scene.render(Camera(0.0, 0.0, fill=0.5), lights)).all()
    moved = scene.render(Camera(0.0, 0.0, fill=0.5, shift=(0.5, 0.5)), lights)
    assert moved[8, 24, 3] == 255
    assert moved[24, 8, 3] == 0
    assert scene.load(obj, plain=True)
    assert scene.render(Camera(0.0, 0.0), lights)[16, 16, 1] > 200
    scene.close()


def test_empty_model_is_told(tmp_path):
    scene = stage(32)
    obj = tmp_path / "empty.obj"
    obj.write_text("v 0 0 0\n")
    (tmp_path / "empty.mtl").write_text("")
    assert not scene.load(obj)
    scene.close()
