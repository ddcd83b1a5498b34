"""Simulated teachers as a person starts them: a real process, pictures and weights made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.holdout import held_out
from tests.scripts.harness import run, run_here, save_untrained

GROUP = next(name for name in map("shop {}".format, range(1000)) if held_out(name, "group"))


def _write(folder: Path, column: str, values: tuple[str, ...], each: int) -> None:
    """Held-out pictures: flat ones for stand-ins, noise for goods."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(values))
    lines = [f"file,{column},group"]
    for value in values:
        for number in range(each):
            shape = (1, 1, 3) if column == "kind" else (32, 32, 3)
            pixels = np.broadcast_to(rng.integers(0, 256, shape, dtype=np.uint8), (32, 32, 3))
            name = f"{value}-{number}.png"
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)
            lines.append(f"{name},{value},{GROUP}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Goods, stand-ins, and weights that have learned nothing."""
    base = tmp_path_factory.mktemp("teacher")
    _write(base / "data" / "goods", "category", ("shoes", "hats"), 14)
    _write(base / "data" / "standins", "kind", ("blank", "icon", "logo", "text"), 8)
    save_untrained(base / "weights", 8, 32)
    return base


def test_it_measures_draws_and_writes_between_the_marks(folder: Path) -> None:
    words = [
        f"--data={folder / 'data'}",
        f"--weights={folder / 'weights'}",
        f"--cache={folder / 'cache'}",
        "--scenes=ordinary,new-stand-in",
        "--streams=3",
        "--length=24",
        "--device=cpu",
    ]
    reports = []
    for out in ("docs", "again"):
        (folder / out).mkdir()
        text = "# Mine\n\n<!-- teacher: written by scripts/teacher_streams.py -->\nold\n"
        (folder / out / "teacher.md").write_text(
            text + "<!-- end of teacher -->\n\nStays.\n", encoding="utf-8"
        )
        done = run("teacher_streams", *words, f"--out={folder / out}")
        assert done.returncode == 0, done.stderr
        names = ("teacher.md", "results/teacher.json", "images/teacher-error.svg")
        reports.append([(folder / out / name).read_text(encoding="utf-8") for name in names])
    assert reports[0] == reports[1]  # the second time from what the first had kept
    document, numbers, picture = reports[0]
    assert document.startswith("# Mine\n")
    assert document.endswith("\n\nStays.\n")
    assert "old" not in document
    assert str(folder) not in document + numbers
    assert "</svg>" in picture
    scenes = json.loads(numbers)["scenes"]
    assert list(scenes) == ["ordinary", "new-stand-in"]
    assert "anew" in scenes["new-stand-in"]["methods"]
    assert "anew" not in scenes["ordinary"]["methods"]
    assert scenes["ordinary"]["told"]["estimate"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --data DIR"),
        (["--data", "nowhere", "--streams", "1"], "at least two, got 1"),
        (["--data", "nowhere", "--device", "cpu"], "no manifest.csv in nowhere"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(words: list[str], said: str) -> None:
    done = run_here("teacher_streams", *words)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
