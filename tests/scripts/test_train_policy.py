"""Training a policy as a person starts it: a whole run, a stopped one, and misuse."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from model.policy.policy import Policy
from model.policy.report import BEGIN, END
from tests.model.policy.synthetic import gaussian_log
from tests.scripts.harness import command, environment, run, run_here

COSTS = "--costs=0.2,0.05,4,20"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of experts that are known."""
    path = tmp_path_factory.mktemp("log") / "runs.npz"
    gaussian_log(0, rows=2000, episodes=40).save(path)
    return path


def test_a_stopped_run_ends_as_an_unbroken_one(log: Path, tmp_path: Path) -> None:
    def words(name: str) -> list[str]:
        return [
            f"--log={log}", COSTS, "--record=visual record", "--given=0,1", "--frequency=0.1",
            "--prices=0.001,0.01", "--sort=ordinary", "--walks=150000", "--resamples=20",
            "--bins=8", f"--work={tmp_path / name}", f"--out={tmp_path / name / 'docs'}",
        ]  # fmt: skip

    whole = run("train_policy", *words("whole"))
    assert whole.returncode == 0, whole.stderr

    stopped = subprocess.Popen(
        command("train_policy", *words("stopped")),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    while not list((tmp_path / "stopped").glob("tables/*.npz")) and stopped.poll() is None:
        time.sleep(0.02)
    stopped.send_signal(signal.SIGINT)
    _, said = stopped.communicate()
    assert stopped.returncode == 130, said
    assert "the same command goes on from" in said.splitlines()[-1]
    assert len(list((tmp_path / "stopped").glob("tables/*.npz"))) < 4
    again = run("train_policy", *words("stopped"))
    assert again.returncode == 0, again.stderr

    for name in ("results/policy.json", "policy.md", "images/policy.svg"):
        runs = (tmp_path / run / "docs" / name for run in ("whole", "stopped"))
        first, second = (path.read_bytes() for path in runs)
        assert first == second, name
        assert str(tmp_path).encode() not in first  # where folders lie is nobody's
    document = (tmp_path / "whole" / "docs" / "policy.md").read_text(encoding="utf-8")
    assert BEGIN in document
    assert END in document
    assert "| everybody |" in document
    assert "--sort ordinary" in document
    result = json.loads((tmp_path / "whole" / "docs" / "results" / "policy.json").read_text())
    assert set(result["learned"]) == {"q-learning", "double-q-learning", "value-iteration"}
    assert result["policies"]["everybody"]["cost"]["estimate"] == pytest.approx(24.25)
    assert len(result["candidates"]) == 2 * 2 * 6 + 2 * 2
    kept = Policy.load(tmp_path / "whole" / "policy.safetensors")
    assert kept.costs == (0.2, 0.05, 4.0, 20.0)
    assert kept.price in (0.001, 0.01)


def test_it_needs_a_document_with_markers(log: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "policy.md").write_text("# Policy\n", encoding="utf-8")
    done = run_here(
        "train_policy",
        f"--log={log}", COSTS, "--prices=0.01", "--walks=100", "--resamples=2",
        f"--work={tmp_path}", f"--out={tmp_path / 'docs'}",
    )  # fmt: skip
    assert done.returncode == 2
    assert "once" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([COSTS], "required: --log"),
        (["--log=nowhere.npz", COSTS], "nowhere.npz cannot be read"),
        (["--log=LOG", "--costs=1,2"], "the log has 4 experts"),
        (["--log=LOG", "--costs=1,2,x"], "must be numbers with commas between, got '1,2,x'"),
        (["--log=LOG", COSTS, "--record=none"], "no column 'none'"),
        (["--log=LOG", COSTS, "--seed=-1"], "0 or more, got '-1'"),
        (["--log=LOG", COSTS, "--given=9"], "no expert 9"),
        (["--log=LOG", COSTS, "--names=a,b"], "4 experts need as many names"),
        (["--log=LOG", COSTS, "--release=nowhere"], "the release's context is"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(log: Path, words: list[str], said: str) -> None:
    done = run_here("train_policy", *(word.replace("LOG", str(log)) for word in words))
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
