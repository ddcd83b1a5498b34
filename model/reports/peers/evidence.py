"""What peers see in a picture (a hash, scores, words), read once and kept in one SQLite file.

Reading words takes ten times as long as an embedding, and none of it depends on any weights, so
it outlives every release. Peers are given the picture as its file has it: the square that the
encoder takes has grey bars, which no perceptual hash should see.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image

from model import images
from model.data import load_manifest
from model.errors import MetricError
from model.reports.pool import Item

LONGEST = 320
_SAVE_EVERY = 20


@runtime_checkable
class Reader(Protocol):
    """One kind of evidence.

    Attributes:
        key: names what an answer depends on: package, version, settings.
    """

    @property
    def key(self) -> str: ...

    def read(self, picture: Image.Image) -> Any:
        """What is seen in an RGB picture, as JSON can hold it."""

    def row(self, seen: Any) -> Float[np.ndarray, " f"]:
        """The same as numbers, float32."""


def originals(folders: Sequence[Path]) -> dict[str, Path]:
    """File of each picture that the folders' manifests name, by the SHA-256 of its bytes.

    Raises:
        ManifestError: a manifest cannot be read or names a picture that is not there.
    """
    records = [record for folder in folders for record in load_manifest(folder)]
    return {hashlib.sha256(r.path.read_bytes()).hexdigest(): r.path for r in records}


def picture_of(item: Item, files: Mapping[str, Path], size: int = LONGEST) -> Image.Image:
    """The picture as a shop has it; one that was drawn comes as the square it was drawn in.

    Raises:
        PictureError: it cannot be read.
    """
    path = files.get(item.key)
    if path is None:
        return Image.fromarray(item.read(size))
    # Decoders halve and halve again, but not below twice what is asked for.
    return images.to_rgb(images.decode_image(path.read_bytes(), size // 2))


class EvidenceStore:
    """JSON by reader and picture.

    Args:
        path: of the SQLite file; made where it is not there, with its folder.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS evidence (reader TEXT, picture TEXT, seen TEXT NOT NULL, "
            "PRIMARY KEY (reader, picture)) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read_all(
        self,
        reader: Reader,
        items: Sequence[Item],
        files: Mapping[str, Path],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Read what has not been read; what was read before a kill stays.

        Raises:
            PictureError: a picture cannot be read.
        """
        found = self._file.execute("SELECT picture FROM evidence WHERE reader = ?", (reader.key,))
        known = {key for (key,) in found}
        wanted = list({item.key: item for item in items if item.key not in known}.values())
        done = len(items) - len(wanted)
        for start in range(0, len(wanted), _SAVE_EVERY):
            progress(done + start, len(items))
            rows = [
                (reader.key, item.key, json.dumps(reader.read(picture_of(item, files))))
                for item in wanted[start : start + _SAVE_EVERY]
            ]
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", rows)
        progress(len(items), len(items))

    def seen(self, reader: Reader, keys: Sequence[str]) -> list[Any]:
        """What was read in each picture; None where it has not been read."""
        found = dict(
            self._file.execute(
                "SELECT picture, seen FROM evidence WHERE reader = ?", (reader.key,)
            ).fetchall()
        )
        return [json.loads(found[key]) if key in found else None for key in keys]

    def matrix(self, reader: Reader, keys: Sequence[str]) -> Float[np.ndarray, "n f"]:
        """Rows in the order of the keys; NaN where a picture has not been read.

        Raises:
            MetricError: none of them has been read.
        """
        rows = [None if seen is None else reader.row(seen) for seen in self.seen(reader, keys)]
        width = next((len(row) for row in rows if row is not None), None)
        if width is None:
            raise MetricError(f"{reader.key} has read none of {len(keys)} pictures")
        empty = np.full(width, np.nan, dtype=np.float32)
        return np.stack([empty if row is None else row for row in rows])


def look_milliseconds(
    reader: Reader, items: Sequence[Item], files: Mapping[str, Path], pictures: int = 20
) -> float:
    """Median time to read one picture, of a few from all over the pool, on this machine as it is.

    Not noted while everything is read: that is done once, on a machine that may be busy.
    """
    taken: list[float] = []
    for item in items[:: max(1, len(items) // pictures)]:
        picture = picture_of(item, files)
        begun = time.perf_counter()
        reader.read(picture)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken)) * 1000 if taken else float("nan")
