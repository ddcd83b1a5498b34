"""Held-out pictures from the generator: looks that real folders have too few of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from model import images, standins
from model.reports.pool import Item
from model.standins import Resources
from model.training.config import ViewsConfig
from model.training.sources import Source, ViewLabel


@dataclass(frozen=True)
class Wanted:
    """How many to draw, half of them stand-ins and half products that look like stand-ins.

    Attributes:
        seed: of pictures that no training drew, as long as its seed is another one.
        held_out: how many of families that training keeps out. training: how many of the others.
        image_size: side of the pixels.
    """

    seed: int
    held_out: int
    training: int
    image_size: int


def draw_items(
    resources: Resources,
    wanted: Wanted,
    cache: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Item]:
    """Drawn pictures, from the cache where the same generator drew the same before.

    Args:
        cache: folder for the pixels.
        progress: called with the number of pictures drawn and in all.
    """
    path = cache / f"drawn-{_key(resources, wanted)[:16]}.npz"
    if not path.exists():
        drawn = list(_draw(resources, wanted, progress))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        shape = (0, wanted.image_size, wanted.image_size, 3)
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                pixels=np.stack([p for p, _ in drawn]) if drawn else np.zeros(shape, np.uint8),
                labels=np.array([json.dumps(label.as_dict()) for _, label in drawn], dtype=str),
            )
        partial.replace(path)
    with np.load(path, allow_pickle=False) as found:
        pixels, labels = found["pixels"], [ViewLabel(**json.loads(t)) for t in found["labels"]]
    return [_item(p, label) for p, label in zip(pixels, labels, strict=True)]


def _draw(
    resources: Resources, wanted: Wanted, progress: Callable[[int, int], None]
) -> Iterator[tuple[np.ndarray, ViewLabel]]:
    done, total = 0, 2 * (wanted.held_out // 2 + wanted.training // 2)
    for sort in ("standin", "product"):
        left = {True: wanted.held_out // 2, False: wanted.training // 2}
        # Families are kept out by a rule of their name, so one asks until there are enough; a
        # generator with few families may have none on one side, and then there are fewer.
        most = 20 * (wanted.held_out + wanted.training)
        source = Source(
            (), resources, ViewsConfig(0, 0, most, most), wanted.seed, wanted.image_size
        )
        for index in range(most):
            if not any(left.values()):
                break
            pixels, label = source.view(sort, index, 0)
            side = label.role == "validation"
            if left[side] > 0:
                left[side] -= 1
                done += 1
                progress(done, total)
                yield pixels, label


def _item(pixels: UInt8[np.ndarray, "size size 3"], label: ViewLabel) -> Item:
    def read(size: int) -> np.ndarray:
        if size == len(pixels):
            return pixels
        return images.letterbox(Image.fromarray(pixels), size)

    return Item(
        key=hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest(),
        read=read,
        traits=label.traits,
        origin="drawn",
        held_out=label.role == "validation",
        group=label.fine,
    )


def _key(resources: Resources, wanted: Wanted) -> str:
    """Everything that decides what is drawn: the generator's code, its resources, the seed."""
    found = hashlib.sha256(repr((wanted, resources)).encode())
    for file in sorted(Path(standins.__file__).parent.rglob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()
