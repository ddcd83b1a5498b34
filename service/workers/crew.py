"""Processes that work beside the event loop, and what becomes of one that ends."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from service.workers.desk import Desk
from service.workers.lane import Lane
from service.workers.nursery import Nursery
from service.workers.terms import Terms

log = logging.getLogger("standin.workers")
# Seconds between attempts to start a process that ends before it has answered anything.
_PATIENCE = 1.0


class Crew:
    """Processes that work, each at the end of a pair of sockets, started again where one ends.

    Attributes:
        lanes: one for each process.
        children: what was started: processes whose children work.

    Args:
        places: on each one's desk: pictures that may be with it.
        told: what they are told.
        nursery: starts processes at once, as long as it lives; else each start imports anew.
    """

    def __init__(
        self, count: int, places: int, told: Terms, nursery: Nursery | None = None
    ) -> None:
        self._terms = told
        self._nursery = nursery
        self.lanes = [Lane(places, self._again) for _ in range(count)]
        self.children: list[subprocess.Popen[bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Begin; whatever they are given before they are there waits for them."""
        await self._connect(self.lanes)

    async def close(self) -> None:
        """Finish what they are at, and nothing else."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        for lane in self.lanes:
            lane.close()
        await asyncio.to_thread(self._reap)

    def _reap(self) -> None:
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:  # a picture of many megapixels: nobody waits for it
                child.kill()
                child.wait()

    async def _connect(self, lanes: Sequence[Lane]) -> None:
        """One process for each lane, which share what the first of them has imported."""
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in lanes]
        try:
            desks = [lane.desk for lane in lanes]
            self._begin([(there, desk) for (_, there), desk in zip(pairs, desks, strict=True)])
        except OSError:
            for here, _ in pairs:
                here.close()
            raise
        finally:
            for _, there in pairs:
                there.close()
        for lane, (here, _) in zip(lanes, pairs, strict=True):
            here.setblocking(False)
            await loop.create_unix_connection(partial(_itself, lane), sock=here)

    def _begin(self, ends: Sequence[tuple[socket.socket, Desk]]) -> None:
        """Processes at the other ends of these."""
        if self._nursery is not None:
            try:
                self._nursery.start(ends, self._terms)
            except OSError as error:
                log.error("the process that starts others has ended (%s); anew from here", error)
                self._nursery = None
            else:
                return
        theirs = [each.fileno() for pair in ends for each in pair]
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "service.workers.process", self._terms.to_json()]
        self.children = [child for child in self.children if child.poll() is None]
        self.children.append(
            subprocess.Popen(
                [*command, *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                pass_fds=theirs,
                env={**os.environ, "PYTHONPATH": path},
            )
        )

    def _again(self, lane: Lane) -> None:
        """A lane has lost its process."""
        if not self._closing:
            task = asyncio.get_running_loop().create_task(self._restart(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _restart(self, lane: Lane) -> None:
        if not lane.greeted:
            await asyncio.sleep(_PATIENCE)
        while True:
            try:
                await self._connect([lane])
            except OSError as error:  # too many processes or files, and that may pass
                log.error("a process that works cannot be started: %s", error)
                await asyncio.sleep(_PATIENCE)
            else:
                return


def _itself(lane: Lane) -> Lane:
    return lane
