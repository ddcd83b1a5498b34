"""Drawn pictures of the pool: held-out families, drawn once, the same again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model.holdout import held_out
from model.reports.drawn import Wanted, draw_items
from model.standins import builtin_resources


def test_drawn_pictures_are_of_held_out_families_and_kept(tmp_path: Path) -> None:
    wanted = Wanted(seed=77, held_out=8, training=4, image_size=40)
    told: list[tuple[int, int]] = []
    first = draw_items(builtin_resources(), wanted, tmp_path, lambda *at: told.append(at))
    assert told[-1] == (12, 12)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    again = draw_items(builtin_resources(), wanted, tmp_path, lambda *at: told.append((-1, -1)))
    assert (-1, -1) not in told
    assert kept.stat().st_mtime_ns == written
    assert [i.key for i in first] == [i.key for i in again]
    for one, two in zip(first, again, strict=True):
        assert one.read(40).shape == (40, 40, 3)
        np.testing.assert_array_equal(one.read(40), two.read(40))
        assert one.read(20).shape == (20, 20, 3)
        assert one.traits == two.traits
        if one.is_standin:
            assert one.held_out == held_out(one.group, "family")
    for side in (True, False):
        chosen = [i for i in first if i.held_out == side]
        assert sum(i.is_standin for i in chosen) * 2 == len(chosen) == (8 if side else 4)
    other = Wanted(seed=78, held_out=8, training=4, image_size=40)
    assert not {i.key for i in draw_items(builtin_resources(), other, tmp_path)} & {
        i.key for i in first
    }
