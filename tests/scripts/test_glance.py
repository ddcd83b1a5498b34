"""Measuring a first look as a person starts it: a real process, pictures and weights made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.holdout import role
from scripts.glance import settled
from tests.scripts.harness import run, save_untrained


def _write(folder: Path, column: str, value: str, flat: bool) -> None:
    """Twelve pictures of one held-out group: flat ones, or noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(int(flat))
    shops = (f"shop {i}" for i in range(1000))
    group = next(shop for shop in shops if role({"group": shop}) == "validation")
    lines = [f"file,{column},group"]
    for number in range(12):
        pixels = rng.integers(0, 256, (1, 1, 3) if flat else (48, 48, 3), dtype=np.uint8)
        whole = np.ascontiguousarray(np.broadcast_to(pixels, (48, 48, 3)))
        Image.fromarray(whole).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{value},{group}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_it_measures_and_writes_a_page(tmp_path: Path) -> None:
    _write(tmp_path / "data" / "goods", "category", "shoes", flat=False)
    _write(tmp_path / "data" / "standins", "kind,look", "blank,swatch", flat=True)
    save_untrained(tmp_path / "weights", 8, 64)
    done = run(
        "glance",
        f"--data={tmp_path / 'data'}",
        f"--weights={tmp_path / 'weights'}",
        "--sides=32",
        "--episodes=4",
        "--shots=0,1",
        "--sorts=ordinary",
        f"--cache={tmp_path / 'cache'}",
        f"--out={tmp_path / 'out'}",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "results" / "glance.json").read_text())
    assert found["pictures"] == 24
    assert [(row["sort"], row["shots"]) for row in found["rows"]] == [
        ("ordinary", 0),
        ("ordinary", 1),
    ]
    assert 0 < found["price"]["32"] < 1
    page = (tmp_path / "out" / "glance.md").read_text()
    assert page.count("| ordinary | ") == 2


def test_without_pictures_it_says_what_is_missing() -> None:
    done = run("glance")
    assert done.returncode == 2
    assert "--data" in done.stderr


@pytest.mark.parametrize("worse", [0.0, 0.1])
def test_a_glance_is_believed_as_far_as_it_loses_no_more_than_is_asked_for(worse: float) -> None:
    rng = np.random.default_rng(1)
    tasks = []
    for _ in range(200):
        label = rng.random(20) < 0.5
        z = np.where(label, 3.0, -3.0) + rng.normal(size=20)
        tasks.append((label, z, z + rng.normal(size=20) * 2))
    found = settled(tasks, worse)
    lost = found["log_loss_after"]["estimate"] - found["log_loss"]["estimate"]
    assert lost < worse + 0.02
    assert 0 <= found["saved"]["estimate"] <= 1


def test_a_glance_that_says_the_same_settles_everything_and_nonsense_nothing() -> None:
    rng = np.random.default_rng(2)
    label = rng.random(50) < 0.5
    z = np.where(label, 4.0, -4.0)
    same = settled([(label, z, z)] * 4, 0.001)
    assert same["sure"] == 0
    assert same["saved"]["estimate"] == 1
    wrong = settled([(label, z, -3 * z)] * 4, 0.001)
    assert wrong["sure"] is None
    assert wrong["saved"]["estimate"] == 0
