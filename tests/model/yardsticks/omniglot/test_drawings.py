"""Archives are read as they were written, and refused by name where they are spoilt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.errors import ManifestError
from model.yardsticks.omniglot.drawings import load_background, load_runs
from tests.model.yardsticks.omniglot import made_glyphs as made

Files = dict[str, bytes]
ALPHABETS = (made.alphabet("Aleph", 2), made.alphabet("Bet_(old)", 3))
BACKGROUND = made.background_files(ALPHABETS)
RUNS = [made.run(number) for number in range(1, 21)]
RUN_FILES = made.run_files(RUNS)
DRAWING = "images/Aleph/character01/0100_07.png"


def test_alphabets_come_back_by_character_and_by_person(tmp_path: Path) -> None:
    shuffled = dict(sorted(BACKGROUND.items(), key=lambda item: item[0][::-1]))
    found = load_background(made.write(tmp_path / "b.zip", {"images/": b"", **shuffled}))
    assert [a.name for a in found] == ["Aleph", "Bet_(old)"]
    for got, want in zip(found, ALPHABETS, strict=True):
        np.testing.assert_array_equal(got.ink, want.ink)


def test_runs_come_back_with_their_answers(tmp_path: Path) -> None:
    found = load_runs(made.write(tmp_path / "r.zip", RUN_FILES))
    assert [r.name for r in found] == [r.name for r in RUNS]
    for got, want in zip(found, RUNS, strict=True):
        np.testing.assert_array_equal(got.training, want.training)
        np.testing.assert_array_equal(got.test, want.test)
        np.testing.assert_array_equal(got.answer, want.answer)


def without(name: str) -> Callable[[Files], Files]:
    return lambda files: {n: content for n, content in files.items() if n != name}


def replaced(name: str, content: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, name: content}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without(DRAWING), r"Aleph/character01 needs a drawing by each of 20 people"),
        (replaced(DRAWING, b"no picture"), "cannot read the drawing .*0100_07"),
        (replaced(DRAWING, BACKGROUND[DRAWING][:60]), "cannot read the drawing .*0100_07"),
        (replaced(DRAWING, made.png(np.eye(104, dtype=bool))), "104 x 104 pixels"),
        (replaced(DRAWING, made.png(np.zeros((105, 105), dtype=bool))), "has no ink"),
        (replaced(DRAWING, b"\0" * 100_000), "has 100,000 bytes"),
        (replaced("images/Aleph/notes.txt", b"hello"), "notes.txt', which is no drawing"),
        (lambda files: {}, "holds no drawings"),
    ],
)
def test_a_spoilt_background_is_refused(
    tmp_path: Path, spoil: Callable[[Files], Files], says: str
) -> None:
    with pytest.raises(ManifestError, match=says):
        load_background(made.write(tmp_path / "b.zip", spoil(BACKGROUND)))


LABELS = "run07/class_labels.txt"


def relabelled(old: str, new: str) -> Callable[[Files], Files]:
    text = RUN_FILES[LABELS].decode()
    assert old in text
    return replaced(LABELS, text.replace(old, new).encode())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without(LABELS), "has no run07/class_labels.txt"),
        (without("run07/test/item03.png"), "has no run07/test/item03.png"),
        (
            relabelled("run07/training/class05.png", "run07/training/class06.png"),
            "got 20 of 19",
        ),
        (relabelled("run07/test/item05.png", "run07/test/item06.png"), "got 19 of 20"),
        (relabelled("run07/test/item05.png", "run08/test/item05.png"), "has the line"),
        (relabelled("run07/test/item05.png ", ""), "has the line"),
        (replaced(LABELS, b"\xff\xfe"), "cannot read run07/class_labels.txt"),
    ],
)
def test_spoilt_runs_are_refused(
    tmp_path: Path, spoil: Callable[[Files], Files], says: str
) -> None:
    with pytest.raises(ManifestError, match=says):
        load_runs(made.write(tmp_path / "r.zip", spoil(RUN_FILES)))


def test_no_archive_and_half_an_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot read"):
        load_runs(tmp_path / "absent.zip")
    whole = made.write(tmp_path / "b.zip", BACKGROUND).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ManifestError, match="cannot read"):
        load_background(tmp_path / "half.zip")
