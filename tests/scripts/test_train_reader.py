"""Training the reader as a person runs it: whole, killed and started again, measured."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.train_reader import main

ROOT = Path(__file__).parents[2]
TINY = """
name = "tiny"
seed = 3
pieces = 40
pictures = 24
[[stages]]
name = "reading"
on = "pieces"
steps = 40
batch = 8
[[stages]]
name = "finding"
on = "pictures"
steps = 21
batch = 4
"""


def arguments(tmp_path: Path, work: str, *more: str) -> list[str]:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    return [str(config), "--work", str(tmp_path / work), "--workers", "0", *more]


def test_it_trains_and_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "work")) == 0
    card = json.loads((tmp_path / "work" / "tiny.json").read_text())
    assert set(card["metrics"]) == {"reading", "finding"}
    figures = tmp_path / "figures.json"
    more = ["--measure", str(figures), "--weights", str(tmp_path / "work" / "tiny.json")]
    document = tmp_path / "docs" / "reader.md"
    assert (
        main(arguments(tmp_path, "work", *more, "--each", "30", "--document", str(document))) == 0
    )
    found = json.loads(figures.read_text())
    assert set(found["drawn"]) == {"seen", "phrase", "language"}  # it has Latin letters alone
    assert 0 <= found["drawn"]["seen"]["auroc"][0] <= 1
    assert "tiny.json" in capsys.readouterr().out
    low, high = found["drawn"]["phrase"]["auroc"][1:]
    assert f"({low:.3f} to {high:.3f})" in document.read_text()
    assert (document.parent / "images" / "reader-groups.svg").exists()


def test_a_missing_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "work", "--data", str(tmp_path / "nothing"))) == 2
    assert "manifest.csv" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_and_resumed_it_ends_at_the_same_weights(tmp_path: Path) -> None:
    def command(work: str) -> list[str]:
        script = str(ROOT / "scripts" / "train_reader.py")
        return [sys.executable, script, *arguments(tmp_path, work)]

    subprocess.run(command("whole"), check=True, capture_output=True, cwd=ROOT)
    process = subprocess.Popen(command("killed"), stderr=subprocess.DEVNULL, cwd=ROOT)
    try:
        log = tmp_path / "killed" / "log.jsonl"
        while process.poll() is None and '"finding"' not in (
            log.read_text() if log.exists() else ""
        ):
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command("killed"), check=True, capture_output=True, cwd=ROOT)
    name = "tiny.safetensors"
    assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
