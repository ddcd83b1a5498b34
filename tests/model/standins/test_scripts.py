"""The two commands, run as a person runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from model.data import load_manifest
from model.standins import KINDS
from scripts.draw_standins import main

ROOT = Path(__file__).parents[3]
SIZES = ("--number", "24", "--goods", "8")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_is_drawn_that_training_can_read(tmp_path: Path) -> None:
    done = run("scripts/draw_standins.py", tmp_path / "a", *SIZES, "--check")
    assert done.returncode == 0, done.stderr
    assert "0 pairs of 24" in done.stdout
    standins = load_manifest(tmp_path / "a" / "placeholders")
    goods = load_manifest(tmp_path / "a" / "products")
    assert [r.kind for r in standins] == list(KINDS) * 3
    assert all(r.is_standin and r.group and r.licence for r in standins)
    assert all(not r.is_standin and r.category.startswith("drawn_") and r.hardtag for r in goods)
    for record in (*standins, *goods):
        with Image.open(record.path) as picture:
            picture.load()
            assert picture.format in ("JPEG", "PNG")
    # The same command, the same bytes; another seed, other pictures.
    assert main([str(tmp_path / "b"), *SIZES]) == 0
    assert content(tmp_path / "b") == content(tmp_path / "a")
    assert main([str(tmp_path / "c"), *SIZES, "--seed", "1"]) == 0
    assert content(tmp_path / "c").keys() & content(tmp_path / "a").keys()
    assert content(tmp_path / "c") != content(tmp_path / "a")


def test_what_is_there_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "placeholders").mkdir()
    (tmp_path / "placeholders" / "manifest.csv").write_text("mine\n")
    assert main([str(tmp_path), "--number", "4"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert content(tmp_path) == {"placeholders/manifest.csv": b"mine\n"}


@pytest.mark.parametrize(
    "wrong", [("--kind", "photograph"), ("--family", "text"), ("--fonts", "/nowhere")]
)
def test_a_wrong_option_is_one_sentence(
    tmp_path: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--number", "4", *wrong]) == 1
    assert wrong[1] in capsys.readouterr().err
    assert content(tmp_path) == {}


def test_sheets_are_drawn(tmp_path: Path) -> None:
    done = run("scripts/contact_sheet.py", tmp_path, "--columns", "3", "--tries", "12")
    assert done.returncode == 0, done.stderr
    names = {p.name for p in tmp_path.glob("contact_sheet.*.webp")}
    assert {f"contact_sheet.{kind}.webp" for kind in KINDS} < names
    with Image.open(tmp_path / "contact_sheet.text.webp") as sheet:
        assert sheet.width > 200
