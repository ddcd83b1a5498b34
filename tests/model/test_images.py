"""Bytes to pixels: every format, every mode, every orientation."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from model.errors import UnreadablePicture
from model.images import FORMATS, GREY, decode, letterbox, thumbnail, to_rgb
from tests.model.pictures import LOSSLESS, ORIENTATION, TURNED, encoded, png, scene, tagged


def middle(data: bytes, size: int = 8) -> list[int]:
    """The colour in the middle of a decoded picture."""
    return decode(data, size).pixels[size // 2, size // 2].tolist()


# --- the square ---------------------------------------------------------------------------------


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 64))
def test_letterbox_keeps_the_whole_picture_centred_on_grey(
    width: int, height: int, size: int
) -> None:
    colour = (250, 3, 77)
    square = letterbox(Image.new("RGB", (width, height), colour), size)
    assert square.shape == (size, size, 3)
    # To one level: Pillow weighs in fixed point, and hundreds of weights may not add up to one.
    inside = (np.abs(square.astype(int) - colour) <= 1).all(axis=2)
    assert (square[~inside] == GREY).all()
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    tall, wide = len(rows), len(columns)
    # One solid rectangle, along the longer side as wide as the square.
    assert inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert max(tall, wide) == size
    assert wide == size if width >= height else tall == size
    # The other side keeps the aspect to half a pixel, and never vanishes.
    assert abs(wide - max(1, size * width / max(width, height))) <= 0.5
    assert abs(tall - max(1, size * height / max(width, height))) <= 0.5
    # Centred to a pixel.
    assert abs(rows[0] - (size - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (size - 1 - columns[-1])) <= 1


def test_letterbox_is_pillows_resize_where_nothing_is_padded() -> None:
    image = scene(48, 48)
    expected = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(letterbox(image, 32), expected.astype(int), atol=1)


def test_words_at_the_edge_are_still_there() -> None:
    image = Image.new("RGB", (400, 100), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 19, 99), fill="black")
    pixels = decode(encoded(image, "PNG"), 80).pixels
    assert (pixels[40, :3] < 20).all()
    assert (pixels[40, 5:] > 235).all()


@pytest.mark.parametrize("image", [Image.new("L", (4, 4)), Image.new("RGB", (0, 4))])
def test_letterbox_refuses_what_is_not_a_picture_in_rgb(image: Image.Image) -> None:
    with pytest.raises(ValueError, match="RGB"):
        letterbox(image, 8)


# --- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_the_very_pixels(name: str) -> None:
    image = scene()
    data = encoded(image, name, **LOSSLESS[name])
    picture = decode(data, 64)
    np.testing.assert_array_equal(picture.pixels, letterbox(image, 64))
    assert (picture.width, picture.height, picture.format) == (90, 60, name)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(90, 60), (1300, 700), (700, 1300)])
def test_every_format_gives_nearly_the_same_pixels(name: str, size: tuple[int, int]) -> None:
    image = scene(*size)
    picture = decode(encoded(image, name), 224)
    assert (picture.width, picture.height, picture.format) == (*size, name)
    # GIF has 256 colours.
    tolerance = 6 if name == "GIF" else 3
    difference = picture.pixels.astype(int) - letterbox(image, 224)
    assert np.abs(difference).mean() < tolerance


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (10_000, 1), (1, 10_000)])
def test_tiny_and_extremely_long_pictures_are_pictures(name: str, size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size, (40, 40, 40)), name)
    picture = decode(data, 32)
    assert (picture.width, picture.height) == size
    assert np.abs(picture.pixels.astype(int) - 40).min() <= 3
    assert decode(thumbnail(data, 64), 32).pixels.shape == (32, 32, 3)


@given(st.binary(max_size=64))
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UnreadablePicture):
        decode(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"sku,url\n1,https://", "none of them"),
    ],
)
def test_a_hint_says_what_came_instead(data: bytes, words: str) -> None:
    with pytest.raises(UnreadablePicture, match=words):
        decode(data)


@pytest.mark.parametrize("name", ["ICO", "PPM", "TGA", "JPEG2000", "PCX", "DDS", "SGI", "XBM"])
def test_formats_that_nobody_sends_are_not_tried(name: str) -> None:
    image = scene(32, 32).convert("1") if name == "XBM" else scene(32, 32)
    with pytest.raises(UnreadablePicture, match="JPEG, PNG"):
        decode(encoded(image, name))


# --- the first of several pictures --------------------------------------------------------------


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_the_first_frame_or_page_counts(name: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], name, save_all=True, append_images=frames[1:])
    picture = decode(data, 8)
    assert picture.format == ("JPEG" if name == "MPO" else name)
    assert np.abs(picture.pixels.astype(int) - (255, 0, 0)).max() <= 4


# --- modes --------------------------------------------------------------------------------------


def adobe_cmyk() -> bytes:
    """Red in CMYK, stored inverted, as Photoshop and Pillow both do."""
    return encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)


def transparent_palette() -> bytes:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(image, "PNG", transparency=b"\xff\x80")


GREYS = np.full((4, 4), 0.25)
MODES: list[tuple[str, Callable[[], bytes], tuple[int, int, int]]] = [
    ("bilevel", lambda: encoded(Image.new("1", (4, 4), 1), "PNG"), (255, 255, 255)),
    ("grey", lambda: encoded(Image.new("L", (4, 4), 90), "PNG"), (90, 90, 90)),
    ("grey JPEG", lambda: encoded(Image.new("L", (16, 16), 90), "JPEG"), (90, 90, 90)),
    ("grey, alpha", lambda: encoded(Image.new("LA", (4, 4), (0, 51)), "PNG"), (204, 204, 204)),
    ("alpha 0", lambda: encoded(Image.new("RGBA", (4, 4)), "PNG"), (255, 255, 255)),
    (
        "half red",
        lambda: encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG"),
        (255, 127, 127),
    ),
    (
        "half red WebP",
        lambda: encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "WEBP", lossless=True),
        (255, 127, 127),
    ),
    ("half blue of a palette", transparent_palette, (127, 127, 255)),
    (
        "key colour",
        lambda: encoded(Image.new("RGB", (4, 4), (9, 8, 7)), "PNG", transparency=(9, 8, 7)),
        (255, 255, 255),
    ),
    (
        "transparent GIF",
        lambda: encoded(Image.new("P", (4, 4), 0), "GIF", transparency=0),
        (255, 255, 255),
    ),
    ("inverted CMYK JPEG", adobe_cmyk, (255, 0, 0)),
    (
        "CMYK TIFF",
        lambda: encoded(Image.new("CMYK", (4, 4), (0, 0, 255, 0)), "TIFF"),
        (255, 255, 0),
    ),
    ("LAB TIFF", lambda: encoded(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF"), (255,) * 3),
    (
        "16-bit grey",
        lambda: encoded(Image.fromarray((GREYS * 65535).astype(np.uint16)), "PNG"),
        (64, 64, 64),
    ),
    (
        "16-bit grey TIFF",
        lambda: encoded(Image.fromarray((GREYS * 65535).astype(np.uint16)), "TIFF"),
        (64, 64, 64),
    ),
    (
        "16-bit colour",
        lambda: png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 65535, 257 * 100, 0)),
        (255, 100, 0),
    ),
    (
        "16-bit grey, key",
        lambda: png(1, 1, 16, 0, b"\0" + struct.pack(">H", 777), b"tRNS" + struct.pack(">H", 777)),
        (255, 255, 255),
    ),
    (
        "16-bit grey, alpha",
        lambda: png(1, 1, 16, 4, b"\0" + struct.pack(">HH", 0, 65535 // 5)),
        (204, 204, 204),
    ),
    ("32-bit TIFF", lambda: encoded(Image.new("I", (4, 4), 65535 // 3), "TIFF"), (85, 85, 85)),
    ("float TIFF", lambda: encoded(Image.fromarray(GREYS.astype(np.float32)), "TIFF"), (64,) * 3),
]


@pytest.mark.parametrize(("make", "colour"), [m[1:] for m in MODES], ids=[m[0] for m in MODES])
def test_every_mode_becomes_the_colour_that_people_see(
    make: Callable[[], bytes], colour: tuple[int, int, int]
) -> None:
    assert np.abs(np.subtract(middle(make()), colour)).max() <= 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 257.0 * 9, 65535.0], [0, 9, 255]),
        ([-3.0, 0.0, 3.0], [0, 128, 255]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([7e9, 7e9, 7e9], [0, 0, 0]),
    ],
)
def test_floats_are_read_in_the_range_that_they_use(
    values: list[float], expected: list[int]
) -> None:
    image = to_rgb(Image.fromarray(np.array([values], dtype=np.float32)))
    assert np.asarray(image)[0, :, 0].tolist() == expected


@given(st.integers(0, 65535))
def test_sixteen_bits_are_rounded_to_eight(value: int) -> None:
    image = to_rgb(Image.fromarray(np.full((1, 1), value, dtype=np.uint16)))
    assert image.getpixel((0, 0)) == (round(value / 257),) * 3


# --- orientation --------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_a_turned_picture_equals_the_upright_one(name: str, orientation: int) -> None:
    image = scene(90, 61)
    upright = decode(encoded(image, "PNG"), 64)
    turned = decode(tagged(image, orientation, name, **LOSSLESS[name]), 64)
    np.testing.assert_array_equal(turned.pixels, upright.pixels)
    assert (turned.width, turned.height) == (90, 61)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["JPEG", "AVIF"])
@pytest.mark.parametrize("size", [(90, 61), (1600, 900)])
def test_a_turned_photograph_is_turned_upright(
    name: str, orientation: int, size: tuple[int, int]
) -> None:
    image = scene(*size)
    turned = decode(tagged(image, orientation, name), 64)
    assert (turned.width, turned.height) == size
    assert np.abs(turned.pixels.astype(int) - letterbox(image, 64)).mean() < 3


@pytest.mark.parametrize("orientation", TURNED)
def test_a_turned_jpeg_equals_its_really_turned_pixels(orientation: int) -> None:
    data = tagged(scene(90, 61), orientation, "JPEG")
    # Pillow's full decoder and its own reading of the tag, then a lossless file.
    with Image.open(io.BytesIO(data)) as stored:
        really = UNDO[orientation](stored)
    np.testing.assert_array_equal(
        decode(data, 64).pixels, decode(encoded(really, "PNG"), 64).pixels
    )


# By numpy, with no word of Pillow's about orientation: rows and columns as the EXIF standard has
# them (0th row at the visual top, left, bottom or right).
UNDO: dict[int, Callable[[Image.Image], Image.Image]] = {
    1: lambda image: image.copy(),
    2: lambda image: Image.fromarray(np.asarray(image)[:, ::-1].copy()),
    3: lambda image: Image.fromarray(np.asarray(image)[::-1, ::-1].copy()),
    4: lambda image: Image.fromarray(np.asarray(image)[::-1].copy()),
    5: lambda image: Image.fromarray(np.asarray(image).transpose(1, 0, 2).copy()),
    6: lambda image: Image.fromarray(np.rot90(np.asarray(image), -1).copy()),
    7: lambda image: Image.fromarray(np.rot90(np.asarray(image), 2).transpose(1, 0, 2).copy()),
    8: lambda image: Image.fromarray(np.rot90(np.asarray(image), 1).copy()),
}


@given(st.binary(max_size=80))
def test_a_damaged_exif_block_does_not_spoil_the_picture(noise: bytes) -> None:
    image = scene()
    for name in ("PNG", "WEBP", "JPEG"):
        data = encoded(image, name, exif=b"Exif\0\0" + noise)
        assert decode(data, 16).pixels.shape == (16, 16, 3)


# --- thumbnails ---------------------------------------------------------------------------------


def test_a_thumbnail_is_a_small_upright_webp_without_metadata() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "taken at home"
    turned = scene(900, 600).transpose(Image.Transpose.ROTATE_90)
    data = encoded(turned, "JPEG", exif=exif, comment=b"secret", icc_profile=b"profile")
    small = thumbnail(data, 128)
    with Image.open(io.BytesIO(small)) as image:
        assert (image.format, image.size) == ("WEBP", (128, 85))
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
    assert b"secret" not in small
    assert b"home" not in small
    difference = decode(small, 64).pixels.astype(int) - decode(data, 64).pixels
    assert np.abs(difference).mean() < 4


def test_a_small_picture_is_not_enlarged() -> None:
    with Image.open(io.BytesIO(thumbnail(encoded(scene(30, 20), "PNG")))) as image:
        assert image.size == (30, 20)


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(30, 20), (64, 41), (700, 333), (333, 1000), (900, 3)])
@pytest.mark.parametrize("longest", [64, 100])
def test_a_thumbnail_made_beside_decoding_is_the_one_made_alone(
    name: str, size: tuple[int, int], longest: int
) -> None:
    """Where it has the square's size it is cut out of it, and else it is made anew."""
    data = encoded(scene(*size), name)
    beside = decode(data, 64, thumbnail=longest).thumbnail
    assert beside is not None
    with (
        Image.open(io.BytesIO(beside)) as one,
        Image.open(io.BytesIO(thumbnail(data, longest))) as other,
    ):
        # A JPEG that was shrunk while it was decoded is rounded on the way.
        assert max(one.size) == max(other.size)
        assert np.abs(np.subtract(one.size, other.size)).max() <= 1
        other = other.resize(one.size)
        difference = np.asarray(one.convert("RGB")).astype(int) - np.asarray(other.convert("RGB"))
        assert np.abs(difference).mean() < 3
    assert decode(data, 64).thumbnail is None
