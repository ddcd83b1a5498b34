"""Counting in C against counting with NumPy, and both against slow arithmetic."""

from __future__ import annotations

import shutil
import sysconfig
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experts import compiled, counting
from model.experts.area import luma_of
from model.experts.counting import GRID, Counts, count, count_with_numpy

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(counting.LEAST, 90)


def area(seed: int, height: int, width: int) -> np.ndarray:
    """Noise, a flat tile, a tile with a thing on it, or few levels of noise on two halves."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    sort = rng.integers(4)
    if sort:
        pixels[:] = rng.integers(0, 256, 3)
    if sort == 2:
        pixels[height // 4 : height // 2, width // 3 : width // 2] = rng.integers(0, 256, 3)
    if sort == 3:
        pixels[:, : width // 2] = rng.integers(0, 256, 3)
        pixels //= rng.integers(1, 4, dtype=np.uint8)
        pixels += rng.integers(0, 30, pixels.shape, np.uint8)
    return pixels


def assert_same(found: Counts, wanted: Counts) -> None:
    for each in fields(Counts):
        one, other = getattr(found, each.name), getattr(wanted, each.name)
        np.testing.assert_array_equal(one, other, err_msg=each.name)


def test_where_there_is_a_compiler_it_was_used() -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip("no compiler: pictures are counted with NumPy")
    assert compiled.available()


@given(seeds, sides, sides, st.booleans())
def test_both_ways_count_the_same(seed: int, height: int, width: int, within: bool) -> None:
    pixels = area(seed, height, width)
    if within:  # a letterbox, whose rows are longer than the picture's
        whole = np.zeros((height + 3, width + 5, 3), np.uint8)
        whole[2:-1, 1:-4] = pixels
        pixels = whole[2:-1, 1:-4]
    assert_same(count(pixels), count_with_numpy(pixels))


@pytest.mark.parametrize("shape", [(224, 224), (448, 448), (448, 16), (16, 448), (222, 301)])
@pytest.mark.parametrize("seed", range(8))
def test_both_ways_count_the_same_in_what_is_large(shape: tuple[int, int], seed: int) -> None:
    pixels = area(seed, *shape)
    assert_same(count(pixels), count_with_numpy(pixels))


@pytest.mark.parametrize("level", [0, 255])
def test_the_most_of_one_thing_fits(level: int) -> None:
    pixels = np.full((448, 448, 3), level, np.uint8)
    pixels[::2] = 255 - level
    assert_same(count(pixels), count_with_numpy(pixels))


@given(seeds, st.integers(1, 20), st.integers(1, 20))
def test_slivers_and_what_is_too_large_are_counted_as_well(seed: int, one: int, other: int) -> None:
    pixels = area(seed, one, other)
    assert_same(count(pixels), count_with_numpy(pixels))


def test_what_is_larger_than_the_compiled_counter_takes_is_counted_with_numpy() -> None:
    pixels = area(7, 30, 500)
    assert compiled.count(pixels) is None
    assert_same(count(pixels), count_with_numpy(pixels))


@given(seeds, st.integers(1, 70), st.integers(1, 70))
def test_cells_of_the_grid_are_sums_by_overlap(seed: int, height: int, width: int) -> None:
    """As if each pixel were GRID x GRID of its own, and each cell height x width of those."""
    pixels = area(seed, height, width)
    luma = luma_of(np.ascontiguousarray(pixels.transpose(2, 0, 1))).astype(np.int64)
    fine = luma.repeat(GRID, axis=0).repeat(GRID, axis=1)
    wanted = fine.reshape(GRID, height, GRID, width).sum((1, 3))
    np.testing.assert_array_equal(count(pixels).grid, wanted)


@given(seeds, sides, sides)
def test_counts_are_what_they_say(seed: int, height: int, width: int) -> None:
    pixels = area(seed, height, width)
    found = count(pixels)
    assert (found.red, found.green, found.blue) == tuple(pixels.sum((0, 1), dtype=np.int64))
    planes = pixels.astype(np.int64)
    # R/4 + G/2 + B/4, rounded up at each of its two means.
    luma = ((planes[..., 0] + planes[..., 2] + 1) // 2 + planes[..., 1] + 1) // 2
    across, down = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma, axis=0))
    assert (found.across, found.down) == (across.sum(), down.sum())
    for name, limit in (("still", 1), ("faint", 4), ("shaded", 16), ("edged", 64)):
        assert getattr(found, name) == (across < limit).sum() + (down < limit).sum()
    half = height // 2 * (width // 2)
    assert found.levels.sum() == found.colours.sum() == found.saturation.sum() == half
    assert found.levels[1].sum() == found.columns.sum() == found.rows.sum()
    assert (np.diff(found.colours) <= 0).all()
    assert found.ranges.sum() == (height // 8) * (width // 8)
    assert found.quarter.sum() == (height // 4) * (width // 4)


def test_another_machines_library_is_none(tmp_path: Path) -> None:
    assert compiled.load(tmp_path) is None
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    (tmp_path / f"_counting{suffix}").write_bytes(b"no library")
    assert compiled.load(tmp_path) is None
