"""What networks see: where the ink is does not matter, and no change means no change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import SupportError
from model.yardsticks.omniglot.glyphs import (
    KEPT,
    SIDE,
    Wobble,
    render,
    render_wobbled,
    shrink,
)
from tests.model.yardsticks.omniglot import made_glyphs as made

STILL = Wobble(turn=0.0, shear=0.0, stretch=0.0, shift=0.0, bend=0.0)
GLYPHS = made.alphabet("Gimel", 3, 4).ink.reshape(-1, 105, 105)


def test_the_ink_is_in_the_middle_wherever_it_was_drawn() -> None:
    square = np.zeros((1, 112, 112), dtype=bool)
    square[0, 20:40, 60:84] = True
    found = shrink(square)
    at = torch.arange(KEPT) - (KEPT - 1) / 2
    assert float(found.sum(1)[0] @ at / found.sum()) == pytest.approx(0, abs=1e-4)
    assert float(found.sum(2)[0] @ at / found.sum()) == pytest.approx(0, abs=1e-4)
    # 112 pixels are 56 cells of 2 x 2: a shift by whole cells changes nothing at all.
    torch.testing.assert_close(shrink(np.roll(square, (8, -22), (1, 2))), found, atol=1e-5, rtol=0)


def test_no_ink_is_refused() -> None:
    with pytest.raises(SupportError, match="no ink"):
        shrink(np.zeros((1, 105, 105), dtype=bool))


def test_no_wobble_is_the_plain_rendering() -> None:
    drawings = shrink(GLYPHS)
    plain = render(drawings)
    assert plain.shape == (len(GLYPHS), 1, SIDE, SIDE)
    assert 0 <= float(plain.min()) < float(plain.max()) <= 1
    still = render_wobbled(drawings, STILL, torch.Generator().manual_seed(0))
    torch.testing.assert_close(still, plain, atol=1e-5, rtol=0)


@given(st.integers(0, 2**62))
def test_wobbling_is_chance_from_the_generator_alone(seed: int) -> None:
    drawings = shrink(GLYPHS[:2])
    first, again = (
        render_wobbled(drawings, Wobble(), torch.Generator().manual_seed(seed)) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, render(drawings), atol=0.05)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1 + 1e-6


def test_turning_about_the_middle_keeps_the_ink() -> None:
    drawings = shrink(GLYPHS)
    turn = Wobble(turn=180.0, shear=0.0, stretch=0.0, shift=0.0, bend=0.0)
    turned = render_wobbled(drawings, turn, torch.Generator().manual_seed(3))
    plain = render(drawings)
    torch.testing.assert_close(turned.sum((1, 2, 3)), plain.sum((1, 2, 3)), rtol=0.1, atol=0)
    assert not torch.allclose(turned, plain, atol=0.3)
