"""Pictures that are too large, broken or odd: only our own errors come out."""

from __future__ import annotations

import contextlib
import struct
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.errors import PictureError, PictureTooLarge, UnreadablePicture
from model.images import FORMATS, Limits, _scans, decode, letterbox, thumbnail
from tests.model.pictures import encoded, png, scene, tagged

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


@given(st.lists(st.sampled_from([b"\xff\xda", b"\xff", b"\xda", b"\0"]), min_size=1, max_size=40))
def test_scans_are_counted_wherever_they_begin(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert _scans(data) == data.count(b"\xff\xda")


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
