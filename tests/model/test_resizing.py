"""Resizing: Pillow's, within rounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from model.resizing import resized, shrunk

SIDES = st.integers(1, 900)


def by_pillow(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    bicubic = Image.Resampling.BICUBIC
    return np.asarray(image.resize((width, height), bicubic, reducing_gap=2.0)).astype(int)


def row_by_row(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Across before down. Pillow itself takes whichever is less work, and what it rounds and clips
    between the two differs a little."""
    rows, columns, _ = pixels.shape
    factors = int(columns / width / 2) or 1, int(rows / height / 2) or 1
    image = Image.fromarray(pixels).reduce(factors)
    for size in ((width, image.height), (width, height)):
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image).astype(int)


def noise(rows: int, columns: int, seed: int) -> np.ndarray:
    """The hardest there is: neighbours have nothing in common."""
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


@given(SIDES, SIDES, st.integers(1, 224), st.integers(1, 224), st.integers(0, 2**32 - 1))
@example(500, 500, 224, 224, 0)
@example(896, 448, 112, 56, 0)  # whole blocks first
@example(30, 40, 200, 224, 0)  # enlarged
@example(895, 5, 224, 1, 0)  # a sliver
def test_it_is_pillow_s_within_rounding(
    rows: int, columns: int, height: int, width: int, seed: int
) -> None:
    pixels = noise(rows, columns, seed)
    before = pixels.copy()
    found = resized(pixels, width, height)
    assert found.shape == (height, width, 3)
    blocks = int(columns / width / 2) or 1, int(rows / height / 2) or 1
    if min(width, height) < 32 or columns % blocks[0] or rows % blocks[1]:
        np.testing.assert_array_equal(found, by_pillow(pixels, width, height))
    else:
        # Each pass rounds to a level, and the second weighs what the first made.
        np.testing.assert_allclose(found, row_by_row(pixels, width, height), atol=2)
    np.testing.assert_array_equal(pixels, before)
    # However it came.
    np.testing.assert_array_equal(resized(Image.fromarray(pixels), width, height), found)


@given(SIDES, SIDES, st.integers(1, 224), st.integers(1, 224), st.integers(0, 255))
def test_a_flat_colour_stays_flat(
    rows: int, columns: int, height: int, width: int, level: int
) -> None:
    flat = np.full((rows, columns, 3), (level, 255 - level, 128), np.uint8)
    found = resized(flat, width, height)
    assert (found == found[0, 0]).all()
    if min(width, height) < 32:  # Pillow's, which loses two levels of white on the way to a sliver
        np.testing.assert_array_equal(found, by_pillow(flat, width, height))
    else:
        assert (abs(found[0, 0].astype(int) - flat[0, 0]) <= 1).all()


@given(st.integers(224, 900), st.integers(224, 900), st.integers(0, 2**32 - 1))
@example(320, 225, 0)
def test_hardly_a_level_of_a_smooth_picture_differs(rows: int, columns: int, seed: int) -> None:
    small = Image.fromarray(noise(12, 12, seed))
    smooth = np.array(small.resize((columns, rows), Image.Resampling.BICUBIC))
    apart = abs(resized(smooth, 224, 160) - by_pillow(smooth, 224, 160))
    assert apart.max() <= 2
    # Most where it is halved one way and hardly changed the other: 0.066 of 320 x 225.
    assert (apart > 0).mean() < 0.07


@given(st.integers(1, 5), st.sampled_from([(64, 32), (224, 128), (224, 192)]), st.integers(0, 99))
def test_squares_that_are_shrunk_together_are_each_as_alone(
    count: int, sides: tuple[int, int], seed: int
) -> None:
    side, less = sides
    pixels = np.stack([noise(side, side, seed + i) for i in range(count)])
    found = shrunk(pixels, less)
    assert found.flags.c_contiguous
    for one, alone in zip(found, pixels, strict=True):
        np.testing.assert_array_equal(one, resized(alone, less, less))


@pytest.mark.parametrize("size", [(224, 224), (448, 448)])
def test_a_picture_of_the_right_size_is_left_as_it_is(size: tuple[int, int]) -> None:
    pixels = noise(*size, 2)
    np.testing.assert_array_equal(resized(pixels, *size), pixels)
