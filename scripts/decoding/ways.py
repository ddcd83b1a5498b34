"""Ways to come from a file to the square that the encoder takes, ours and other people's.

All of them fit the whole picture into the square and pad with the same grey, so that what differs
is how the file is decoded and how it is made smaller. A library that is not there is skipped.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image, features

from model.images import GREY, Limits, decode, to_rgb

SIZE = 224
FORMATS = ("JPEG", "PNG", "WEBP")
REFERENCE = "pillow"
# Twelve megapixels of noise as PNG are more than the service takes; here they are to be measured.
_LIMITS = Limits(max_bytes=2**28)

Square: TypeAlias = UInt8[np.ndarray, "224 224 3"]


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        formats: of files that it takes, and does something of its own with.
        square: a whole file's bytes to pixels of shape (224, 224, 3).
    """

    name: str
    title: str
    formats: tuple[str, ...]
    square: Callable[[bytes], Square]


def fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """A size whose longer side is ``longest``; no side falls below 1."""
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def placed(pixels: UInt8[np.ndarray, "h w 3"]) -> Square:
    """Pixels that fit into the square, in its middle."""
    height, width = pixels.shape[:2]
    square = np.full((SIZE, SIZE, 3), GREY, dtype=np.uint8)
    left, top = (SIZE - width) // 2, (SIZE - height) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def _bicubic(image: Image.Image, gap: float | None = None) -> Square:
    size = fitted(*image.size, SIZE)
    resized = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=gap)
    return placed(np.asarray(resized))


def _pillow(data: bytes) -> Square:
    with Image.open(io.BytesIO(data)) as image:
        return _bicubic(to_rgb(image))


def _draft(longest: int) -> Callable[[bytes], Square]:
    def square(data: bytes) -> Square:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", fitted(*image.size, min(longest, max(image.size))))
            return _bicubic(to_rgb(image), 2.0)

    return square


def _simplejpeg(longest: int) -> Callable[[bytes], Square]:
    def square(data: bytes) -> Square:
        if not longest:
            return _bicubic(Image.fromarray(simplejpeg.decode_jpeg(data)))
        rows, columns, *_ = simplejpeg.decode_jpeg_header(data)
        least = {"min_height": longest} if rows > columns else {"min_width": longest}
        return _bicubic(Image.fromarray(simplejpeg.decode_jpeg(data, **least)), 2.0)

    return square


def _halves(data: bytes) -> Square:
    """Shrunk by halves alone while decoding, which libjpeg-turbo does with vector instructions."""
    rows, columns, *_ = simplejpeg.decode_jpeg_header(data)
    longer = max(rows, columns)
    while longer >= 4 * SIZE and longer * 8 > max(rows, columns):
        longer = -(-longer // 2)
    least = {"min_height": longer} if rows > columns else {"min_width": longer}
    return _bicubic(Image.fromarray(simplejpeg.decode_jpeg(data, **least)), 2.0)


def _opencv(cv2: ModuleType, flag: int) -> Callable[[bytes], Square]:
    def square(data: bytes) -> Square:
        # Transparency is dropped, not put on white: what this flag means.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
        height, width = pixels.shape[:2]
        size = fitted(width, height, SIZE)
        return placed(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)[..., ::-1])

    return square


def _turbojpeg(module: ModuleType) -> Callable[[bytes], Square]:
    turbo = module.TurboJPEG()
    factors = sorted(
        (over / under, (over, under)) for over, under in turbo.scaling_factors if over <= under
    )

    def square(data: bytes) -> Square:
        longer = max(turbo.decode_header(data)[:2])
        enough = [exact for scale, exact in factors if np.ceil(longer * scale) >= 2 * SIZE]
        scale = enough[0] if enough else None
        pixels = turbo.decode(data, pixel_format=module.TJPF_RGB, scaling_factor=scale)
        return _bicubic(Image.fromarray(pixels), 2.0)

    return square


def _vips(pyvips: ModuleType) -> Callable[[bytes], Square]:
    # Else it would remember the picture of the round before.
    pyvips.cache_set_max(0)

    def square(data: bytes) -> Square:
        image = pyvips.Image.thumbnail_buffer(data, SIZE, height=SIZE)
        if image.hasalpha():
            image = image.flatten(background=[255, 255, 255])
        if image.bands != 3 or image.format != "uchar":
            image = image.colourspace("srgb").cast("uchar")
        return placed(np.asarray(image.numpy()))

    return square


def _peers() -> Mapping[str, Callable[[], tuple[str, list[Way]]]]:
    """By title, what gives a library's version and its ways; fails where it is not there."""

    def opencv() -> tuple[str, list[Way]]:
        cv2: Any = importlib.import_module("cv2")
        cv2.setNumThreads(1)
        half = "OpenCV, IMREAD_REDUCED_COLOR_2, INTER_AREA"
        return cv2.__version__, [
            Way("opencv", "OpenCV, full, INTER_AREA", FORMATS, _opencv(cv2, cv2.IMREAD_COLOR)),
            Way("opencv2", half, FORMATS, _opencv(cv2, cv2.IMREAD_REDUCED_COLOR_2)),
        ]

    def turbojpeg() -> tuple[str, list[Way]]:
        square = _turbojpeg(importlib.import_module("turbojpeg"))
        title = "PyTurboJPEG, at least 448, bicubic"
        return version("PyTurboJPEG"), [Way("turbojpeg", title, ("JPEG",), square)]

    def vips() -> tuple[str, list[Way]]:
        os.environ.setdefault("VIPS_CONCURRENCY", "1")  # read when it is loaded
        pyvips: Any = importlib.import_module("pyvips")
        number = ".".join(str(pyvips.version(part)) for part in range(3))
        return number, [Way("vips", "pyvips thumbnail_buffer", FORMATS, _vips(pyvips))]

    return {"OpenCV": opencv, "PyTurboJPEG": turbojpeg, "libvips": vips}


def installed() -> tuple[list[Way], dict[str, str], list[str]]:
    """The ways that this machine has, versions of their libraries, and a line for each missing."""
    jpeg = ("JPEG",)
    ways = [
        Way("ours", "ours", FORMATS, lambda data: decode(data, SIZE, _LIMITS).pixels),
        Way(REFERENCE, "Pillow, full, bicubic (reference)", FORMATS, _pillow),
        Way("draft448", "Pillow, draft(448), bicubic", jpeg, _draft(2 * SIZE)),
        Way("draft224", "Pillow, draft(224), bicubic", jpeg, _draft(SIZE)),
        Way("simplejpeg", "simplejpeg, full, bicubic", jpeg, _simplejpeg(0)),
        Way("halves", "simplejpeg, at least 448 by halves alone, bicubic", jpeg, _halves),
        Way("simplejpeg224", "simplejpeg, at least 224, bicubic", jpeg, _simplejpeg(SIZE)),
    ]
    turbo = features.version("libjpeg_turbo")
    versions = {"libjpeg-turbo of Pillow": turbo} if turbo else {}
    skipped = []
    for title, find in _peers().items():
        try:
            number, found = find()
        # A library's library may be missing, too, which each says by an error of its own.
        except (ImportError, OSError, RuntimeError) as error:
            why = str(error).partition("\n")[0]
            skipped.append(f"skipped {title}: {why} (the extra `decoders` has it)")
            continue
        versions[title] = number
        ways += found
    return ways, versions, skipped


def of_format(ways: Sequence[Way], name: str) -> list[Way]:
    """Those that take a format."""
    return [way for way in ways if name in way.formats]
