"""Made-up alphabets and runs, as values and as archives: random strokes by unsteady hands."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from model.yardsticks.omniglot.drawings import SIDE, Alphabet, Run


def strokes(rng: np.random.Generator) -> np.ndarray:
    """Corners of a character, around the middle of the sheet."""
    return rng.uniform(20, 85, (int(rng.integers(3, 6)), 2))


def drawn(corners: np.ndarray, rng: np.random.Generator, unsteady: float = 3.0) -> np.ndarray:
    """One drawing of it: ink."""
    image = Image.new("1", (SIDE, SIDE), 1)
    moved = corners + rng.normal(0, unsteady, corners.shape)
    ImageDraw.Draw(image).line([(float(x), float(y)) for x, y in moved], fill=0, width=3)
    return ~np.asarray(image)


def alphabet(name: str, characters: int, drawers: int = 20, seed: int = 0) -> Alphabet:
    rng = np.random.default_rng([seed, *name.encode()])
    found = [strokes(rng) for _ in range(characters)]
    return Alphabet(name, np.array([[drawn(c, rng) for _ in range(drawers)] for c in found]))


def run(number: int, seed: int = 0, wrong: int = 0) -> Run:
    """A run whose test drawings are the training drawings shifted, in another order.

    Args:
        wrong: answers that are moved round by one: whoever matches shapes gets so many wrong.
    """
    rng = np.random.default_rng([seed, number])
    training = np.array([drawn(strokes(rng), rng) for _ in range(20)])
    answer = rng.permutation(20)
    test = np.roll(training[answer], 2, axis=2)
    answer[:wrong] = np.roll(answer[:wrong], 1)
    return Run(f"run{number:02d}", training, test, answer)


def png(ink: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(~ink).save(out, "PNG")
    return out.getvalue()


def background_files(alphabets: Sequence[Alphabet]) -> dict[str, bytes]:
    return {
        f"images/{a.name}/character{c + 1:02d}/{100 + c:04d}_{d + 1:02d}.png": png(ink)
        for a in alphabets
        for c, drawings in enumerate(a.ink)
        for d, ink in enumerate(drawings)
    }


def run_files(runs: Sequence[Run]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for r in runs:
        lines = []
        for i, (ink, answer) in enumerate(zip(r.test, r.answer, strict=True)):
            found[f"{r.name}/test/item{i + 1:02d}.png"] = png(ink)
            lines.append(
                f"{r.name}/test/item{i + 1:02d}.png {r.name}/training/class{answer + 1:02d}.png"
            )
        for i, ink in enumerate(r.training):
            found[f"{r.name}/training/class{i + 1:02d}.png"] = png(ink)
        found[f"{r.name}/class_labels.txt"] = "\n".join(lines).encode()
    return found


def write(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
