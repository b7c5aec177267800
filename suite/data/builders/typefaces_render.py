"""One image of the data set `typefaces`: three lines of four random letters in one typeface.

Everything but the typeface is a nuisance: the letters, size, place, leading, alignment, slight rotation, ink and paper.
Blocks are scaled by their own extent, not by the font's units, so that a family's design size says little.
Randomness belongs to (family, instance) alone; neither the other families nor the order of the classes touch it.
"""

import hashlib
import io
import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE = 96
LINES = 3
LETTERS_PER_LINE = 4
SEED = 20241
_OVERSAMPLING = 4
_REFERENCE = 100.0
_FILL = (0.75, 0.92)
_LEADING = (0.95, 1.2)
_PLACE = (0.2, 0.8)
_ROTATION_DEGREES = 4.0
_INK = (0, 90)
_PAPER = (165, 256)


def random_of(family: str, instance: int) -> np.random.Generator:
    """Make the random generator of one image.

    Args:
        family: name of the font family.
        instance: number of the image within its class, from 0.

    Returns:
        A generator that depends on the two and on nothing else.
    """
    key = int.from_bytes(hashlib.sha256(family.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, key, instance])))


def random_lines(random: np.random.Generator) -> list[str]:
    """Draw three lines of four letters, each uniform over the 52 Latin capitals and small letters."""
    letters = random.choice(list(string.ascii_letters), size=(LINES, LETTERS_PER_LINE))
    return ["".join(line) for line in letters]


def woff2_to_ttf(data: bytes) -> bytes:
    """Unpack a WOFF2 font.

    Args:
        data: bytes of a .woff2 file.

    Returns:
        Bytes of the same font as TrueType or OpenType, its time stamp unchanged.

    Raises:
        ImportError: where fontTools or brotli is not installed.
    """
    from fontTools.ttLib import TTFont  # an optional dependency, needed by this function alone

    font = TTFont(io.BytesIO(data), recalcTimestamp=False)
    font.flavor = None
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def _font(ttf: bytes, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(ttf), size, layout_engine=ImageFont.Layout.BASIC)


def _extents(font: ImageFont.FreeTypeFont, lines: list[str], leading: float) -> NDArray[np.float64]:
    """Return (lines, 4) boxes left, top, right, bottom, every line starting at x = 0 on its own baseline."""
    boxes = np.array([font.getbbox(line, anchor="ls") for line in lines], dtype=np.float64)
    boxes[:, [1, 3]] += leading * np.arange(len(lines))[:, None]
    return boxes


def render_block(ttf: bytes, lines: list[str], random: np.random.Generator, size: int = SIZE) -> NDArray[np.uint8]:
    """Render a block of lines with random nuisances.

    Args:
        ttf: bytes of a TrueType or OpenType font.
        lines: the lines of letters.
        random: draws the nuisances.
        size: side of the image in pixels.

    Returns:
        (size, size, 3) image, grey (its three channels are equal).
    """
    fill, spacing = random.uniform(*_FILL), random.uniform(*_LEADING)
    place, align = random.uniform(*_PLACE, size=2), random.choice([0.0, 0.5, 1.0])
    angle = random.uniform(-_ROTATION_DEGREES, _ROTATION_DEGREES)
    ink, paper = int(random.integers(*_INK)), int(random.integers(*_PAPER))

    canvas = size * _OVERSAMPLING
    reference = _font(ttf, _REFERENCE)
    _, top, _, bottom = reference.getbbox("Hgdpl", anchor="ls")
    leading = spacing * (bottom - top)
    boxes = _extents(reference, lines, leading)
    extent = max((boxes[:, 2] - boxes[:, 0]).max(), boxes[:, 3].max() - boxes[:, 1].min())
    scale = fill * canvas / extent
    font = _font(ttf, _REFERENCE * scale)
    boxes = _extents(font, lines, leading * scale)
    width, height = (boxes[:, 2] - boxes[:, 0]).max(), boxes[:, 3].max() - boxes[:, 1].min()

    image = Image.new("L", (canvas, canvas), paper)
    draw = ImageDraw.Draw(image)
    left, upper = place * (canvas - np.array([width, height]))
    for row, (line, box) in enumerate(zip(lines, boxes, strict=True)):
        x = left - box[0] + align * (width - (box[2] - box[0]))
        y = upper - boxes[:, 1].min() + row * leading * scale
        draw.text((round(x), round(y)), line, fill=ink, font=font, anchor="ls")
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper).reduce(_OVERSAMPLING)
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2)


def render_instance(ttf: bytes, family: str, instance: int) -> NDArray[np.uint8]:
    """Render one image of a family; letters and nuisances depend on (family, instance) alone.

    Args:
        ttf: bytes of the family's font.
        family: name of the family.
        instance: number of the image within its class, from 0.

    Returns:
        (96, 96, 3) grey image.
    """
    random = random_of(family, instance)
    return render_block(ttf, random_lines(random), random)
