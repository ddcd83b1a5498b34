"""Pictures for tests: drawn, encoded and turned here, so that no file is needed."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}, "BMP": {}, "TIFF": {}}
ORIENTATION = 0x0112
# What a camera does to an upright scene before it writes the tag: the inverse of what undoes it.
TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(width: int = 90, height: int = 60, seed: int = 0) -> Image.Image:
    """A smooth coloured picture, no two corners alike, that survives lossy compression."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    if "append_images" in options:
        options["append_images"] = [each.copy() for each in options["append_images"]]
    # Copies, as saving in one format leaves traces that disturb saving in the next.
    image.copy().save(out, name, **options)
    return out.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    extra = b"".join(chunk(each[:4], each[4:]) for each in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tagged(image: Image.Image, orientation: int, name: str, **options: object) -> bytes:
    """The upright scene as a turned camera stores it, with the tag that undoes the turn."""
    turn = TURNED[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(image if turn is None else image.transpose(turn), name, exif=exif, **options)
