"""Who decodes for passes that are made elsewhere: threads of this process, or others."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from model import images
from service.threads import call_this_thread
from service.workers import terms
from service.workers.bench import decode
from service.workers.crew import Crew
from service.workers.frames import Decoded
from service.workers.lane import Job, Promise
from service.workers.nursery import Nursery

_BEHIND = 2
"""Pictures with a process: the one that it is at, and the one behind it."""


class Decoders(Protocol):
    """Decodes pictures beside the event loop."""

    @property
    def running(self) -> int:
        """Pictures that are being decoded now."""

    @property
    def room_behind(self) -> bool:
        """Whether a picture can be put behind one that is being decoded, so that whoever decodes
        goes on without waiting for the event loop."""

    def decode(
        self, data: bytes, size: int, thumbnail: int, looks: bool, *, behind: bool = False
    ) -> asyncio.Future[Decoded]:
        """One picture; the future raises as :func:`model.images.decode` does.

        Args:
            size: side of the square, in pixels.
            thumbnail: bound on the longer side of a thumbnail; 0 makes none.
            looks: whether the experts that cost nothing shall look at it.
            behind: where there is room, behind another.
        """

    async def start(self) -> None:
        """Begin; whatever is asked for before they are there waits for them."""

    async def close(self) -> None:
        """Finish what is being decoded, and nothing else."""


class InThreads:
    """Decodes in threads of this process."""

    def __init__(self, count: int, limits: images.Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(count, "decode", call_this_thread, ("decode",))
        self.running = 0
        self.room_behind = False

    def decode(
        self, data: bytes, size: int, thumbnail: int, looks: bool, *, behind: bool = False
    ) -> asyncio.Future[Decoded]:
        """See :class:`Decoders`."""
        self.running += 1
        done = asyncio.get_running_loop().run_in_executor(
            self._threads, decode, data, size, thumbnail, looks, self._limits
        )
        done.add_done_callback(self._ended)
        return done

    def _ended(self, _: asyncio.Future[Decoded]) -> None:
        self.running -= 1

    async def start(self) -> None:
        """Threads start by themselves."""

    async def close(self) -> None:
        """See :class:`Decoders`."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class InProcesses:
    """Decodes in processes; see :class:`Crew` for what becomes of them.

    Args:
        nursery: starts processes at once, as long as it lives; else each start imports anew.
    """

    def __init__(self, count: int, limits: images.Limits, nursery: Nursery | None = None) -> None:
        self.crew = Crew(count, _BEHIND, terms.decoding(limits), nursery)

    async def start(self) -> None:
        """See :class:`Decoders`."""
        await self.crew.start()

    @property
    def running(self) -> int:
        """See :class:`Decoders`."""
        return sum(bool(lane.jobs) for lane in self.crew.lanes)

    @property
    def room_behind(self) -> bool:
        """See :class:`Decoders`."""
        return any(0 < len(lane.jobs) < _BEHIND for lane in self.crew.lanes)

    def decode(
        self, data: bytes, size: int, thumbnail: int, looks: bool, *, behind: bool = False
    ) -> asyncio.Future[Decoded]:
        """See :class:`Decoders`. Where a process does not start, the error is a RuntimeError."""
        done: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()
        job = Job(data, size, thumbnail, looks, Promise(done), returns=True)
        lanes = [lane for lane in self.crew.lanes if lane.jobs] if behind else self.crew.lanes
        min(lanes or self.crew.lanes, key=lambda lane: len(lane.jobs)).take(job)
        return done

    async def close(self) -> None:
        """See :class:`Decoders`."""
        await self.crew.close()
