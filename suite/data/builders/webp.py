"""Encoding and decoding of the stored images: opaque RGB WebP."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EFFORT = 6
"""The encoder's slowest setting: the same quality in fewer bytes."""


def encode_webp(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an image with loss.

    Args:
        pixels: (H, W, 3) RGB image.
        quality: WebP quality, 0 to 100.

    Returns:
        The bytes of a WebP file; the same for the same pixels, quality and version of libwebp.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=EFFORT)
    return buffer.getvalue()


def decode_webp(data: bytes) -> NDArray[np.uint8]:
    """Decode a stored image to (H, W, 3) RGB."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
