"""Perceptual hashes against another implementation of their definition, and against shops."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model import images, standins
from model.errors import SupportError
from model.experts.hashing import UNRELATED, distance, is_plain, perceptual_hash

SIDE = 224
seeds = st.integers(0, 2**32 - 1)
any_hash = st.integers(0, 2**64 - 1)


def hashed(*pictures: Image.Image) -> np.ndarray:
    boxed = np.array([images.letterbox(each, SIDE) for each in pictures])
    return perceptual_hash(boxed, np.array([each.size for each in pictures]))


def apart(a: Image.Image, b: Image.Image) -> int:
    return int(distance(hashed(a), hashed(b))[0])


def stand_in(seed: int, kind: str = "mixed") -> Image.Image:
    rng = np.random.default_rng(seed)
    return standins.draw(kind, rng, standins.builtin_resources()).image


@given(seeds)
def test_bits_are_low_frequencies_clearly_above_their_median(seed: int) -> None:
    """SciPy's transform of block means: what ImageHash and imagededup compute."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (28, 28), dtype=np.uint8)
    grey = np.kron(coarse, np.ones((8, 8), np.uint8))
    got = perceptual_hash(np.stack([grey] * 3, -1)[None], np.array([[SIDE, SIDE]]))[0]
    small = grey.reshape(32, 7, 32, 7).mean((1, 3))
    frequencies = scipy.fft.dctn(small, type=2)[:8, :8].ravel()
    above = frequencies / 4 - np.median(frequencies) / 4 - 16  # SciPy's scale is 2 an axis
    bits = np.unpackbits(np.array([got], ">u8").view(np.uint8)).astype(bool)
    clear = np.abs(above) > 1e-3 * np.abs(frequencies).max()  # ours is in single precision
    np.testing.assert_array_equal(bits[clear], above[clear] > 0)
    assert clear.sum() >= 32


@given(st.lists(st.tuples(seeds, st.integers(1, 300), st.integers(1, 300)), max_size=4))
def test_a_batch_equals_one_by_one(cases: list[tuple[int, int, int]]) -> None:
    pictures = []
    for seed, width, height in cases:
        noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        pictures.append(Image.fromarray(noise).resize((width, height)))
    boxed = np.array([images.letterbox(each, SIDE) for each in pictures], np.uint8)
    sizes = np.array([each.size for each in pictures], np.int64).reshape(-1, 2)
    whole = perceptual_hash(boxed.reshape(-1, SIDE, SIDE, 3), sizes)
    assert whole.dtype == np.uint64
    assert whole.tolist() == [int(hashed(each)[0]) for each in pictures]


def test_recompressed_and_scaled_pictures_stay_near() -> None:
    """Most, not all: of the faintest drawings the transform keeps little but noise."""
    found = []
    for seed in range(64):
        rng = np.random.default_rng(seed)
        picture = stand_in(seed, standins.KINDS[seed % len(standins.KINDS)])
        scale, file = rng.uniform(0.5, 1), io.BytesIO()
        small = tuple(max(1, round(side * scale)) for side in picture.size)
        quality = int(rng.integers(40, 95))
        picture.resize(small, Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
        found.append(apart(picture, images.decode_image(file.getvalue())))
    assert np.median(found) <= 2
    assert np.mean(np.array(found) <= 8) >= 0.9


def test_different_pictures_are_about_half_of_the_bits_apart() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    found = hashed(*(Image.fromarray(each).resize((SIDE, SIDE)) for each in noise))
    table = distance(found[:, None], found[None])
    assert (np.diag(table) == 0).all()
    others = table[np.triu_indices(len(found), 1)]
    assert abs(others.mean() - UNRELATED) < 1.5
    assert others.min() > 8


@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3))
def test_plain_tiles_compare_by_colour(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
    one, other = (Image.new("RGB", (120, 80), each) for each in (a, b))
    assert is_plain(hashed(one, other)).all()
    greatest = max(abs(x - y) for x, y in zip(a, b, strict=True))
    assert apart(one, other) == min(64, 2 * greatest)


@given(seeds)
def test_no_other_picture_has_the_hash_of_a_plain_tile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    for pixels in (values, values // 16 + 100, np.kron(values[:8, :8, :1], np.ones((28, 28, 3)))):
        found = perceptual_hash(pixels.astype(np.uint8)[None], np.array([[SIDE, SIDE]]))
        assert is_plain(found)[0] or np.bitwise_count(found)[0] <= 32


def test_a_plain_tile_is_unlike_a_drawing_and_like_its_recompressed_self() -> None:
    white, drawing = Image.new("RGB", (200, 200), (255, 255, 255)), stand_in(3)
    assert apart(white, drawing) == UNRELATED
    file = io.BytesIO()
    Image.new("RGB", (200, 200), (238, 236, 231)).save(file, "JPEG", quality=30)
    again = images.decode_image(file.getvalue())
    assert apart(Image.new("RGB", (90, 90), (238, 236, 231)), again) <= 8
    assert apart(white, Image.new("RGB", (200, 200), (238, 238, 238))) > 30


@given(any_hash, any_hash, any_hash)
def test_distance_is_a_distance(a: int, b: int, c: int) -> None:
    x, y, z = (np.array([each], np.uint64) for each in (a, b, c))
    assert distance(x, x) == 0
    assert distance(x, y) == distance(y, x) <= 64
    if not is_plain(np.concatenate([x, y, z])).any():
        assert int(distance(x, y)[0]) == (a ^ b).bit_count()
        assert int(distance(x, z)[0]) <= int(distance(x, y)[0]) + int(distance(y, z)[0])


@given(st.lists(any_hash, max_size=5), st.lists(any_hash, max_size=5))
def test_a_table_holds_the_distances_of_pairs(a: list[int], b: list[int]) -> None:
    plain = 0xFFFF_FFFF_FF00_0000  # so that tiles are among them
    one = np.array([each | plain if each % 3 == 0 else each for each in a], np.uint64)
    other = np.array([each | plain if each % 3 == 0 else each for each in b], np.uint64)
    table = distance(one[:, None], other[None])
    assert table.shape == (len(one), len(other))
    for i in range(len(one)):
        for j in range(len(other)):
            assert table[i, j] == distance(one[i : i + 1], other[j : j + 1])[0]


def test_the_bars_of_the_letterbox_do_not_count() -> None:
    picture = stand_in(5).resize((200, 90))
    pixels = images.letterbox(picture, SIDE)
    repainted = pixels.copy()
    repainted[:50], repainted[-50:] = 0, 255
    sizes = np.array([[200, 90]])
    assert perceptual_hash(pixels[None], sizes) == perceptual_hash(repainted[None], sizes)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(SupportError, match="1 and 2"):
        perceptual_hash(np.zeros((1, SIDE, SIDE, 3), np.uint8), np.ones((2, 2), np.int64))
