"""The yardsticks' scripts as a person starts them: small runs, stopped runs, wrong arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.harness import run_here

ROOT = Path(__file__).parents[2]


def run(script: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"scripts/{script}.py", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("script", "args", "said"),
    [
        ("sinusoid", ["--steps", "0"], "must be a whole number, 2 or more, got '0'"),
        ("navigation", ["--seed", "-1"], "must be a whole number, 0 or more, got '-1'"),
    ],
)
def test_wrong_arguments_are_named(script: str, args: list[str], said: str) -> None:
    done = run_here(script, *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", ["sinusoid", "navigation"])
def test_a_small_run_writes_page_and_plot_and_another_is_refused(
    script: str, tmp_path: Path
) -> None:
    args = ["--work", tmp_path / "work", "--out", tmp_path / "out", "--tests", "4"]
    done = run(script, *args, "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert f"{script}.md" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{script}.md",
        f"{script}.svg",
    }
    # Sinusoids can be trained further, not less; navigation's rate falls along the steps.
    again = run(script, *args, "--steps", "2" if script == "sinusoid" else "3", "--seed", "1")
    assert again.returncode == 2
    assert again.stderr.splitlines()[-1].startswith(f"{script}: the checkpoint")
