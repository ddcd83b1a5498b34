"""README.md is run: its commands against a real server, their answers against what it prints.

A block in bash or python is run; a block in json or text right after it is what it prints. Blocks
after ``<!-- not run -->`` are left alone. Where the answers have changed for a good reason, as new
weights, ``make readme`` writes the new ones into the file.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PUBLISHED = "127.0.0.1:8000"
# What no two runs share. Everything else that README.md prints must come out again.
VOLATILE = {"created", "score_id", "sha256", "took_ms", "updated"}
# Probabilities are those of one processor; another rounds differently, and one without VNNI runs
# the encoder in single precision instead of 8 bits.
TOLERANCE = 0.05
BLOCK = re.compile(r"^(<!-- not run -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class Step:
    """A block that is run, and the place in the file of what it should print, if it says."""

    language: str
    code: str
    printed: tuple[int, int] | None


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for block in BLOCK.finditer(text):
        skipped, language, body = block.groups()
        if skipped:
            continue
        if language in {"json", "text"}:
            assert found, f"README.md prints {body[:40]!r} before anything is run"
            assert found[-1].printed is None, f"two answers to {found[-1].code!r}"
            found[-1] = Step(found[-1].language, found[-1].code, block.span(3))
        else:
            assert language in {"bash", "python"}, f"nobody runs {language} blocks"
            found.append(Step(language, body, None))
    return found


def run(step: Step, address: str) -> str:
    command = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [*command[step.language], step.code.replace(PUBLISHED, address)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{step.code}\n{done.stdout}\n{done.stderr}"
    return done.stdout.replace(address, PUBLISHED)


def assert_same(expected: Any, got: Any, where: str = "$") -> None:
    """Two answers of the service are the same, but for what no two runs share."""
    if isinstance(expected, float) and isinstance(got, float):
        assert abs(expected - got) <= TOLERANCE, f"{where}: README.md has {expected}, got {got}"
        return
    assert type(expected) is type(got), f"{where}: README.md has {expected!r}, got {got!r}"
    if isinstance(expected, dict):
        assert list(expected) == list(got), where
        for key in expected:
            if key not in VOLATILE and not (key == "id" and ".nearest." in where):
                assert_same(expected[key], got[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(expected) == len(got), where
        for i, (one, other) in enumerate(zip(expected, got, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    else:
        assert expected == got, where


def assert_same_text(expected: str, got: str) -> None:
    assert NUMBER.sub("#", expected) == NUMBER.sub("#", got)
    for one, other in zip(NUMBER.findall(expected), NUMBER.findall(got), strict=True):
        assert abs(float(one) - float(other)) <= TOLERANCE, f"{expected}\n{got}"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server of its own, with an empty store, as ``make serve`` starts it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STANDIN_")}
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT,
            env=environment | {"STANDIN_DATA_DIR": str(tmp_path / "data")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + 120
            while not _ready(f"http://127.0.0.1:{port}/readyz"):
                log.seek(0)
                assert process.poll() is None, log.read()
                assert time.monotonic() < until, log.read()
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def _ready(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_what_the_readme_shows_happens(address: str) -> None:
    text = README.read_text(encoding="utf-8")
    session = steps(text)
    assert {step.language for step in session} == {"bash", "python"}
    outputs = [(step.printed, run(step, address)) for step in session]
    if os.environ.get("STANDIN_TEST_WRITE_README"):
        for printed, output in reversed(outputs):
            if printed is not None:
                text = text[: printed[0]] + output.rstrip("\n") + "\n" + text[printed[1] :]
        README.write_text(text, encoding="utf-8")
        return
    for printed, output in outputs:
        if printed is None:
            continue
        expected = text[slice(*printed)]
        if expected.lstrip().startswith("{"):
            assert_same(json.loads(expected), json.loads(output))
        else:
            assert_same_text(expected, output)
