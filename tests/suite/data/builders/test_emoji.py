"""The emoji builder: joining, exclusions, checksums, one image, and the whole build where sources are at hand."""

import io

import numpy as np
import pytest
from PIL import Image

from suite.data.builders import emoji
from suite.data.builders.emoji_join import Drawing, VendorSet, is_flag, is_skin_tone, join, keys_of, resolve
from suite.data.builders.parquet import CLASS_ORDER_SEED, Row, encode_webp, shuffled_labels, write_parquet
from suite.data.builders.sources import SourceError, fetch_npm, load_sources, verify_sha256
from suite.hashing import sha256_file


def vendor(name, icons, aliases=None, code_points=None, flags=()):
    bodies = {icon: {"body": "<path/>"} for icon in icons}
    return VendorSet(name, bodies, aliases or {}, code_points or {}, frozenset(flags))


def test_join_goes_over_names_aliases_and_code_points():
    sets = [
        vendor("a", ["bear"], code_points={"1f43b": "bear"}),
        vendor("b", ["bear-face"], aliases={"bear": {"parent": "bear-face"}}),
        vendor("c", ["ours"], code_points={"1f43b-fe0f": "ours"}),
        vendor("d", ["bear-face", "cat"]),
    ]
    expected = [Drawing("a", "bear"), Drawing("b", "bear-face"), Drawing("c", "ours"), Drawing("d", "bear-face")]
    assert join(sets, minimum=4) == {"bear": expected}
    assert join(sets, minimum=5) == {}


def test_class_with_two_drawings_of_one_vendor_is_left_out():
    sets = [
        vendor("a", ["cricket", "cricket-game"], aliases={"grasshopper": {"parent": "cricket"}}),
        vendor("b", ["cricket-game"], aliases={"grasshopper": {"parent": "cricket-game"}}),
        vendor("c", ["grasshopper", "cat"]),
        vendor("d", ["cat"]),
    ]
    assert set(join(sets, minimum=2)) == {"cat"}


def test_skin_tones():
    names = {"baby", "baby-dark", "baby-medium-dark", "police-car", "police-car-light", "flashlight"}
    assert is_skin_tone("baby-dark", names)
    assert is_skin_tone("artist-medium-dark-skin-tone", names)
    assert is_skin_tone("breast-feeding-tone1", names)
    assert not is_skin_tone("police-car-light", names)
    assert not is_skin_tone("flashlight", names)
    assert set(keys_of(vendor("a", names))) == {"baby", "police-car", "police-car-light", "flashlight"}


def test_flags_go_from_every_vendor_where_one_lists_them():
    assert is_flag("flag-for-chad", frozenset())
    assert not is_flag("flag-in-hole", frozenset())
    sets = [
        vendor("a", ["pirate-flag", "flag-in-hole"], flags=["pirate-flag"]),
        vendor("b", ["pirate-flag", "flag-in-hole"]),
    ]
    assert set(join(sets, minimum=1)) == {"flag-in-hole"}


def test_flag_under_an_alias_is_a_flag():
    one = vendor("a", ["chequered-flag"], aliases={"flag-for-chequered-flag": {"parent": "chequered-flag"}})
    assert keys_of(one) == {}


def test_hidden_drawings_and_mirror_images_are_left_out():
    one = VendorSet(
        "a",
        {"left": {"body": ""}, "old": {"body": "", "hidden": True}},
        {"right": {"parent": "left", "hFlip": True}, "sinistra": {"parent": "left"}},
        {},
        frozenset(),
    )
    assert resolve("right", one.aliases) is None
    assert keys_of(one) == {"left": {"left", "sinistra"}}


def test_repeats_blanks_and_shared_pictures_are_left_out():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) for _ in range(4)]
    drawings = {(name, i): Drawing(f"v{i}", name) for name in ("man", "person") for i in range(4)}
    classes = {name: [drawings[name, i] for i in range(4)] for name in ("man", "person")}
    images = {
        drawings["man", 0]: pictures[0],
        drawings["man", 1]: pictures[1],
        drawings["man", 2]: pictures[1].copy(),
        drawings["man", 3]: pictures[2],
        drawings["person", 0]: pictures[0].copy(),
        drawings["person", 1]: pictures[3],
        drawings["person", 2]: np.full((4, 4, 3), 255, dtype=np.uint8),
        drawings["person", 3]: rng.integers(0, 256, (4, 4, 3), dtype=np.uint8),
    }
    kept = emoji.without_repeats(classes, images, minimum=2)
    assert kept == {
        "man": [drawings["man", 1], drawings["man", 3]],
        "person": [drawings["person", 1], drawings["person", 3]],
    }
    assert emoji.without_repeats(classes, images, minimum=3) == {}


def test_svg_is_square_with_the_drawing_in_its_middle():
    svg = emoji.square_svg({"body": "<g/>", "height": 40}, {"width": 32, "height": 32})
    assert 'viewBox="-4 0 40 40"' in svg
    assert 'viewBox="0 0 16 16"' in emoji.square_svg({"body": ""}, {})


def test_rendering_is_deterministic_opaque_and_on_white():
    pytest.importorskip("resvg_py", reason="rendering needs resvg-py, of the extra build-data")
    svg = emoji.square_svg({"body": '<circle cx="16" cy="16" r="12" fill="red"/>'}, {"width": 32, "height": 32})
    image = emoji.render(svg)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    assert (image[0, 0] == 255).all()
    assert image[48, 48].tolist() == [255, 0, 0]
    assert encode_webp(image, emoji.QUALITY) == encode_webp(emoji.render(svg), emoji.QUALITY)
    with Image.open(io.BytesIO(encode_webp(image, emoji.QUALITY))) as stored:
        assert (stored.size, stored.mode) == ((96, 96), "RGB")


def test_checksum_mismatch_names_file_and_both_sums(tmp_path):
    file = tmp_path / "iconify-json-noto-1.2.9.tgz"
    file.write_bytes(b"tampered")
    with pytest.raises(SourceError, match=rf"noto-1\.2\.9\.tgz.*{sha256_file(file)}.*{'0' * 64}"):
        fetch_npm("@iconify-json/noto", "1.2.9", "0" * 64, tmp_path)
    with pytest.raises(SourceError, match="missing"):
        verify_sha256(tmp_path / "none", "0" * 64)


def test_sources_are_pinned_and_attributed():
    sources = load_sources(emoji.SOURCES)
    assert len(sources) == 9
    assert all(source.attribution and source.licence and source.version for source in sources)


def test_class_order_is_a_fixed_permutation():
    names = [f"class {i}" for i in range(50)]
    labels = shuffled_labels(names)
    assert sorted(labels.values()) == list(range(50))
    assert labels == shuffled_labels(reversed(names))
    assert [labels[name] for name in sorted(names)] != list(range(50))
    assert labels != shuffled_labels(names, CLASS_ORDER_SEED + 1)


def test_parquet_is_sorted_and_its_bytes_repeat(tmp_path):
    rows = [Row(bytes([i]), i % 3, f"c{i % 3}", f"s{9 - i}", "MIT") for i in range(9)]
    write_parquet(tmp_path / "a" / "one.parquet", rows)
    write_parquet(tmp_path / "two.parquet", rows[::-1])
    assert sha256_file(tmp_path / "a" / "one.parquet") == sha256_file(tmp_path / "two.parquet")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "labels must be exactly"),
        ([Row(b"", 1, "a", "s", "MIT")], "labels must be exactly"),
        ([Row(b"", 0, "a", "s", "MIT"), Row(b"", 0, "b", "s", "MIT")], "names two classes"),
        ([Row(b"", 0, "a", "s", "MIT"), Row(b"", 1, "a", "s", "MIT")], "same class name"),
    ],
)
def test_parquet_refuses_wrong_labels(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        write_parquet(tmp_path / "x.parquet", rows)
