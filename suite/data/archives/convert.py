"""From an image file as published to the bytes that the cache keeps.

An image is made RGB, reduced to a short side of 256 px exactly as torchvision's ``Resize(256)`` does it (bilinear with
antialiasing, the long side rounded down), and kept as JPEG of quality 95 without chroma subsampling. One that is no larger
is not enlarged; if it is an RGB JPEG already, its bytes are kept as they are. EXIF orientation is ignored, as the field's
loaders do.
"""

import hashlib
import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

QUALITY = 95
ENCODING = f"JPEG, quality {QUALITY}, 4:4:4"


@dataclass(frozen=True, slots=True)
class Converted:
    """An image of the cache.

    Attributes:
        data: a JPEG file.
        width: in pixels.
        height: in pixels.
        sha256: digest of the file as published, which tells where the same image lies in another archive.
    """

    data: bytes
    width: int
    height: int
    sha256: bytes


def convert(data: bytes, short_side: int) -> Converted | str:
    """Convert an image file; the reason, in a few words, if it cannot be decoded to its last line.

    Args:
        data: the file's bytes.
        short_side: pixels of the shorter side of a reduced image; 0 leaves the size as it is.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            keep = image.format == "JPEG" and image.mode == "RGB"
            reduced = _reduced(image.convert("RGB"), short_side)
    except MemoryError:
        raise
    except UnidentifiedImageError:  # its message holds an address, and meta.json must not
        return "no image of a known format" if data else "empty file"
    except Exception as error:  # decoders raise whatever the damage leads to
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
    digest = hashlib.sha256(data).digest()
    if keep and reduced.size == image.size:
        return Converted(data, *reduced.size, digest)
    stream = io.BytesIO()
    reduced.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return Converted(stream.getvalue(), *reduced.size, digest)


def _reduced(image: Image.Image, short_side: int) -> Image.Image:
    width, height = image.size
    short = min(width, height)
    if short_side == 0 or short <= short_side:
        return image
    long = int(short_side * max(width, height) / short)
    size = (short_side, long) if width <= height else (long, short_side)
    return image.resize(size, Image.Resampling.BILINEAR)
