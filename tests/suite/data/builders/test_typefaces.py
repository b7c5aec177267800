"""The typefaces builder: randomness, one rendered image, pins, and the whole build where sources are at hand."""

import io
import os
import string
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from suite.data.builders import typefaces
from suite.data.builders.sources import SourceError, fetch_npm, load_sources, read_member
from suite.data.builders.typefaces_render import (
    LETTERS_PER_LINE,
    LINES,
    random_lines,
    random_of,
    render_block,
    render_instance,
    woff2_to_ttf,
)


@pytest.fixture(scope="module")
def ttf():
    """Bytes of a TrueType font that a required library carries."""
    folder = Path(pytest.importorskip("matplotlib").get_data_path()) / "fonts" / "ttf"
    return (folder / "DejaVuSerif.ttf").read_bytes()


def test_randomness_belongs_to_family_and_instance():
    assert random_lines(random_of("Lora", 3)) == random_lines(random_of("Lora", 3))
    blocks = {tuple(random_lines(random_of(family, i))) for family in ("Lora", "Lato") for i in range(40)}
    assert len(blocks) == 80


def test_blocks_have_three_lines_of_four_letters():
    lines = random_lines(random_of("Lora", 0))
    assert [len(line) for line in lines] == [LETTERS_PER_LINE] * LINES
    assert set("".join(lines)) <= set(string.ascii_letters)


def test_image_is_deterministic_grey_and_never_blank(ttf):
    image = render_instance(ttf, "DejaVu Serif", 0)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    assert (image == image[:, :, :1]).all()
    assert image.std() > 10
    assert (image == render_instance(ttf, "DejaVu Serif", 0)).all()
    assert (image != render_instance(ttf, "DejaVu Serif", 1)).any()


def test_ink_is_darker_than_paper(ttf):
    for instance in range(10):
        image = render_instance(ttf, "DejaVu Serif", instance)[:, :, 0]
        assert image[0, 0] > image.min()


def test_block_extent_does_not_depend_on_the_design_size(ttf):
    tt_lib = pytest.importorskip("fontTools.ttLib", reason="needs fontTools, of the extra build-data")
    font = tt_lib.TTFont(io.BytesIO(ttf), recalcTimestamp=False)
    font["head"].unitsPerEm *= 2
    half = io.BytesIO()
    font.save(half)
    lines = ["Hamb", "urge", "font"]
    big = render_block(ttf, lines, np.random.default_rng(0)).astype(float)
    small = render_block(half.getvalue(), lines, np.random.default_rng(0)).astype(float)
    assert np.abs(big - small).mean() < 8


def test_woff2_round_trip(ttf):
    pytest.importorskip("brotli", reason="WOFF2 needs brotli, of the extra build-data")
    tt_lib = pytest.importorskip("fontTools.ttLib", reason="WOFF2 needs fontTools, of the extra build-data")
    font = tt_lib.TTFont(io.BytesIO(ttf), recalcTimestamp=False)
    font.flavor = "woff2"
    packed = io.BytesIO()
    font.save(packed)
    unpacked = woff2_to_ttf(packed.getvalue())
    assert unpacked == woff2_to_ttf(packed.getvalue())
    assert ImageFont.truetype(io.BytesIO(unpacked)).getname() == ("DejaVu Serif", "Book")


def test_sources_are_pinned_and_free():
    sources = load_sources(typefaces.SOURCES)
    assert len({source.name for source in sources}) == len(sources) == 160
    assert {source.licence for source in sources} == {"OFL-1.1", "Apache-2.0", "Ubuntu-font-1.0"}
    assert all(source.attribution for source in sources)


def test_font_member():
    assert typefaces.font_member("@fontsource/pt-serif") == "files/pt-serif-latin-400-normal.woff2"


def test_checksum_mismatch_is_an_error(tmp_path):
    (tmp_path / "fontsource-lora-1.0.0.tgz").write_bytes(b"tampered")
    with pytest.raises(SourceError, match="not the pinned source"):
        fetch_npm("@fontsource/lora", "1.0.0", "0" * 64, tmp_path)


def test_every_letter_is_in_every_font():
    cache = os.environ.get("PFML_SOURCES")
    if not cache:
        pytest.skip("PFML_SOURCES does not name a folder of package files")
    pytest.importorskip("brotli", reason="WOFF2 needs brotli, of the extra build-data")
    tt_lib = pytest.importorskip("fontTools.ttLib", reason="WOFF2 needs fontTools, of the extra build-data")
    for source in load_sources(typefaces.SOURCES):
        archive = fetch_npm(source.name, source.version, source.sha256, Path(cache))
        with tt_lib.TTFont(io.BytesIO(read_member(archive, typefaces.font_member(source.name)))) as font:
            assert {ord(letter) for letter in string.ascii_letters} <= set(font.getBestCmap()), source.name
