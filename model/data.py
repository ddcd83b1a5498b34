"""Folders of pictures with a manifest: the training data of this project, or a shop's own.

A folder holds ``manifest.csv`` and the pictures that it names. Two sorts, told apart by a column:

- products: a column ``category`` (shoes, paint, ...), and where known ``hardtag``: why the picture
  looks like a stand-in although it is a product (``text-heavy``, ``blank-solid``, ...);
- stand-ins: a column ``kind`` (``text``, ``icon``, ``silhouette``, ``logo``, ``blank``,
  ``error``, ``spinner``, ``mixed``), and where known ``language`` and ``family``.

Both have ``file`` (relative to the folder) and ``group`` (the shop, studio or package it came
from: the unit in which pictures are held out), and may have ``licence`` and ``repo``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import ManifestError
from model.holdout import Role, role

# Which look a picture has, for tasks that turn around: by kind of a stand-in, by tag of a product.
LOOK_OF_KIND = {"logo": "logo", "icon": "icon", "text": "lettering", "blank": "swatch"}
LOOK_OF_TAG = {"blank-solid": "swatch", "icon-like": "icon", "text-heavy": "lettering"}


@dataclass(frozen=True)
class Record:
    """One picture of a manifest; an unknown attribute is the empty string."""

    path: Path
    is_standin: bool
    category: str = ""
    kind: str = ""
    family: str = ""
    language: str = ""
    hardtag: str = ""
    group: str = ""
    licence: str = ""
    repo: str = ""

    @property
    def look(self) -> str:
        """Which look it could have in a task that turns around, or the empty string."""
        if self.is_standin:
            return LOOK_OF_KIND.get(self.kind, "")
        return LOOK_OF_TAG.get(self.hardtag, "")

    @property
    def role(self) -> Role:
        """What the picture may be used for (``model.holdout.role``)."""
        return role({"group": self.group, "category": self.category, "family": self.family})

    @property
    def is_held_out(self) -> bool:
        """Kept for validation: by its group, its category or its family, whichever says so."""
        return self.role == "validation"


def load_manifest(folder: Path) -> list[Record]:
    """Read ``folder/manifest.csv``, in its order.

    Raises:
        ManifestError: no manifest, a column is missing, both or neither of ``category`` and
            ``kind`` are there, or a picture that it names is not; says which line.
    """
    manifest = folder / "manifest.csv"
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns: Sequence[str] = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"cannot read {manifest}: {error}") from error
    for needed in ("file", "group"):
        if needed not in columns:
            raise ManifestError(f"{manifest} has no column {needed!r}; it has {list(columns)}")
    if ("category" in columns) == ("kind" in columns):
        raise ManifestError(
            f"{manifest} needs either a column 'category' (products) or a column 'kind' "
            f"(stand-ins), not both and not neither; it has {list(columns)}"
        )
    return [_record(folder, row, line) for line, row in enumerate(rows, start=2)]


def _record(folder: Path, row: dict[str, str | None], line: int) -> Record:
    def value(column: str) -> str:
        return (row.get(column) or "").strip()

    path = folder / value("file")
    if not value("file") or not path.is_file():
        raise ManifestError(f"{folder / 'manifest.csv'}, line {line}: no picture at {path}")
    return Record(
        path=path,
        is_standin="kind" in row,
        category=value("category"),
        kind=value("kind"),
        family=value("family"),
        language=value("language"),
        hardtag=value("hardtag"),
        group=value("group"),
        licence=value("licence"),
        repo=value("repo"),
    )
