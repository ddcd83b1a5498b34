"""What shops do to a picture leaves a picture of the same thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.standins import KINDS, builtin_resources, degrade, draw
from model.standins.likeness import boxed

seeds = st.integers(0, 2**63 - 1)
sizes = st.tuples(st.integers(1, 700), st.integers(1, 700))


@given(sizes, seeds, st.sampled_from(["RGB", "L", "RGBA", "P", "1", "LA", "CMYK"]))
def test_any_picture_gives_an_rgb_picture(size: tuple[int, int], seed: int, mode: str) -> None:
    picture = Image.new(mode, size)
    before = picture.tobytes()
    out = degrade(picture, np.random.default_rng(seed))
    assert out.mode == "RGB"
    assert min(out.size) >= 1
    assert max(out.size) <= 1.6 * max(*size, 32)
    assert out is not picture
    assert picture.tobytes() == before


@settings(max_examples=25)
@given(st.sampled_from(KINDS), seeds)
def test_the_same_state_gives_the_same_bytes(kind: str, seed: int) -> None:
    picture = draw(kind, np.random.default_rng(seed), builtin_resources()).image
    first = degrade(picture, np.random.default_rng(seed))
    assert degrade(picture, np.random.default_rng(seed)).tobytes() == first.tobytes()


def test_it_does_something_different_every_time() -> None:
    picture = draw("mixed", np.random.default_rng(1), builtin_resources()).image
    outcomes = {degrade(picture, np.random.default_rng(seed)).tobytes() for seed in range(60)}
    assert len(outcomes) > 50


def _ink(picture: Image.Image) -> NDArray[np.bool_]:
    """Where a black figure is, cut to the figure and brought to one size."""
    dark = boxed(picture, 224).mean(axis=2) < 70
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    cut = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(Image.fromarray(cut).resize((32, 32))) > 0


def test_a_figure_stays_recognisable() -> None:
    # A thick letter F: no two of its four corners are alike, so that a flip would show as well.
    picture = Image.new("RGB", (200, 200), (250, 250, 250))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((60, 50, 85, 150), fill=0)
    pen.rectangle((60, 50, 140, 72), fill=0)
    pen.rectangle((60, 90, 120, 112), fill=0)
    wanted = _ink(picture)
    agreement = []
    for seed in range(120):
        out = degrade(picture, np.random.default_rng(seed))
        if np.asarray(out.convert("L"))[0].mean() < 100:
            continue  # on a black ground, or in a black frame: this measure cannot tell the figure
        agreement.append(float((_ink(out) == wanted).mean()))
    assert len(agreement) > 90
    assert np.quantile(agreement, 0.02) > 0.8


def test_faint_ink_is_not_lost() -> None:
    picture = Image.new("RGB", (240, 240), (245, 245, 245))
    ImageDraw.Draw(picture).ellipse((60, 60, 180, 180), fill=(225, 225, 225))
    for seed in range(150):
        out = degrade(picture, np.random.default_rng(seed)).convert("L")
        w, h = out.size
        inside = np.asarray(out.crop((w * 4 // 10, h * 4 // 10, w * 6 // 10, h * 6 // 10)), float)
        ring = np.asarray(
            out.crop((w // 2 - w // 20, h * 4 // 25, w // 2 + w // 20, h // 5)), float
        )
        assert abs(float(np.median(inside)) - float(np.median(ring))) > 8
