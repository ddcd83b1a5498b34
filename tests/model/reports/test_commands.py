"""How a script's command ends, and what it says."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from model.errors import ManifestError
from model.reports.commands import at_least, exit_status


def _raise(error: BaseException) -> None:
    raise error


def test_work_that_is_done_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status("some_script", lambda: print("done"), Path("runs")) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_an_error_that_can_be_mended_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    error = ManifestError("no manifest.csv in x")
    assert exit_status("some_script", lambda: _raise(error), Path("runs")) == 2
    assert capsys.readouterr().err == "some_script: no manifest.csv in x\n"
    assert exit_status("some_script", lambda: _raise(OSError("gone")), Path(), (OSError,)) == 2


def test_a_stopped_command_says_where_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status("some_script", lambda: _raise(KeyboardInterrupt()), Path("runs/x")) == 130
    assert capsys.readouterr().err == "\nstopped; the same command goes on from runs/x\n"


def test_a_defect_is_raised() -> None:
    with pytest.raises(OSError, match="gone"):
        exit_status("some_script", lambda: _raise(OSError("gone")), Path("runs"))


def test_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--tests", type=at_least(2))
    assert parser.parse_args(["--tests=2"]).tests == 2
    for wrong in ("1", "-3", "2.5", "many", ""):
        with pytest.raises(SystemExit):
            parser.parse_args([f"--tests={wrong}"])
        assert f"must be a whole number, 2 or more, got {wrong!r}" in capsys.readouterr().err
