"""Statistics against what is known of a picture, and against slow arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from model.errors import SupportError
from model.experts.statistics import STATISTICS, statistics
from model.images import decode, letterbox
from tests.model.pictures import encoded, scene

SIDE = 224


def of(pixels: np.ndarray, width: int = SIDE, height: int = SIDE) -> dict[str, float]:
    """Numbers of one letterboxed picture by name."""
    row = statistics(pixels[None], np.array([[width, height]]))[0]
    return dict(zip(STATISTICS, row.tolist(), strict=True))


def boxed(image: Image.Image) -> dict[str, float]:
    return of(letterbox(image, SIDE), *image.size)


def drawn(seed: int, width: int = SIDE, height: int = SIDE) -> Image.Image:
    """A ground, some shapes and some noise, from a seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 5))):
        (left, right), (top, low) = np.sort(rng.integers(0, (width, height), (2, 2)).T, axis=1)
        draw.ellipse((left, top, right, low), fill=tuple(rng.integers(0, 256, 3).tolist()))
    noise = rng.integers(0, 1 + int(rng.integers(0, 9)), (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))


@given(st.lists(st.tuples(seeds, sizes), max_size=4), st.randoms())
def test_a_batch_equals_one_by_one_in_any_order(
    cases: list[tuple[int, tuple[int, int]]], random: object
) -> None:
    images = [drawn(seed, *size) for seed, size in cases]
    pixels = np.array([letterbox(each, SIDE) for each in images], np.uint8)
    pixels = pixels.reshape(-1, SIDE, SIDE, 3)
    shapes = np.array([each.size for each in images], np.int64).reshape(-1, 2)
    rows = statistics(pixels, shapes)
    assert rows.shape == (len(images), len(STATISTICS))
    assert rows.dtype == np.float32
    order = list(range(len(images)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(statistics(pixels[order], shapes[order]), rows[order])
    for i in range(len(images)):
        np.testing.assert_array_equal(statistics(pixels[i : i + 1], shapes[i : i + 1])[0], rows[i])


@given(seeds, st.sampled_from(["noise", "black", "white", "checks", "drawn"]), sizes)
def test_numbers_are_finite_and_bounded(seed: int, sort: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    pixels = {
        "noise": rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
        "black": np.zeros((SIDE, SIDE, 3), np.uint8),
        "white": np.full((SIDE, SIDE, 3), 255, np.uint8),
        "checks": np.repeat((np.indices((SIDE, SIDE)).sum(0) % 2 * 255).astype(np.uint8), 3),
        "drawn": letterbox(drawn(seed), SIDE),
    }[sort].reshape(SIDE, SIDE, 3)
    row = statistics(pixels[None], np.array([size]))[0]
    assert np.isfinite(row).all()
    assert np.abs(row).max() <= 16


@given(st.tuples(*[st.integers(0, 255)] * 3), sizes)
def test_a_plain_tile(colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    found = boxed(Image.new("RGB", size, colour))
    for name in ("luma_entropy", "colour_entropy", "luma_quartiles", "figure", "filled"):
        assert found[name] == 0, name
    for name in ("sharp_edges", "faint", "shaded", "edges", "coarse_edges", "middle_block"):
        assert found[name] == pytest.approx(0, abs=1e-6), name
    for name in ("still", "coarse_still", "flat_blocks", "calm_blocks", "border", "one_tone"):
        assert found[name] == pytest.approx(1), name
    assert found["palette_most"] == found["palette_all"] == 1  # log2(1 + 1 colour)
    assert found["mirrored"] == found["upended"] == 0
    assert found["saturation"] == pytest.approx((max(colour) - min(colour)) / 255, abs=1e-6)
    # Green counts twice; each of two means is rounded up.
    red, green, blue = colour
    assert found["luma_mean"] * 255 == pytest.approx((red + 2 * green + blue) / 4, abs=0.76)


@given(seeds)
def test_grey_has_no_saturation(seed: int) -> None:
    found = boxed(drawn(seed).convert("L").convert("RGB"))
    assert found["saturation"] == found["colourful"] == found["ground_saturation"] == 0
    assert found["grey"] == 1


@given(seeds)
def test_a_mirror_image_has_the_same_numbers(seed: int) -> None:
    pixels = letterbox(drawn(seed), SIDE)
    plain, mirrored = of(pixels), of(np.ascontiguousarray(pixels[:, ::-1]))
    for name in STATISTICS:
        assert mirrored[name] == pytest.approx(plain[name], abs=1e-5), name


@given(seeds)
def test_a_turned_picture_exchanges_across_and_down(seed: int) -> None:
    # In squares of 4 x 4, whose means are exact whichever way they are taken first.
    pixels = np.kron(np.asarray(drawn(seed, 56, 56)), np.ones((4, 4, 1), np.uint8))
    plain, turned = of(pixels), of(np.ascontiguousarray(pixels.transpose(1, 0, 2)))
    assert turned["upright"] == pytest.approx(-plain["upright"], abs=1e-5)
    assert turned["off_centre"] == pytest.approx(abs(plain["below_centre"]), abs=1e-5)
    for name in STATISTICS:
        if name in ("upright", "off_centre", "below_centre"):
            continue
        other = {"mirrored": "upended", "upended": "mirrored"}.get(name, name)
        if name.endswith(("_x", "_y")) and f"{name[:-2]}_y" in STATISTICS:
            other = name[:-1] + {"x": "y", "y": "x"}[name[-1]]
        assert turned[other] == pytest.approx(plain[name], abs=1e-5), name


@given(seeds, st.sampled_from([(224, 100), (90, 224), (224, 31), (160, 224)]))
def test_the_bars_of_the_letterbox_do_not_count(seed: int, size: tuple[int, int]) -> None:
    image = drawn(seed, *size)
    pixels = letterbox(image, SIDE)
    bars = np.ones((SIDE, SIDE), bool)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    bars[top : top + size[1], left : left + size[0]] = False
    repainted = pixels.copy()
    repainted[bars] = np.random.default_rng(seed).integers(0, 256, 3)
    assert of(pixels, *size) == of(repainted, *size)


def test_a_picture_that_was_shrunk_while_decoding_loses_its_bars_too() -> None:
    """A decoder of JPEG rounds the shorter side in its own way."""
    for height in range(301, 320):
        picture = decode(encoded(Image.new("RGB", (4001, height), (250, 40, 40)), "JPEG"))
        found = of(picture.pixels, picture.width, picture.height)
        assert found["border"] == found["one_tone"] == 1, height


@given(seeds)
def test_counts_agree_with_slow_arithmetic(seed: int) -> None:
    pixels = letterbox(drawn(seed), SIDE)
    found = of(pixels)
    whole = pixels.astype(int)
    between = (whole[..., 0] + whole[..., 2] + 1) // 2
    luma = (between + whole[..., 1] + 1) // 2
    steps = np.append(np.abs(np.diff(luma, axis=0)), np.abs(np.diff(luma, axis=1)))
    assert found["still"] == pytest.approx((steps == 0).mean(), abs=1e-6)
    assert found["sharp_edges"] == pytest.approx((steps >= 64).mean(), abs=1e-6)
    blocks = luma.reshape(28, 8, 28, 8).transpose(0, 2, 1, 3).reshape(-1, 64)
    ranges = blocks.max(1) - blocks.min(1)
    assert found["flat_blocks"] == pytest.approx((ranges < 4).mean(), abs=1e-6)
    assert found["middle_block"] == pytest.approx(np.log2(1 + np.median(ranges)), abs=1e-5)


def test_a_small_square_on_white_is_where_it_is() -> None:
    image = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    image.paste((0, 0, 0), (20, 60, 132, 116))
    found = boxed(image)
    assert found["figure"] == pytest.approx(112 * 56 / SIDE**2)
    assert (found["extent_x"], found["extent_y"]) == pytest.approx((0.5, 0.25))
    assert found["filled"] == pytest.approx(1)
    assert found["turns_x"] == pytest.approx(np.log2(3))  # in and out
    # A uniform strip of width a has the standard deviation a / sqrt(12).
    assert found["spread_x"] == pytest.approx(0.5 / np.sqrt(12), abs=1e-3)
    assert found["border"] == found["ground_luma"] == found["figure_tone"] == 1
    assert found["figure_apart"] == 1
    assert found["luma_entropy"] == pytest.approx(_entropy(112 * 56 / SIDE**2), abs=1e-3)
    assert found["two_tones"] == 1
    assert found["black"] == pytest.approx(0.125)


def _entropy(p: float) -> float:
    return float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def test_size_and_aspect() -> None:
    pixels = letterbox(scene(100, 100), SIDE)
    assert of(pixels, 320, 320)["long_side"] == 0
    assert of(pixels, 4000, 4000)["long_side"] == 0  # as large as any that was seen
    assert of(pixels, 80, 80)["long_side"] == -2
    assert of(pixels, 200, 100)["aspect"] == 1
    assert of(pixels, 100, 200)["aspect"] == -1


def test_a_photograph_is_no_flat_drawing() -> None:
    flat, smooth = boxed(Image.new("RGB", (300, 200), (240, 240, 240))), boxed(scene(300, 200))
    assert smooth["luma_entropy"] > 4 + flat["luma_entropy"]
    assert smooth["palette_most"] > 4 + flat["palette_most"]
    assert smooth["border"] < flat["border"]


def test_inputs_stay_as_they_were() -> None:
    pixels, shapes = letterbox(scene(), SIDE)[None].copy(), np.array([[90, 60]])
    before = pixels.copy()
    statistics(pixels, shapes)
    np.testing.assert_array_equal(pixels, before)
    pixels.flags.writeable = False
    statistics(pixels, shapes)


def test_impossible_sizes_are_refused() -> None:
    pixels = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    with pytest.raises(SupportError, match="2 and 1"):
        statistics(pixels, np.array([[3, 4]]))
    with pytest.raises(SupportError, match="at least 1, got 0"):
        statistics(pixels, np.array([[3, 4], [0, 5]]))
