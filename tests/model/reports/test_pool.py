"""Which pictures are measured on: splits by rule, nothing twice, nothing seen in training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import ManifestError
from model.holdout import held_out
from model.images import decode
from model.reports.pool import Pool, collect, folders_in, sides


def group(wanted: bool, sort: str = "shop") -> str:
    """A name that the rule holds out, or one that it does not."""
    return next(f"{sort} {i}" for i in range(1000) if held_out(f"{sort} {i}", "group") == wanted)


def write_folder(
    folder: Path, rows: Sequence[tuple[str, str, int]], column: str, side: int = 24
) -> Path:
    """Pictures of one colour each (given by a seed), with their manifest.

    Args:
        rows: category or kind, group, seed of the picture.
    """
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", column, "group"])
        for number, (value, named, seed) in enumerate(rows):
            pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", value, named])
    return folder


def test_splits_follow_the_rule_and_validation_is_always_measured(tmp_path: Path) -> None:
    kept, left = group(False), group(True)
    goods = write_folder(tmp_path / "goods", [("shoes", kept, 1), ("shoes", left, 2)], "category")
    standins = write_folder(tmp_path / "standins", [("text", kept, 3), ("icon", left, 4)], "kind")
    extra = write_folder(tmp_path / "extra", [("text", kept, 5)], "kind")
    items = list(collect([goods, standins], [extra]))
    assert [i.origin for i in items] == ["products"] * 2 + ["standins"] * 2 + ["validation"]
    pool = Pool(items)
    assert pool.training == [0, 2]
    assert pool.measured == [1, 3, 4]
    assert [items[i].is_standin for i in pool.measured] == [False, True, True]
    pixels = items[1].read(32)
    np.testing.assert_array_equal(pixels, decode((goods / "1.png").read_bytes(), 32).pixels)


def test_a_picture_that_training_has_seen_is_not_measured(tmp_path: Path) -> None:
    kept, left = group(False), group(True)
    rows = [("text", kept, 1), ("text", left, 1), ("text", left, 2), ("icon", left, 2)]
    standins = write_folder(tmp_path / "standins", rows, "kind")
    pool = Pool(list(collect([standins], [])))
    # The second is the first's bytes; the fourth is the third's.
    assert len(pool.items) == 3
    assert pool.training == [0]
    assert pool.measured == [2]


def test_the_digest_names_content_and_labels_but_not_places(tmp_path: Path) -> None:
    rows = [("text", "a", 1), ("icon", "b", 2)]
    first, moved, other = (
        Pool(list(collect([write_folder(tmp_path / name, r, "kind")], []))).digest()
        for name, r in (("one", rows), ("two", rows), ("three", [("logo", "a", 1), rows[1]]))
    )
    assert first == moved != other


def test_folders_of_folders(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_folder(tmp_path / name, [("text", "g", 1)], "kind")
    assert folders_in(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert folders_in(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(ManifestError, match=r"no manifest\.csv"):
        folders_in(tmp_path / "nowhere")


def test_a_folder_for_validation_is_never_divided(tmp_path: Path) -> None:
    for name in ("goods", "standins", "standins_validation", "more"):
        write_folder(tmp_path / "data" / name, [("text", "g", 1)], "kind")
    base = tmp_path / "data"
    expected = [base / "goods", base / "standins"], [base / "more", base / "standins_validation"]
    assert sides([base], [base / "more"]) == expected
    assert sides(sorted(base.iterdir()), [base / "more", base / "standins_validation"]) == expected
