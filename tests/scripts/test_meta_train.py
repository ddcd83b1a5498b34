"""Meta-training as a person runs it: a process, killed and started again, and one that learns."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "meta_train.py"

TINY = """
name = "tiny"
seed = 3
[encoder]
image_size = 64
dim = 24
frozen_blocks = 6
[views]
drawn_standins = 260
drawn_products = 180
drawn_drawings = 20
tiny = 0
[encoder_stage]
steps = 16
replicas = 2
pictures = 24
tasks = 3
validate_every = 4
dim = 16
[learner_stage]
components = 2
fixed_dim = 16
steps = 30
tasks = 4
most_shots = 4
queries = 4
validate_every = 10
"""


def command(config: Path, work: Path, *more: str) -> list[str]:
    return [sys.executable, str(SCRIPT), str(config), "--work", str(work), "--workers", "0", *more]


def run(config: Path, work: Path, *more: str) -> None:
    done = subprocess.run(command(config, work, *more), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]


def kill_at(config: Path, work: Path, stage: str, step: int) -> None:
    """Start it, and kill -9 as soon as the log has that step."""
    process = subprocess.Popen(
        command(config, work), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    try:
        while process.poll() is None:
            log = work / "log.jsonl"
            lines = log.read_text().splitlines() if log.exists() else []
            entries = [json.loads(line) for line in lines if line.endswith("}")]
            if any(e["stage"] == stage and e["step"] >= step for e in entries):
                break
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_killed_and_resumed_it_ends_at_the_same_weights(tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    run(config, tmp_path / "whole")
    kill_at(config, tmp_path / "killed", "encoder", 7)
    kill_at(config, tmp_path / "killed", "learner", 9)
    run(config, tmp_path / "killed")
    name = "tiny.safetensors"
    assert digest(tmp_path / "killed" / name) == digest(tmp_path / "whole" / name)
    logs = [(tmp_path / run / "log.jsonl").read_text() for run in ("whole", "killed")]
    assert [json.loads(line)["step"] for line in logs[0].splitlines()] == [
        json.loads(line)["step"] for line in logs[1].splitlines()
    ]
    assert (tmp_path / "killed" / "curves.svg").stat().st_size > 1000


@pytest.mark.slow
def test_two_processes_end_where_one_does(tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    run(config, tmp_path / "one")
    run(config, tmp_path / "two", "--processes", "2")
    assert digest(tmp_path / "two" / "tiny.safetensors") == digest(
        tmp_path / "one" / "tiny.safetensors"
    )


@pytest.mark.slow
def test_a_minute_of_training_improves_what_was_held_out(tmp_path: Path) -> None:
    run(ROOT / "scripts" / "configs" / "smoke.toml", tmp_path / "w", "--processes", "2")
    entries = [json.loads(line) for line in (tmp_path / "w" / "log.jsonl").read_text().splitlines()]
    before, after = entries[0], entries[-1]
    assert before["step"] == -1
    assert after["turning_5"] > before["turning_5"] + 0.03
    assert after["turning_1"] > before["turning_1"] + 0.03


def test_a_misspelt_configuration_is_refused_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text('name = "x"\n[encoder]\nblokcs = 3\n')
    done = subprocess.run(command(config, tmp_path / "w"), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "unknown name 'blokcs'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "w").exists()
