"""The yardstick as a person starts it: a real process, archives made here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.yardsticks.omniglot.report import END, START
from tests.model.yardsticks.omniglot import made_glyphs as made
from tests.scripts.harness import run_here

ROOT = Path(__file__).parents[2]


def archives(folder: Path, wrong: int) -> Path:
    """Runs on which matching shapes is wrong so many times, and two small backgrounds."""
    folder.mkdir()
    share, rest = divmod(wrong, 20)
    runs = [made.run(n, wrong=share + (n <= rest)) for n in range(1, 21)]
    made.write(folder / "all_runs.zip", made.run_files(runs))
    for name in ("small1", "small2"):
        files = made.background_files([made.alphabet(name, 3)])
        made.write(folder / f"images_background_{name}.zip", files)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives(tmp_path_factory.mktemp("omniglot") / "data", wrong=155)


def omniglot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/omniglot.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_it_checks_the_runs_trains_and_writes_page_and_plot(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "omniglot.md"
    page.write_text(f"before\n{START}\n{END}\nafter\n")
    options = ("--data", data, "--work", tmp_path / "work", "--out", tmp_path)
    chosen = ("--learners", "prototypical", "convnet", "--length", "0.001")
    done = omniglot(*options, *chosen)
    assert done.returncode == 0, done.stderr
    assert "155 of 400 wrong, 38.75 %" in done.stdout
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "Prototypical network" in text
    first = (tmp_path / "omniglot.svg").read_bytes()
    again = omniglot(*options, *chosen)
    assert again.returncode == 0, again.stderr
    assert page.read_text() == text
    assert (tmp_path / "omniglot.svg").read_bytes() == first


def test_other_runs_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    data = archives(tmp_path / "data", wrong=154)
    done = omniglot("--data", data, "--work", tmp_path / "work")
    assert done.returncode == 2
    assert done.stderr.startswith("omniglot: ")
    assert "wrong in 154 of 400 trials" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--learners", "mamal"), "no learner 'mamal'"),
        (("--length", "0"), "above 0, got 0.0"),
        (("--seeds", "0"), "--seeds must be at least 1, got 0"),
        (("--seed", "-1"), "--seed must be 0 or more, got -1"),
        (("--sets", "large"), "invalid choice: 'large'"),
        (("--data", "nowhere"), "cannot read nowhere"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_exit_2(
    data: Path, tmp_path: Path, arguments: tuple[str, str], says: str
) -> None:
    done = run_here("omniglot", "--data", data, "--work", tmp_path / "work", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
