"""No two pictures of thousands look alike; and the check would find them if they did."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from model.standins import KINDS, builtin_resources, draw
from model.standins.likeness import alike_pairs, boxed, look_alike

RESOURCES = builtin_resources()


def standin(number: int) -> Image.Image:
    rng = np.random.default_rng([2024, number])
    return draw(KINDS[number % len(KINDS)], rng, RESOURCES).image


def test_no_two_of_a_thousand_look_alike() -> None:
    assert alike_pairs(1000, standin) == []


@pytest.mark.slow
def test_no_two_of_ten_thousand_look_alike() -> None:
    assert alike_pairs(10_000, standin) == []


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(60, 95))
def test_a_picture_looks_like_its_own_copies(number: int, quality: int) -> None:
    picture = standin(number)
    assert look_alike(picture, picture)
    assert look_alike(picture, picture.point(lambda v: max(0, v - 3)))
    data = io.BytesIO()
    flat = Image.new("RGB", (200, 100), picture.getpixel((0, 0)))  # type: ignore[arg-type]
    flat.save(data, "JPEG", quality=quality)
    assert look_alike(flat, Image.open(data))


@pytest.mark.parametrize("change", ["spot", "colour", "aspect"])
def test_what_a_person_can_see_is_a_difference(change: str) -> None:
    one = Image.new("RGB", (300, 300), (240, 240, 240))
    other = one.copy()
    if change == "spot":
        ImageDraw.Draw(other).rectangle((140, 140, 160, 160), fill=(225, 225, 225))
    elif change == "colour":
        other = Image.new("RGB", (300, 300), (230, 240, 240))
    else:
        other = Image.new("RGB", (300, 240), (240, 240, 240))
    assert not look_alike(one, other)
    assert look_alike(one, one.resize((90, 90)))


def test_pairs_are_those_that_a_full_comparison_finds() -> None:
    pictures = [standin(number) for number in range(20)]
    # Some come again, smaller or a little darker, among the others.
    pictures += [pictures[number].point(lambda v: max(0, v - 2)) for number in (3, 12, 17)]
    pictures.insert(5, pictures[3].copy())
    expected = [
        (i, j)
        for i in range(len(pictures))
        for j in range(i + 1, len(pictures))
        if look_alike(pictures[i], pictures[j])
    ]
    assert len(expected) >= 5
    assert alike_pairs(len(pictures), pictures.__getitem__) == expected


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([16, 64, 224]))
def test_boxed_keeps_the_aspect_on_grey(width: int, height: int, size: int) -> None:
    got = boxed(Image.new("RGB", (width, height), (255, 0, 0)), size)
    assert got.shape == (size, size, 3)
    assert got.dtype == np.uint8
    red = (got == (255, 0, 0)).all(axis=2)
    rows, columns = red.any(axis=1).sum(), red.any(axis=0).sum()
    assert max(rows, columns) == size
    assert (
        abs(rows * width - columns * height) <= max(width, height) / 2 + 1
        or min(rows, columns) == 1
    )
    assert (got[~red] == 128).all()
