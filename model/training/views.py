"""Views on disk: what the frozen trunk makes of every picture, once, in resumable shards.

Drawing, degrading and the lower half of the network cost more than everything that is trained, and
none of it changes while training. So it is done once: a shard holds the trunk's output for some
hundred views in half precision, and the labels as JSON Lines. A shard that is there is not made
again, so the work can be stopped and resumed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoder import EncoderNet, normalise
from model.training.sources import Source, ViewLabel

SHARD = 256


@dataclass(frozen=True)
class Views:
    """Cached trunk activations with their labels.

    Attributes:
        shards: float16 arrays of shape (n_s, c, h, w), memory-mapped.
        labels: one a view, in order.
    """

    shards: list[NDArray[np.float16]]
    labels: list[ViewLabel]

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, positions: NDArray[np.int64]) -> Tensor:
        """Trunk activations (len(positions), c, h, w), float32."""
        rows = [self.shards[p // SHARD][p % SHARD] for p in positions.tolist()]
        return torch.from_numpy(np.stack(rows)).float()

    def batches(self, size: int) -> Iterator[Tensor]:
        """All views in order."""
        for start in range(0, len(self), size):
            yield self.gather(np.arange(start, min(start + size, len(self))))


_source: Source | None = None  # of a worker process, set once when it starts


def _start_worker(source: Source) -> None:
    global _source
    _source = source
    torch.set_num_threads(1)
    os.nice(5)  # the trunk in the parent is what everything waits for


def _make(job: tuple[str, int, int]) -> tuple[NDArray[np.uint8], ViewLabel]:
    if _source is None:
        raise RuntimeError("a worker makes views only after _start_worker")
    return _source.view(*job)


def build_views(
    source: Source,
    net: EncoderNet,
    frozen_blocks: int,
    folder: Path,
    *,
    workers: int,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Views:
    """Make every view that is not yet in ``folder``, and open them all.

    Args:
        folder: of this configuration alone; holds shard-00000.npy, shard-00000.jsonl, ...
        workers: processes that draw and decode; 0 does it in this one.
        progress: called with the number of views done and in all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = source.plan()
    starts = range(0, len(plan), SHARD)
    missing = [s for s in starts if not _paths(folder, s // SHARD)[1].exists()]
    net = net.to(device).eval()
    done = len(plan) - sum(len(plan[s : s + SHARD]) for s in missing)
    progress(done, len(plan))
    pool = (
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (source,))
        if workers and missing
        else None
    )
    try:
        jobs = [job for s in missing for job in plan[s : s + SHARD]]
        made = pool.map(_make, jobs, chunksize=16) if pool else (source.view(*job) for job in jobs)
        for s in missing:
            count = len(plan[s : s + SHARD])
            views = [next(made) for _ in range(count)]
            pixels = np.stack([v[0] for v in views])
            _write(folder, s // SHARD, _trunk(net, pixels, frozen_blocks, device), views)
            done += count
            progress(done, len(plan))
    finally:
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)
    return open_views(folder, len(plan))


def open_views(folder: Path, count: int) -> Views:
    """Open what ``build_views`` wrote."""
    shards: list[NDArray[np.float16]] = []
    labels: list[ViewLabel] = []
    for number in range(-(-count // SHARD)):
        array, lines = _paths(folder, number)
        shards.append(np.load(array, mmap_mode="r", allow_pickle=False))
        labels += [ViewLabel(**json.loads(line)) for line in lines.read_text().splitlines()]
    return Views(shards, labels)


@torch.no_grad()
def _trunk(
    net: EncoderNet, pixels: NDArray[np.uint8], blocks: int, device: torch.device
) -> NDArray[np.float16]:
    found = []
    for start in range(0, len(pixels), 64):
        batch = torch.from_numpy(pixels[start : start + 64]).to(device)
        found.append(net.trunk(normalise(batch), blocks).half().cpu().numpy())
    return np.concatenate(found)


def _write(
    folder: Path,
    number: int,
    activations: NDArray[np.float16],
    views: list[tuple[NDArray[np.uint8], ViewLabel]],
) -> None:
    """The labels are moved into place last: their presence says that the shard is whole."""
    array, lines = _paths(folder, number)
    partial = array.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, activations)
    partial.replace(array)
    partial.write_text("".join(json.dumps(label.as_dict()) + "\n" for _, label in views))
    partial.replace(lines)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"shard-{number:05d}.npy", folder / f"shard-{number:05d}.jsonl"
