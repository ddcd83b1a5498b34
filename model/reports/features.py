"""Embeddings of a pool, computed once for each encoder and kept in one SQLite file.

A measurement is minutes of encoding and seconds of arithmetic, and is repeated often; what was
embedded before a kill is not embedded again.
"""

from __future__ import annotations

import hashlib
import inspect
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float

from model import images, resizing
from model.encoder import Encoder, EncoderNet, normalise
from model.errors import MetricError
from model.reports.pool import Item

_BATCH = 64


class FeatureStore:
    """Rows of float32 by encoder and picture.

    Args:
        path: of the SQLite file; made where it is not there, with its folder.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS features "
            "(encoder TEXT, picture TEXT, row BLOB NOT NULL, PRIMARY KEY (encoder, picture)) "
            "WITHOUT ROWID"
        )

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def known(self, encoder: str) -> set[str]:
        """Keys of the pictures that this encoder has embedded."""
        found = self._file.execute("SELECT picture FROM features WHERE encoder = ?", (encoder,))
        return {key for (key,) in found}

    def add(self, encoder: str, keys: Sequence[str], rows: Float[np.ndarray, "n d"]) -> None:
        """Keep rows, in one transaction; the same picture again replaces its row."""
        with self._file:
            self._file.executemany(
                "INSERT OR REPLACE INTO features VALUES (?, ?, ?)",
                [
                    (encoder, key, row.astype("<f4").tobytes())
                    for key, row in zip(keys, rows, strict=True)
                ],
            )

    def matrix(self, encoder: str, keys: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Rows in the order of the keys, float32.

        Raises:
            MetricError: a picture has not been embedded.
        """
        found = {
            key: row
            for key, row in self._file.execute(
                "SELECT picture, row FROM features WHERE encoder = ?", (encoder,)
            )
        }
        if missing := [key for key in keys if key not in found]:
            raise MetricError(f"{len(missing)} pictures have no embedding, first {missing[0]}")
        return np.stack([np.frombuffer(found[key], dtype="<f4") for key in keys])


def encoder_key(weights_sha256: str, encoder: Encoder) -> str:
    """Names everything that an embedding depends on: weights, size, precision, preprocessing."""
    used = (images, resizing, normalise, EncoderNet.pooled, EncoderNet.embed_pooled)
    code = "".join(inspect.getsource(each) for each in used)
    parts = (weights_sha256, str(encoder.image_size), encoder.precision, code)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def embed_all(
    items: Sequence[Item],
    encoders: Mapping[str, Encoder],
    store: FeatureStore,
    progress: Callable[[int, int], None] = lambda done, total: None,
    workers: int = 1,
) -> None:
    """Embed what is missing, each picture decoded once for all encoders of one size.

    Args:
        encoders: by key, see :func:`encoder_key`.
        progress: called with the number of pictures done and in all.
        workers: threads that decode while the encoder works.

    Raises:
        PictureError: a picture of the pool cannot be read.
    """
    known = {key: store.known(key) for key in encoders}
    wanted = [item for item in items if any(item.key not in known[key] for key in encoders)]
    done = len(items) - len(wanted)
    progress(done, len(items))
    sizes = {encoder.image_size for encoder in encoders.values()}
    with ThreadPoolExecutor(max(1, workers)) as threads:
        for batch in _batches(wanted):
            for size in sizes:
                pixels = list(threads.map(lambda item, size=size: item.read(size), batch))
                for key, encoder in encoders.items():
                    if encoder.image_size != size:
                        continue
                    new = [i for i, item in enumerate(batch) if item.key not in known[key]]
                    rows = encoder.embed([pixels[i] for i in new])
                    store.add(key, [batch[i].key for i in new], rows)
            done += len(batch)
            progress(done, len(items))


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
