"""Bytes to pixels: every format, every mode, every limit, and files that are broken."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from model.errors import PictureError, PictureTooLarge, UnreadablePicture
from model.images import FORMATS, GREY, Limits, decode, letterbox, thumbnail, to_rgb

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
    inside = (square == colour).all(axis=2)
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
    expected = image.resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(letterbox(image, 32), np.asarray(expected))


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
    assert picture.sha256 == hashlib.sha256(data).hexdigest()


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


def tagged(image: Image.Image, orientation: int, name: str, **options: object) -> bytes:
    """The upright scene as a turned camera stores it, with the tag that undoes the turn."""
    turn = TURNED[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(image if turn is None else image.transpose(turn), name, exif=exif, **options)


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


# --- limits -------------------------------------------------------------------------------------


def test_too_many_bytes_are_refused_with_both_numbers() -> None:
    data = encoded(scene(), "PNG")
    limit = len(data) - 1
    with pytest.raises(PictureTooLarge, match=f"{len(data):,}.*{limit:,}"):
        decode(data, limits=Limits(max_bytes=limit))
    assert decode(data, limits=Limits(max_bytes=len(data))).width == 90


@pytest.mark.parametrize("name", FORMATS)
def test_too_many_pixels_are_refused_with_both_numbers(name: str) -> None:
    data = encoded(scene(), name)
    for read in (decode, thumbnail):
        with pytest.raises(PictureTooLarge, match=r"5,400.*5,399"):
            read(data, limits=Limits(max_pixels=5_399))
    assert decode(data, limits=Limits(max_pixels=5_400)).width == 90


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "BMP"])
def test_the_pixel_limit_is_checked_before_anything_is_decoded(name: str) -> None:
    # Only the header is there: a decoder would find the file truncated.
    whole = encoded(scene(900, 600), name)
    header = whole[: 800 if name in ("JPEG", "GIF") else 60]
    with pytest.raises(UnreadablePicture):
        decode(header)
    with pytest.raises(PictureTooLarge):
        decode(header, limits=Limits(max_pixels=1000))


@pytest.mark.parametrize("side", [7_100, 10_000, 30_000, 2**31 - 1])
def test_a_decompression_bomb_is_too_large(side: int) -> None:
    # Below, within and above Pillow's own two limits, and one that overflows 64 bits.
    with pytest.raises(PictureTooLarge):
        decode(png(side, side, 8, 2, b""))
    bmp = bytearray(encoded(scene(), "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    with pytest.raises(PictureTooLarge):
        decode(bytes(bmp))


def test_a_webp_bomb_is_too_large() -> None:
    data = bytearray(encoded(scene(), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    data[at : at + 4] = struct.pack("<I", 16383 | 16383 << 14)
    with pytest.raises(PictureTooLarge):
        decode(bytes(data))


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = encoded(scene(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data[:-2] + scan * 50 + data[-2:], 16).width == 90
    with pytest.raises(UnreadablePicture, match="scans"):
        decode(data[:-2] + scan * 100 + data[-2:])


# --- broken files -------------------------------------------------------------------------------


@cache
def whole_files() -> dict[str, bytes]:
    """A small valid file of every format, and of the variants that are decoded differently."""
    image = scene(40, 30)
    rgba = image.convert("RGBA")
    rgba.putalpha(image.convert("L"))
    others = [scene(40, 30, seed) for seed in (1, 2)]
    files = {name: encoded(image, name) for name in FORMATS}
    files |= {
        "JPEG progressive": encoded(image, "JPEG", progressive=True),
        "JPEG CMYK": encoded(image.convert("CMYK"), "JPEG"),
        "JPEG turned": tagged(image, 6, "JPEG"),
        "MPO": encoded(image, "MPO", save_all=True, append_images=others),
        "PNG palette": encoded(image.quantize(16), "PNG"),
        "PNG alpha": tagged(rgba, 5, "PNG"),
        "PNG 16-bit": encoded(Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16)), "PNG"),
        "APNG": encoded(image, "PNG", save_all=True, append_images=others),
        "WEBP lossless": encoded(rgba, "WEBP", lossless=True),
        "WEBP animated": encoded(image, "WEBP", save_all=True, append_images=others),
        "GIF animated": encoded(image, "GIF", save_all=True, append_images=others),
        "BMP palette": encoded(image.quantize(16), "BMP"),
        "AVIF alpha": encoded(rgba, "AVIF"),
        "TIFF LZW": encoded(image, "TIFF", compression="tiff_lzw"),
        "TIFF deflate": tagged(rgba, 7, "TIFF", compression="tiff_deflate"),
        "TIFF pages": encoded(image, "TIFF", save_all=True, append_images=others),
        "TIFF float": encoded(image.convert("F"), "TIFF"),
        "TIFF LAB": encoded(Image.new("LAB", (40, 30), (99, 120, 140)), "TIFF"),
    }
    return files


NAMES = st.sampled_from(sorted(whole_files()))


# Cut files of several pictures may hold a whole first one; they are fuzzed below.
SINGLE = NAMES.filter(lambda name: name not in ("MPO", "APNG", "GIF animated", "TIFF pages"))


@given(SINGLE, st.floats(0, 1))
def test_a_truncated_file_is_an_error_that_says_so(name: str, share: float) -> None:
    data = whole_files()[name]
    # From where the format can be told to where only end markers and checksums are missing.
    cut = 16 + int(share * (len(data) - 16 - 64))
    for read in (decode, thumbnail):
        with pytest.raises(UnreadablePicture, match="truncated"):
            read(data[:cut])


@given(st.integers(1, 60_000))
def test_a_large_jpeg_that_lacks_its_end_is_an_error(missing: int) -> None:
    # Large enough to be decoded at a fraction of its size.
    data = large_jpeg()
    with pytest.raises(UnreadablePicture, match="truncated"):
        decode(data[:-missing], 32)


@cache
def large_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG")
    assert len(data) > 60_000
    return data


@given(
    NAMES,
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6),
    st.floats(0, 1),
    st.booleans(),
)
def test_whatever_is_broken_only_our_errors_come_out(
    name: str, edits: list[tuple[float, bytes]], share: float, cut: bool
) -> None:
    data = bytearray(whole_files()[name])
    for place, new in edits:
        # Squared: the headers, where every byte means something, are hit more often.
        at = int(place * place * len(data))
        data[at : at + len(new)] = new
    broken = bytes(data[: int(share * len(data))] if cut else data)
    for read in (lambda each: decode(each, 16).pixels.shape, thumbnail):
        # Anything else that is raised fails the test, warnings included.
        with contextlib.suppress(PictureError):
            assert read(broken)


def test_the_decoders_own_error_is_kept_as_the_cause() -> None:
    with pytest.raises(UnreadablePicture) as caught:
        decode(encoded(scene(), "PNG")[:900])
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("junk", [b"\x12\x34", b"\0" * 999, b"\xff\xd8\xff\xd9"])
def test_what_browsers_forgive_is_forgiven(junk: bytes) -> None:
    image = scene()
    data = encoded(image, "JPEG")
    expected = letterbox(image, 32).astype(int)
    for forgiven in (data + junk, data[:-2] + b"\x12\x34" + data[-2:]):
        assert np.abs(decode(forgiven, 32).pixels - expected).mean() < 3


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


# --- threads ------------------------------------------------------------------------------------


def test_threads_do_not_disturb_each_other() -> None:
    files = [*whole_files().values(), *(data[:50] for data in whole_files().values())] * 4

    def outcome(data: bytes) -> object:
        try:
            return decode(data, 16).pixels.tobytes()
        except PictureError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, files)) == [outcome(data) for data in files]
