"""What is sent: a catalogue's pictures by category, one in eight a stand-in, with examples.

A category that is taught with five pictures of its own and asked about others of its own is what a
shop has. What a picture costs Standin depends on it: its policy looks closer at what is unlike the
examples. So each picture knows its own category, and one whose goods are others.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model.data import load_manifest
from model.standins import KINDS, builtin_resources, draw

from .bodies import Picture
from .wrk import LoadError

EACH = 16  # pictures of a category that are sent
STANDINS = 2  # of them
EXAMPLES = 5  # of each label that a category is taught with, none of which is sent
REAL = EACH - STANDINS + EXAMPLES
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, eq=False)
class Shelf:
    """A category: its name, JPEGs that are sent, and JPEGs that it is taught with, by label."""

    category: str
    pictures: Sequence[bytes]
    examples: Mapping[str, Sequence[bytes]]


def to_send(shelves: Sequence[Shelf]) -> list[Picture]:
    """All pictures, category after category; the other category is the next one."""
    return [
        Picture(jpeg, shelf.category, shelves[(number + 1) % len(shelves)].category)
        for number, shelf in enumerate(shelves)
        for jpeg in shelf.pictures
    ]


def from_folder(folder: Path, most: int, seed: int = 0) -> list[Shelf]:
    """Categories of a folder, at most so many, and of each a few pictures, by lot.

    With a manifest (``model.data``) they are those of its pictures that nothing was trained on;
    without one, each folder in it is a category.

    Raises:
        LoadError: no category has pictures enough.
        ManifestError: the manifest cannot be read.
    """
    found = {
        name: sorted(paths)
        for name, paths in sorted(_categories(folder).items())
        if len(paths) >= REAL
    }
    if not found:
        raise LoadError(
            f"{folder} has no category of {REAL} pictures and more, "
            "each a folder in it, or held out by its manifest.csv"
        )
    rng = np.random.default_rng(seed)
    names = list(found)
    shelves = []
    for number in np.sort(rng.permutation(len(names))[:most]).tolist():
        paths = found[names[number]]
        picked = [paths[i] for i in rng.permutation(len(paths))[:REAL].tolist()]
        jpegs = []
        for path in picked:
            with Image.open(path) as opened:
                jpegs.append(enlarged(opened.convert("RGBA").convert("RGB")))
        shelves.append(_shelf(number, jpegs))
    return shelves


def of_pictures(jpegs: Sequence[bytes]) -> list[Shelf]:
    """As many categories as JPEGs are enough for, :data:`REAL` each."""
    return [_shelf(n, jpegs[REAL * n : REAL * (n + 1)]) for n in range(len(jpegs) // REAL)]


def enlarged(image: Image.Image) -> bytes:
    """A picture as a JPEG of a megapixel at least."""
    scale = max(1.0, (1e6 / (image.width * image.height)) ** 0.5)
    size = round(image.width * scale), round(image.height * scale)
    held = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(held, "JPEG", quality=85)
    return held.getvalue()


def _categories(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    if (folder / "manifest.csv").exists():
        for record in load_manifest(folder):
            if record.is_held_out and not record.is_standin:
                found.setdefault(record.category, []).append(record.path)
        return found
    for path in folder.glob("*/*"):
        if path.suffix.lower() in SUFFIXES:
            found.setdefault(path.parent.name, []).append(path)
    return found


def _shelf(number: int, jpegs: Sequence[bytes]) -> Shelf:
    """The last pictures are examples; stand-ins are drawn, none like another."""
    rng, resources = np.random.default_rng([number, 1]), builtin_resources()
    standins = [
        enlarged(draw(KINDS[int(rng.integers(len(KINDS)))], rng, resources).image)
        for _ in range(STANDINS + EXAMPLES)
    ]
    real = EACH - STANDINS
    return Shelf(
        f"shelf-{number:02}",
        [*jpegs[:real], *standins[:STANDINS]],
        {"placeholder": standins[STANDINS:], "real": jpegs[real:]},
    )
