"""Pixels of some views, once more, for the experts that look at pixels.

The views of the encoder's training are kept as the trunk's activations; words and statistics need
the pictures. Each is drawn again from its number, in resumable shards, with the size that it had
before it was letterboxed.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.images import letterbox
from model.training.sources import Source, ViewLabel

SHARD = 512


@dataclass(frozen=True, eq=False)
class ExpertViews:
    """Pictures with what is known of them.

    Attributes:
        numbers: shape (n,), int64: which views of the source these are.
        pixels: shards of shape (n_s, size, size, 3), uint8, memory-mapped.
        sizes: shape (n, 2), int64: width and height before letterboxing.
        labels: one a view.
    """

    numbers: NDArray[np.int64]
    pixels: list[NDArray[np.uint8]]
    sizes: NDArray[np.int64]
    labels: list[ViewLabel]

    def __len__(self) -> int:
        return len(self.labels)


def choose_views(source: Source, labels: Sequence[ViewLabel]) -> NDArray[np.int64]:
    """Numbers of the views that experts learn from: everything real or drawn that was kept from
    the encoder, and of what the encoder saw the real pictures, a view of each product and four of
    each stand-in; without any real pictures, the drawn ones in their place."""
    chosen = []
    drawn_alone = not source.records
    for number, ((sort, _, view), label) in enumerate(zip(source.plan(), labels, strict=True)):
        if label.role == "learner" or (
            label.role == "encoder"
            and (drawn_alone or (sort == "record" and view < (4 if label.is_standin else 1)))
        ):
            chosen.append(number)
    return np.array(chosen, dtype=np.int64)


_source: Source | None = None  # of a worker process, set once when it starts


def _start_worker(source: Source) -> None:
    global _source
    _source = source
    torch.set_num_threads(1)


def _make(job: tuple[str, int, int]) -> tuple[NDArray[np.uint8], tuple[int, int], ViewLabel]:
    if _source is None:
        raise RuntimeError("a worker makes views only after _start_worker")
    image, label = _source.picture(*job)
    return letterbox(image, _source.image_size), image.size, label


def build_expert_views(
    source: Source,
    numbers: NDArray[np.int64],
    folder: Path,
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExpertViews:
    """Draw what is not yet in ``folder`` (of this source and choice alone), and open it all."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = source.plan()
    jobs = [plan[number] for number in numbers.tolist()]
    starts = range(0, len(jobs), SHARD)
    missing = [s for s in starts if not _paths(folder, s // SHARD)[1].exists()]
    done = len(jobs) - sum(len(jobs[s : s + SHARD]) for s in missing)
    progress(done, len(jobs))
    with ProcessPoolExecutor(
        max(1, workers), multiprocessing.get_context("spawn"), _start_worker, (source,)
    ) as pool:
        for start in missing:
            made = list(pool.map(_make, jobs[start : start + SHARD], chunksize=16))
            _write(folder, start // SHARD, made)
            done += len(made)
            progress(done, len(jobs))
    shards, sizes, labels = [], [], []
    for start in starts:
        array, lines = _paths(folder, start // SHARD)
        shards.append(np.load(array, mmap_mode="r", allow_pickle=False))
        for line in lines.read_text().splitlines():
            found = json.loads(line)
            sizes.append(found.pop("size"))
            labels.append(ViewLabel(**found))
    return ExpertViews(numbers, shards, np.array(sizes, dtype=np.int64).reshape(-1, 2), labels)


def _write(
    folder: Path,
    number: int,
    made: Sequence[tuple[NDArray[np.uint8], tuple[int, int], ViewLabel]],
) -> None:
    """The labels are moved into place last: their presence says that the shard is whole."""
    array, lines = _paths(folder, number)
    partial = array.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.stack([pixels for pixels, _, _ in made]))
    partial.replace(array)
    partial.write_text(
        "".join(json.dumps({**label.as_dict(), "size": size}) + "\n" for _, size, label in made)
    )
    partial.replace(lines)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"pixels-{number:05d}.npy", folder / f"pixels-{number:05d}.jsonl"
