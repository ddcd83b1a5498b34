"""Which pictures are measured on, and what is known of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from model import images
from model.data import Record, load_manifest
from model.episodes import Traits
from model.errors import ManifestError

Origin = Literal["products", "standins", "validation", "drawn"]


@dataclass(frozen=True)
class Item:
    """One picture of the pool.

    Attributes:
        key: names its content: the SHA-256 of its bytes (of its pixels where it was drawn).
        read: gives its pixels, (size, size, 3) uint8, for a size.
        origin: the sort of folder it came from, or "drawn" by the generator.
        held_out: kept out of training, by the rule of :mod:`model.holdout`; always so for
            pictures that are for validation only.
        group: the shop, studio or package it came from.
    """

    key: str
    read: Callable[[int], UInt8[np.ndarray, "size size 3"]]
    traits: Traits
    origin: Origin
    held_out: bool
    group: str = ""
    hardtag: str = ""
    language: str = ""

    @property
    def is_standin(self) -> bool:
        """Its label where its category has said nothing."""
        return self.traits.is_standin


@dataclass(frozen=True)
class Pool:
    """All pictures, with the two splits as positions.

    A picture whose bytes are also in the training split is not measured on, whatever folder it
    lies in.
    """

    items: Sequence[Item]

    @property
    def training(self) -> list[int]:
        """Positions that baselines may be fitted to: what a release may have trained on."""
        return [i for i, item in enumerate(self.items) if not item.held_out]

    @property
    def measured(self) -> list[int]:
        """Positions of held-out pictures, real ones and drawn ones."""
        seen = {self.items[i].key for i in self.training}
        return [i for i, item in enumerate(self.items) if item.held_out and item.key not in seen]

    def digest(self) -> str:
        """Names the pool by content: pictures, labels and splits."""
        found = hashlib.sha256()
        for item in self.items:
            found.update(repr((item.key, item.traits, item.origin, item.held_out)).encode())
        return found.hexdigest()


def folders_in(folder: Path) -> list[Path]:
    """The folder itself where it has a manifest, else its sub-folders that have one, sorted.

    Raises:
        ManifestError: neither has.
    """
    if (folder / "manifest.csv").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/manifest.csv"))
    if not found:
        raise ManifestError(f"no manifest.csv in {folder} or directly below it")
    return found


def sides(data: Sequence[Path], validation: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Folders with manifests: those divided by the rule, and those that are for measuring only.

    A folder whose name ends in "validation" is for measuring only however it was given: naming
    the folder above it must not fit a baseline to its pictures.

    Raises:
        ManifestError: as :func:`folders_in`.
    """
    divided = [folder for given in data for folder in folders_in(given)]
    whole = [folder for given in validation for folder in folders_in(given)]
    whole += [f for f in divided if f.name.endswith("validation") and f not in whole]
    return [folder for folder in divided if folder not in whole], whole


def collect(data: Sequence[Path], validation: Sequence[Path]) -> Iterator[Item]:
    """Every picture that the folders' manifests name, a repeated file only once.

    Args:
        data: folders of products or of stand-ins, divided by the rule of :mod:`model.holdout`.
        validation: folders that nothing was or may be trained on.

    Raises:
        ManifestError: a manifest cannot be read or names a picture that is not there.
    """
    seen: set[tuple[str, bool]] = set()
    for folder in (*data, *validation):
        for record in load_manifest(folder):
            origin: Origin = "products"
            if record.is_standin:
                origin = "standins"
            if folder in validation:
                origin = "validation"
            item = _item(record, origin)
            if (item.key, item.held_out) not in seen:
                seen.add((item.key, item.held_out))
                yield item


def _item(record: Record, origin: Origin) -> Item:
    def read(size: int) -> np.ndarray:
        return images.decode(record.path.read_bytes(), size).pixels

    return Item(
        key=hashlib.sha256(record.path.read_bytes()).hexdigest(),
        read=read,
        traits=Traits(record.is_standin, record.category, record.kind, record.look),
        origin=origin,
        held_out=origin == "validation" or record.is_held_out,
        group=record.group,
        hardtag=record.hardtag,
        language=record.language,
    )
