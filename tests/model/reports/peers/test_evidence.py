"""What was read in a picture is read once, and kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.episodes import Traits
from model.errors import MetricError
from model.reports.peers.evidence import EvidenceStore, look_milliseconds, originals, picture_of
from model.reports.pool import Item, collect


@dataclass
class Sizes:
    """Reads a picture's sides, and remembers what it was asked."""

    asked: list[tuple[int, int]] = field(default_factory=list)
    fail_at: int = 10**9

    @property
    def key(self) -> str:
        return "sizes 1"

    def read(self, picture: Image.Image) -> Any:
        if len(self.asked) >= self.fail_at:
            raise KeyboardInterrupt
        self.asked.append(picture.size)
        return list(picture.size)

    def row(self, seen: Any) -> np.ndarray:
        return np.array(seen, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Wide pictures; a square would tell that they had been letterboxed."""
    lines = ["file,category,group"]
    for number in range(45):
        Image.new("RGB", (40 + number, 20), (number, 0, 0)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,goods,shop")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_pictures_are_read_as_their_files_have_them(folder: Path, tmp_path: Path) -> None:
    items = list(collect([folder], []))
    store, reader = EvidenceStore(tmp_path / "deep" / "evidence.sqlite"), Sizes()
    told: list[tuple[int, int]] = []
    store.read_all(reader, items, originals([folder]), lambda *at: told.append(at))
    assert sorted(reader.asked) == [(40 + n, 20) for n in range(45)]
    assert told[-1] == (45, 45)
    rows = store.matrix(reader, [item.key for item in items])
    np.testing.assert_array_equal(rows[:, 0], [40 + n for n in range(45)])
    store.read_all(reader, items, originals([folder]))
    assert len(reader.asked) == 45  # nothing is read twice
    assert look_milliseconds(reader, items, originals([folder]), 5) > 0
    assert len(reader.asked) == 50  # but a few, to see how long one takes


def test_what_was_read_before_it_was_stopped_stays(folder: Path, tmp_path: Path) -> None:
    items, files = list(collect([folder], [])), originals([folder])
    path = tmp_path / "evidence.sqlite"
    store = EvidenceStore(path)
    with pytest.raises(KeyboardInterrupt):
        store.read_all(Sizes(fail_at=30), items, files)
    store.close()
    again = Sizes()
    EvidenceStore(path).read_all(again, items, files)
    assert len(again.asked) == 25  # the first twenty were kept


def test_a_picture_that_was_not_read_is_nan_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    store, reader = EvidenceStore(tmp_path / "evidence.sqlite"), Sizes()
    with pytest.raises(MetricError, match="read none of 1"):
        store.matrix(reader, ["a"])
    assert np.isnan(look_milliseconds(reader, [], {}))
    drawn = np.zeros((8, 8, 3), np.uint8)
    item = Item("a", lambda size: drawn, Traits(True, "", "text", ""), "drawn", True)
    store.read_all(reader, [item], {})
    rows = store.matrix(reader, ["a", "b"])
    np.testing.assert_array_equal(rows, [[8, 8], [np.nan, np.nan]])


def test_a_file_is_found_by_its_bytes(folder: Path) -> None:
    files = originals([folder])
    key = hashlib.sha256((folder / "3.png").read_bytes()).hexdigest()
    assert files[key] == folder / "3.png"
    (item,) = (item for item in collect([folder], []) if item.key == key)
    assert picture_of(item, files).size == (43, 20)
