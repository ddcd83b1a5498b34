"""The files to decode: pictures of folders as they are, and enlarged and saved in each format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base as ExifTag

from model.errors import UnreadablePicture
from model.images import to_rgb

SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "WEBP": (".webp",)}
_ANY = tuple(each for found in SUFFIXES.values() for each in found)
_MODES = {"RGB", "RGBA", "L", "LA", "P"}
_GRAIN = 3.0  # standard deviation of the noise, of 255: a good camera's in daylight
# Levels of effort change the length of a file by little, and how long saving takes by much.
_SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 85, "subsampling": "4:2:0"},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 85, "method": 0},
}


def spread(folders: Sequence[Path], count: int, suffixes: Sequence[str] = _ANY) -> list[bytes]:
    """Files of each folder in equal parts, evenly spread over its names in order.

    Those that no two decoders are agreed about are left out: turned by EXIF, and CMYK.
    """
    found = []
    for number, folder in enumerate(folders):
        part = count * (number + 1) // len(folders) - count * number // len(folders)
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in suffixes]
        chosen = np.linspace(0, len(paths) - 1, min(part, len(paths))).round().astype(int)
        found += [data for at in chosen if _plain(data := paths[at].read_bytes())]
    return found


def _plain(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        upright = image.getexif().get(ExifTag.Orientation, 1) == 1
        return upright and image.mode in _MODES


def opened(data: bytes) -> Image.Image:
    """A file's pixels, RGB."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return to_rgb(image)


def resized(image: Image.Image, megapixels: float, rng: np.random.Generator) -> Image.Image:
    """A picture of another size, its aspect kept; one that is enlarged gets grain.

    A picture without any detail of its finest scale would be decoded faster than a photograph.
    """
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    found = image.resize(size, Image.Resampling.BICUBIC)
    if scale <= 1:
        return found
    grain = rng.standard_normal((size[1], size[0], 1), dtype=np.float32) * _GRAIN
    pixels = np.asarray(found) + grain.round().astype(np.int16)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, name: str) -> bytes:
    """A picture as a file of a format."""
    held = io.BytesIO()
    image.save(held, name, **_SAVED[name])
    return held.getvalue()


def at_size(
    pictures: Sequence[bytes], megapixels: float, rng: np.random.Generator
) -> dict[str, list[bytes]]:
    """Files of all formats, each picture at a size.

    Raises:
        UnreadablePicture: there are none.
    """
    if not pictures:
        raise UnreadablePicture("the folders hold no pictures")
    files: dict[str, list[bytes]] = {name: [] for name in SUFFIXES}
    for picture in pictures:
        image = resized(opened(picture), megapixels, rng)
        for name, found in files.items():
            found.append(saved(image, name))
    return files


def by_format(pictures: Sequence[bytes]) -> dict[str, list[bytes]]:
    """Files as they are, by what they are."""
    files: dict[str, list[bytes]] = {name: [] for name in SUFFIXES}
    for picture in pictures:
        with Image.open(io.BytesIO(picture)) as image:
            if image.format in files:
                files[image.format].append(picture)
    return files
