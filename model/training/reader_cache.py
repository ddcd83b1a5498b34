"""The reader's pictures on disk: drawn once, grey, in shards that a stopped run goes on from."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from model.training.reader_views import ReaderLabel

SHARD = 512
# As the eye weighs them (ITU-R BT.601), and as the reader does.
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@runtime_checkable
class Source(Protocol):
    """Something that makes picture i from its seed and i alone."""

    def view(self, index: int) -> tuple[NDArray[np.uint8], ReaderLabel]:
        """Pixels, grey or RGB, and what is known of them."""


@dataclass(frozen=True)
class Cached:
    """Pictures and labels, the pictures memory-mapped.

    Attributes:
        shards: uint8 arrays (SHARD, h, w), the last one perhaps shorter.
        labels: one a picture, in order.
    """

    shards: list[NDArray[np.uint8]]
    labels: list[ReaderLabel]

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pictures at these places, (len(places), h, w)."""
        return np.stack([self.shards[p // SHARD][p % SHARD] for p in places.tolist()])


_source: Source | None = None  # of a worker process, set once when it starts


def _start_worker(source: Source) -> None:
    global _source
    _source = source
    os.nice(5)


def _make(index: int) -> tuple[NDArray[np.uint8], ReaderLabel]:
    if _source is None:
        raise RuntimeError("a worker makes pictures only after _start_worker")
    return _made(_source, index)


def _made(source: Source, index: int) -> tuple[NDArray[np.uint8], ReaderLabel]:
    pixels, label = source.view(index)
    if pixels.ndim == 3:
        pixels = (pixels @ GREY + 0.5).astype(np.uint8)
    return pixels, label


def build(
    source: Source,
    count: int,
    folder: Path,
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cached:
    """Make every picture that is not yet in ``folder``, and open them all.

    Args:
        folder: of this configuration alone; holds shard-00000.npy, shard-00000.jsonl, ...
        workers: processes that draw; 0 draws in this one.
        progress: called with the number of pictures done and in all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, count, SHARD)
    missing = [s for s in starts if not _paths(folder, s // SHARD)[1].exists()]
    done = count - sum(min(SHARD, count - s) for s in missing)
    progress(done, count)
    pool = (
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (source,))
        if workers and missing
        else None
    )
    try:
        jobs = [i for s in missing for i in range(s, min(s + SHARD, count))]
        made = pool.map(_make, jobs, chunksize=32) if pool else (_made(source, i) for i in jobs)
        for s in missing:
            rows = [next(made) for _ in range(min(SHARD, count - s))]
            _write(folder, s // SHARD, rows)
            done += len(rows)
            progress(done, count)
    finally:
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)
    return open_cache(folder, count)


def open_cache(folder: Path, count: int) -> Cached:
    """Open what ``build`` wrote."""
    shards: list[NDArray[np.uint8]] = []
    labels: list[ReaderLabel] = []
    for number in range(-(-count // SHARD)):
        array, lines = _paths(folder, number)
        shards.append(np.load(array, mmap_mode="r", allow_pickle=False))
        labels += [ReaderLabel(**json.loads(line)) for line in lines.read_text().splitlines()]
    return Cached(shards, labels)


def _write(folder: Path, number: int, rows: list[tuple[NDArray[np.uint8], ReaderLabel]]) -> None:
    """The labels are moved into place last: their presence says that the shard is whole."""
    array, lines = _paths(folder, number)
    partial = array.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.stack([pixels for pixels, _ in rows]))
    partial.replace(array)
    partial.write_text("".join(json.dumps(label.as_dict()) + "\n" for _, label in rows))
    partial.replace(lines)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"shard-{number:05d}.npy", folder / f"shard-{number:05d}.jsonl"
