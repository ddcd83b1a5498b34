"""Omniglot's archives: background alphabets to learn from, and the 20 runs that are measured.

The archives are read as they are published: nothing is unpacked, and anything that is not as
described is refused by name, since a yardstick with a page missing measures something else.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image, UnidentifiedImageError

from model.errors import ManifestError

SIDE = 105  # pixels
DRAWERS = 20  # people who drew every character of an alphabet
RUNS = 20
WAYS = 20  # characters in a run
_LARGEST = 64_000  # bytes; a drawing has some 200


@dataclass(frozen=True, eq=False)
class Alphabet:
    """Characters of one alphabet, each drawn once by each of the same people.

    Attributes:
        ink: shape (characters, drawers, side, side); True where there is ink.
    """

    name: str
    ink: Bool[np.ndarray, "characters drawers side side"]


@dataclass(frozen=True, eq=False)
class Run:
    """One run: one drawing of each character to learn from, by one person; one to name, by another.

    Attributes:
        training: shape (ways, side, side); drawing i is the only example of class i.
        test: shape (trials, side, side).
        answer: shape (trials,); the class of each drawing of ``test``.
    """

    name: str
    training: Bool[np.ndarray, "ways side side"]
    test: Bool[np.ndarray, "trials side side"]
    answer: Int[np.ndarray, " trials"]


def load_background(archive: Path) -> list[Alphabet]:
    """Alphabets of ``images_background_small1.zip`` or ``...small2.zip``, by name.

    The file ``0108_05.png`` is person 5's drawing; every character must have all twenty.

    Raises:
        ManifestError: no such archive, or one that is not as described.
    """
    found: dict[str, dict[str, dict[int, np.ndarray]]] = {}
    with _opened(archive) as file:
        for name in sorted(file.namelist()):
            if name.endswith("/"):
                continue
            match = re.fullmatch(r"[^/]+/([^/]+)/(character\d+)/\d+_(\d+)\.png", name)
            if match is None:
                raise ManifestError(f"{archive.name} holds {name!r}, which is no drawing")
            alphabet, character, person = match.groups()
            drawings = found.setdefault(alphabet, {}).setdefault(character, {})
            drawings[int(person)] = _drawing(file, archive, name)
    if not found:
        raise ManifestError(f"{archive.name} holds no drawings")
    for alphabet, characters in found.items():
        for character, drawings in characters.items():
            if sorted(drawings) != list(range(1, DRAWERS + 1)):
                raise ManifestError(
                    f"{archive.name}: {alphabet}/{character} needs a drawing by each of "
                    f"{DRAWERS} people, got those of {sorted(drawings)}"
                )
    return [
        Alphabet(name, np.array([[c[p] for p in sorted(c)] for c in characters.values()]))
        for name, characters in found.items()
    ]


def load_runs(archive: Path) -> list[Run]:
    """The runs of ``all_runs.zip``, in order.

    Raises:
        ManifestError: no such archive, or one that is not as described.
    """
    with _opened(archive) as file:
        return [_run(file, archive, f"run{number:02d}") for number in range(1, RUNS + 1)]


def _run(file: zipfile.ZipFile, archive: Path, name: str) -> Run:
    pairs = _labels(file, archive, name)
    classes, items = sorted({c for _, c in pairs}), sorted(t for t, _ in pairs)
    if len(set(items)) != len(pairs) or len(classes) != WAYS or len(pairs) != WAYS:
        raise ManifestError(
            f"{archive.name}: {name} needs {WAYS} drawings of {WAYS} characters, got "
            f"{len(set(items))} of {len(classes)} in {len(pairs)} lines"
        )
    answers = dict(pairs)
    return Run(
        name=name,
        training=np.array([_drawing(file, archive, c) for c in classes]),
        test=np.array([_drawing(file, archive, t) for t in items]),
        answer=np.array([classes.index(answers[t]) for t in items]),
    )


def _labels(file: zipfile.ZipFile, archive: Path, run: str) -> list[tuple[str, str]]:
    """Lines of ``class_labels.txt``: a drawing to name, and the example of the same character."""
    try:
        text = file.read(f"{run}/class_labels.txt").decode("utf-8")
    except KeyError as error:
        raise ManifestError(f"{archive.name} has no {run}/class_labels.txt") from error
    except (UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise ManifestError(f"{archive.name}: cannot read {run}/class_labels.txt") from error
    pairs: list[tuple[str, str]] = []
    for line in text.splitlines():
        words = line.split()
        expected = (f"{run}/test/", f"{run}/training/")
        if len(words) != 2 or not all(
            w.startswith(e) for w, e in zip(words, expected, strict=True)
        ):
            raise ManifestError(f"{archive.name}: {run}/class_labels.txt has the line {line!r}")
        pairs.append((words[0], words[1]))
    return pairs


def _drawing(file: zipfile.ZipFile, archive: Path, name: str) -> np.ndarray:
    try:
        info = file.getinfo(name)
        if info.file_size > _LARGEST:
            raise ManifestError(f"{archive.name}: {name} has {info.file_size:,} bytes")
        with Image.open(io.BytesIO(file.read(info)), formats=("PNG",)) as image:
            if image.size != (SIDE, SIDE):
                raise ManifestError(
                    f"{archive.name}: {name} has {image.width} x {image.height} pixels, "
                    f"not {SIDE} x {SIDE}"
                )
            ink: np.ndarray = np.asarray(image.convert("L")) == 0
    except KeyError as error:
        raise ManifestError(f"{archive.name} has no {name}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, zipfile.BadZipFile) as error:
        raise ManifestError(f"{archive.name}: cannot read the drawing {name}: {error}") from error
    if not ink.any():
        raise ManifestError(f"{archive.name}: {name} has no ink")
    return ink


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        file = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise ManifestError(f"cannot read {archive}: {error}") from error
    with file:
        yield file
