"""The quadratics as a person starts them: a real process."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.scripts.harness import command, environment, imported, run


def _words(folder: Path, *more: str) -> list[str]:
    small = [
        "--epochs",
        "4",
        "--batches",
        "2",
        "--functions",
        "4",
        "--tuning",
        "5",
        "--test",
        "6",
        "--steps",
        "110",
    ]
    places = [f"--work={folder / 'work'}", f"--out={folder / 'out'}"]
    return [*small, *places, *more]


def test_it_writes_a_page_with_every_optimiser_and_a_plot(tmp_path: Path) -> None:
    """Stopped on the way by Ctrl-C it goes on, and ends at what an unstopped run ends at."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = run("quadratics", *_words(whole))
    assert done.returncode == 0, done.stderr
    page = (whole / "out" / "quadratics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    for name in ("LSTM", "LSTM, log and sign", "SGD", "RMSprop", "Adam", "NAG"):
        assert any(row.startswith(name) for row in rows)
    assert str(tmp_path) not in page
    ElementTree.parse(whole / "out" / "quadratics.svg")

    # Long enough to be stopped on the way, then short: the epochs that are done count.
    process = subprocess.Popen(
        command("quadratics", *_words(parts)),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while process.poll() is None and not list(parts.glob("work/*/optimiser.safetensors")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert b"the same command goes on" in said
    assert b"Traceback" not in said
    done = run("quadratics", *_words(parts))
    assert done.returncode == 0, done.stderr
    for name in ("quadratics.md", "quadratics.svg"):
        assert (parts / "out" / name).read_bytes() == (whole / "out" / name).read_bytes()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("--steps=50", "at least 100"),
        ("--epochs=0", "whole number above 0"),
        ("--test=1", "at least 2"),
        ("--seed=-1", "at least 0"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(
    tmp_path: Path, wrong: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = imported("quadratics")
    with pytest.raises(SystemExit) as stopped:
        script.main(_words(tmp_path, wrong))
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
