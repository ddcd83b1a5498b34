"""The experts' training as a person runs it, after the weights' own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

import model
from model.experts.release import experts_path
from tests.scripts.test_meta_train import ROOT, TINY, run

SCRIPT = ROOT / "scripts" / "train_experts.py"


def train(config: Path, work: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(config), "--work", str(work), "--workers", "1"]
    command += ["--weights", str(work / "tiny.json"), "--tasks", "60"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_experts_stand_beside_the_weights_and_come_out_the_same_again(tmp_path: Path) -> None:
    config, work = tmp_path / "tiny.toml", tmp_path / "work"
    config.write_text(TINY)
    run(config, work)
    card = work / "tiny.json"
    assert model.load(card, "cpu").ensemble.experts is None
    train(config, work)
    first = load_file(experts_path(card))
    loaded = model.load(card, "cpu")
    assert loaded.ensemble.experts is not None
    pictures = sorted((ROOT / "docs" / "samples" / "hoodies" / "real").glob("*.jpg"))
    said = loaded.adapt({"real": pictures}).score(pictures)
    assert ((said > 0) & (said < 1)).all()
    # Everything that it kept along the way is there: it ends at the same numbers.
    train(config, work)
    again = load_file(experts_path(card))
    assert first.keys() == again.keys()
    assert all((first[name] == again[name]).all() for name in first)


def test_without_the_weights_run_it_says_what_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    command = [sys.executable, str(SCRIPT), str(config), "--work", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "meta_train" in done.stderr
    assert "Traceback" not in done.stderr
