"""Measuring transduction as a person starts it: a real process, pictures and weights made here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.holdout import Role, role
from tests.scripts.harness import run, run_here, save_untrained


def _groups(wanted: Role) -> Iterator[str]:
    return (f"shop {i}" for i in range(1000) if role({"group": f"shop {i}"}) == wanted)


def _write(folder: Path, column: str, value: str, flat: bool) -> None:
    """Ten pictures of each of three groups: flat ones, or noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(int(flat))
    lines = [f"file,{column},group"]
    wanted: tuple[Role, ...] = ("encoder", "learner", "validation")
    for each in wanted:
        group = next(_groups(each))
        for number in range(11):
            pixels = rng.integers(0, 256, (1, 1, 3) if flat else (32, 32, 3), dtype=np.uint8)
            name = f"{each}-{number}.png"
            Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (32, 32, 3)))).save(
                folder / name
            )
            lines.append(f"{name},{value},{group}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products, stand-ins, and weights that have learned nothing."""
    base = tmp_path_factory.mktemp("transduction")
    _write(base / "data" / "goods", "category", "shoes", flat=False)
    _write(base / "data" / "standins", "kind", "blank", flat=True)
    save_untrained(base / "weights", 8, 32)
    return base


def test_it_measures_writes_and_says_the_same_again(folder: Path) -> None:
    words = [
        f"--data={folder / 'data'}",
        f"--weights={folder / 'weights'}",
        f"--cache={folder / 'cache'}",
        "--episodes=3",
        "--tuning-episodes=2",
        "--seed=5",
        "--device=cpu",
        "--threads=1",
    ]
    reports = []
    for out in ("docs", "again"):
        done = run("transduction", *words, f"--out={folder / out}")
        assert done.returncode == 0, done.stderr
        text = (folder / out / "results" / "transduction.json").read_text(encoding="utf-8")
        reports.append(((folder / out / "transduction.md").read_text(encoding="utf-8"), text))
    assert reports[0] == reports[1]
    document, text = reports[0]
    assert str(folder) not in document + text  # where folders lie is nobody's
    assert "--episodes 3" in document
    found = json.loads(text)
    # Eleven held-out pictures of each label: one shot leaves ten queries, five leave six.
    assert [(e["sort"], e["shots"]) for e in found["conditions"]] == [("ordinary", 1)] * 4
    assert {e["tasks"] for e in found["conditions"]} == {3}
    assert found["tuning_tasks"] == 2
    assert min(found["tried"].values()) <= next(iter(found["tried"].values()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --data DIR"),
        (["--data", "nowhere", "--episodes", "1"], "at least two tasks, got 1"),
        (["--data", "nowhere", "--device", "cpu"], "no manifest.csv in nowhere"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(words: list[str], said: str) -> None:
    done = run_here("transduction", *words)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
