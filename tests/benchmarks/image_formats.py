"""What keeping an image of 256 px short side costs in some formats: ``python tests/benchmarks/image_formats.py``.

Photographs: random crops of the two that scikit-learn brings, and synthetic ones with the spectrum of natural images
(amplitude 1/f). Times are of one thread; reading is decoding, a random resized crop to 224 px, and a tensor.
"""

import io
import sys
import time

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.transforms import Compose, PILToTensor, RandomResizedCrop

COUNT = 60
SETS = {"CUB": 11_788, "SOP": 120_053}
FORMATS = {
    "JPEG 95, 4:4:4": ("JPEG", {"quality": 95, "subsampling": 0}),
    "JPEG 95, 4:2:0": ("JPEG", {"quality": 95, "subsampling": 2}),
    "JPEG 90, 4:2:0": ("JPEG", {"quality": 90, "subsampling": 2}),
    "WebP 95": ("WEBP", {"quality": 95}),
    "PNG": ("PNG", {}),
    "uint8": (None, {}),
}


def real(rng, photos):
    photo = photos[rng.integers(len(photos))]
    top, left = rng.integers(0, photo.shape[0] - 375), rng.integers(0, photo.shape[1] - 500)
    return Image.fromarray(photo[top : top + 375, left : left + 500])


def synthetic(rng, photos):
    spectrum = np.hypot(np.fft.fftfreq(375)[:, None], np.fft.fftfreq(500)[None, :])
    spectrum[0, 0] = 1
    noise = np.fft.fft2(rng.normal(size=(3, 375, 500))) / spectrum
    planes = np.fft.ifft2(noise).real
    mixed = np.tensordot([[0.8, 0.3, 0.1], [0.8, 0.1, 0.3], [0.8, -0.2, 0.2]], planes, 1)
    scaled = 128 + 50 * mixed / mixed.std()
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def measure(images, kind, options):
    """Mean bytes, milliseconds to write, milliseconds to read, and PSNR in dB."""
    written, started = [], time.process_time()
    for image in images:
        stream = io.BytesIO()
        stream.write(image.tobytes()) if kind is None else image.save(stream, kind, **options)
        written.append(stream.getvalue())
    write = (time.process_time() - started) / len(images)

    def decode(data, size):
        return Image.frombytes("RGB", size, data) if kind is None else Image.open(io.BytesIO(data)).convert("RGB")

    errors = [
        np.mean((np.asarray(decode(data, image.size), float) - np.asarray(image, float)) ** 2)
        for data, image in zip(written, images, strict=True)
    ]
    crop, started = Compose([RandomResizedCrop(224), PILToTensor()]), time.process_time()
    for data, image in zip(written, images, strict=True):
        crop(decode(data, image.size))
    read = (time.process_time() - started) / len(images)
    psnr = 10 * np.log10(255**2 / max(np.mean(errors), 1e-9))
    return np.mean([len(data) for data in written]), 1000 * write, 1000 * read, psnr


def main():
    torch.set_num_threads(1)
    photos = load_sample_images().images
    for title, make in (("crops of photographs", real), ("synthetic, 1/f", synthetic)):
        rng = np.random.default_rng(0)
        size = (341, 256)
        images = [make(rng, photos).resize(size, Image.Resampling.BILINEAR) for _ in range(COUNT)]
        columns = [title, "kB an image", *(f"GB for {name}" for name in SETS), "ms to write", "ms to read", "PSNR (dB)"]
        write_row("")
        write_row(*columns)
        write_row("---", *["---:"] * (len(columns) - 1))
        for name, (kind, options) in FORMATS.items():
            size_of, write, read, psnr = measure(images, kind, options)
            sizes = [f"{size_of * count / 1e9:.1f}" for count in SETS.values()]
            loss = f"{psnr:.1f}" if psnr < 100 else "lossless"
            write_row(name, f"{size_of / 1e3:.1f}", *sizes, f"{write:.1f}", f"{read:.1f}", loss)


def write_row(*cells):
    sys.stdout.write(f"| {' | '.join(cells)} |\n" if any(cells) else "\n")


if __name__ == "__main__":
    main()
