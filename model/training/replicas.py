"""Several processes train one network: each its own batches, all the same step.

On a CPU two processes of one thread are faster than one process of two threads wherever anything
else runs on the cores, since threads wait for each other at every layer and processes once a step.
Gradients meet in shared memory; nothing is sent anywhere.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

import torch
from torch import Tensor, nn

from model.errors import SupportError


@dataclass(frozen=True)
class Team:
    """One process's view of all of them.

    Attributes:
        rank: of this process; 0 is the one that validates and writes.
        size: how many there are.
        shared: shape (size, numbers), in shared memory: a row for each process's gradients.
    """

    rank: int
    size: int
    shared: Tensor | None = None
    barrier: Barrier | None = None

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes; the same bits everywhere."""
        if self.shared is None or self.barrier is None:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        self.shared[self.rank] = torch.cat([g.flatten() for g in gradients])
        self.barrier.wait()
        total = self.shared.sum(0)
        self.barrier.wait()  # nobody writes the next step's before all have read this one's
        start = 0
        for parameter in parameters:
            count = parameter.numel()
            parameter.grad = total[start : start + count].view_as(parameter)
            start += count


def run_team(size: int, numbers: int, work: Callable[[Team], None]) -> None:
    """Run ``work`` in ``size`` processes, rank 0 in this one.

    Args:
        numbers: how many gradients there are.
    Raises:
        SupportError: size is below 1.
    """
    if size < 1:
        raise SupportError(f"at least 1 process is needed, got {size}")
    if size == 1:
        work(Team(0, 1))
        return
    # Forked, so that the views stay mapped once and nothing need be pickled. No backward pass has
    # run before this, so no thread of the autograd engine is lost.
    context = multiprocessing.get_context("fork")
    shared = torch.zeros(size, numbers).share_memory_()  # type: ignore[no-untyped-call]
    barrier = context.Barrier(size)
    others = [
        context.Process(target=_follow, args=(work, Team(rank, size, shared, barrier)), daemon=True)
        for rank in range(1, size)
    ]
    for process in others:
        process.start()
    try:
        work(Team(0, size, shared, barrier))
        for process in others:
            process.join()
    finally:
        for process in others:
            process.terminate()


def _follow(work: Callable[[Team], None], team: Team) -> None:
    torch.set_num_threads(1)
    try:
        work(team)
    except BaseException:
        if team.barrier is not None:
            team.barrier.abort()  # or the others would wait for ever
        raise
