"""Pictures that tests draw themselves: products, stand-ins, and bytes that are no pictures."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw


def encoded(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    """The picture's file."""
    held = io.BytesIO()
    image.save(held, format, **options)
    return held.getvalue()


def product(seed: int, width: int = 160, height: int = 120, format: str = "JPEG") -> bytes:
    """Coloured shapes on a light ground; no two seeds alike."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray((rng.random((9, 12, 3)) * 255).astype(np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(0, width // 2), rng.integers(0, height // 2)
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        draw.ellipse((x, y, x + width // 3, y + height // 3), fill=colour)
    return encoded(image, format)


def standin(seed: int, width: int = 160, height: int = 120, format: str = "PNG") -> bytes:
    """Words on a flat grey tile; no two seeds alike."""
    rng = np.random.default_rng(seed)
    grey = int(rng.integers(200, 250))
    image = Image.new("RGB", (width, height), (grey, grey, grey))
    draw = ImageDraw.Draw(image)
    draw.text((int(rng.integers(5, 60)), int(rng.integers(5, 90))), f"no image {seed}", fill=90)
    return encoded(image, format)


def truncated(seed: int = 0) -> bytes:
    """The first half of a JPEG."""
    whole = product(seed, 320, 240)
    return whole[: len(whole) // 2]


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few hundred bytes that says it has ``side`` times ``side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


NOT_PICTURES = {
    "empty": b"",
    "text": b"images/sku-1.jpg",
    "html": b"<html><body>404 Not Found</body></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "truncated": truncated(),
    "zeros": bytes(4096),
    "signature-only": b"\xff\xd8\xff\xe0",
}
