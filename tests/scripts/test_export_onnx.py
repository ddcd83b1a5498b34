"""Writing a release's graphs, as a person starts it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from model.holdout import Role, role
from model.weights import RELEASED
from tests.scripts.harness import run_here


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "release").mkdir()
    for file in RELEASED.iterdir():
        shutil.copy(file, tmp_path / "release")
    return tmp_path / "release" / "standin-lite0.json"


def _pictures(folder: Path, wanted: Role, count: int) -> Path:
    """So many products of one shop that training may use, or may not."""
    group = next(
        name
        for name in map("shop {}".format, range(1000))
        if role({"group": name, "category": "shoes", "family": ""}) == wanted
    )
    folder.mkdir()
    lines = ["file,category,group"]
    for number in range(count):
        Image.new("RGB", (30, 30), (number, 90, 120)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,shoes,{group}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_pictures_to_calibrate_with_are_counted_before_anything_is_written(
    release: Path, tmp_path: Path
) -> None:
    before = {file.name: file.read_bytes() for file in release.parent.iterdir()}
    reader = release.with_name("standin-reader.json")
    for folder, said in (
        (tmp_path / "nowhere", "manifest.csv"),
        (_pictures(tmp_path / "few", "encoder", 3), "3 products for training in the folders"),
        (_pictures(tmp_path / "held", "validation", 200), "0 products for training"),
    ):
        done = run_here("export_onnx", release, "--reader", reader, "--calibrate", folder)
        assert done.returncode == 2
        assert said in done.stderr
        assert {file.name: file.read_bytes() for file in release.parent.iterdir()} == before
