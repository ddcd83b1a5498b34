"""Who decodes: threads of this process, or processes of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from model import images
from model.errors import UnreadablePicture
from service.decoding import frames
from service.decoding.desk import PLACES, Desk
from service.decoding.frames import Decoded
from service.decoding.nursery import Nursery
from service.decoding.process import decode
from service.threads import call_this_thread

log = logging.getLogger("standin.decoding")
# Seconds between attempts to start a process that ends before it has answered anything.
_PATIENCE = 1.0


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
    """Decodes in processes, each at the end of a pair of sockets.

    A process that ends is started again. The picture that it was decoding gets an error, as
    another process would most likely end at it, too; those behind it are sent once more.

    Attributes:
        lanes: one for each process.
        children: what was started: processes whose children decode.

    Args:
        nursery: starts processes at once, as long as it lives; else each start imports anew.
    """

    def __init__(self, count: int, limits: images.Limits, nursery: Nursery | None = None) -> None:
        self._limits = limits
        self._nursery = nursery
        self.lanes = [_Lane(self._again) for _ in range(count)]
        self.children: list[subprocess.Popen[bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """See :class:`Decoders`."""
        await self._connect(self.lanes)

    @property
    def running(self) -> int:
        """See :class:`Decoders`."""
        return sum(bool(lane.jobs) for lane in self.lanes)

    @property
    def room_behind(self) -> bool:
        """See :class:`Decoders`."""
        return any(0 < len(lane.jobs) < PLACES for lane in self.lanes)

    def decode(
        self, data: bytes, size: int, thumbnail: int, looks: bool, *, behind: bool = False
    ) -> asyncio.Future[Decoded]:
        """See :class:`Decoders`. Where a process does not start, the error is a RuntimeError."""
        job = _Job(data, size, thumbnail, looks)
        lanes = [lane for lane in self.lanes if lane.jobs] if behind else self.lanes
        min(lanes or self.lanes, key=lambda lane: len(lane.jobs)).take(job)
        return job.done

    async def close(self) -> None:
        """See :class:`Decoders`."""
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

    async def _connect(self, lanes: Sequence[_Lane]) -> None:
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
                self._nursery.start(ends)
            except OSError as error:
                log.error("the process that starts decoders has ended (%s); others do", error)
                self._nursery = None
            else:
                return
        theirs, limits = [each.fileno() for pair in ends for each in pair], self._limits
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "service.decoding.process"]
        self.children = [child for child in self.children if child.poll() is None]
        self.children.append(
            subprocess.Popen(
                [*command, *map(str, (limits.max_bytes, limits.max_pixels, *theirs))],
                stdin=subprocess.DEVNULL,
                pass_fds=theirs,
                env={**os.environ, "PYTHONPATH": path},
            )
        )

    def _again(self, lane: _Lane) -> None:
        """A lane has lost its process."""
        if not self._closing:
            task = asyncio.get_running_loop().create_task(self._restart(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _restart(self, lane: _Lane) -> None:
        if not lane.greeted:
            await asyncio.sleep(_PATIENCE)
        while True:
            try:
                await self._connect([lane])
            except OSError as error:  # too many processes or files, and that may pass
                log.error("a process that decodes cannot be started: %s", error)
                await asyncio.sleep(_PATIENCE)
            else:
                return


def _itself(lane: _Lane) -> _Lane:
    return lane


class _Job:
    """One picture to decode."""

    __slots__ = ("data", "done", "looks", "place", "size", "thumbnail")

    def __init__(self, data: bytes, size: int, thumbnail: int, looks: bool) -> None:
        self.data = data
        self.size = size
        self.thumbnail = thumbnail
        self.looks = looks
        self.place = frames.NOWHERE  # of its file on the desk, and of the pixels that come back
        self.done: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()


class _Lane(asyncio.BufferedProtocol):
    """One process's end: jobs go in and answers come out in the same order.

    Attributes:
        jobs: those that are not answered, in order.
        greeted: whether this process has said that it is there.
        desk: shared with this process, and with the next where it ends. Jobs that find no place
            there go through the socket.
    """

    def __init__(self, lost: Callable[[_Lane], None]) -> None:
        self.jobs: deque[_Job] = deque()
        self.greeted = False
        self.desk = Desk()
        self._places = list(range(1, PLACES + 1))  # those that are free
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._closing = False
        self._begin(frames.GREETING)

    def take(self, job: _Job) -> None:
        self.jobs.append(job)
        if self._transport is not None:
            self._send(job)

    def close(self) -> None:
        """The process ends when it has finished what it is at."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
        self._fail(RuntimeError("the service is stopping"), len(self.jobs))
        self.desk.close()

    def _send(self, job: _Job) -> None:
        assert self._transport is not None
        length = len(job.data)
        fits = self._places and self.desk.holds(length, job.size)
        job.place = self._places.pop() if fits else frames.NOWHERE
        head = frames.REQUEST.pack(length, job.size, job.thumbnail, job.looks, job.place)
        if job.place:
            self.desk.lay(job.place, job.data)
            self._transport.write(head)
        else:
            self._transport.writelines([head, job.data])

    def _fail(self, error: Exception, count: int) -> None:
        for _ in range(count):
            job = self.jobs.popleft()
            if not job.done.done():
                job.done.set_exception(error)

    # -- answers

    def _begin(self, length: int = 0) -> None:
        """Ready for what comes next: an answer's part of known length, then what is behind it."""
        self._first: bytearray | None = None
        self._part = bytearray(length)
        self._got = 0

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        if not self._part:
            if not self.jobs:  # an event loop reads until nothing comes, and nothing will
                return memoryview(bytearray(1))
            self._part = bytearray(frames.whole(self.jobs[0].size, self.jobs[0].place))
        return memoryview(self._part)[self._got :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        self._got += nbytes
        if self._got < len(self._part):
            return
        if not self.greeted:
            self.greeted = True
            self._begin()
            return
        if self._first is None and (more := frames.behind(self._part)):
            self._first, self._part, self._got = self._part, bytearray(more), 0
            return
        job = self.jobs.popleft()
        first, behind = (
            (self._part, b"") if self._first is None else (self._first, bytes(self._part))
        )
        self._begin()
        found = frames.read(first, behind, job.size, self.desk, job.place)
        if job.place:
            self._places.append(job.place)
        if job.done.done():  # nobody waits for it any more
            return
        if isinstance(found, Exception):
            job.done.set_exception(found)
        else:
            job.done.set_result(found)

    # -- the process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there, and is sent whatever waits."""
        # uvloop's are of no such class, and have its methods.
        self._transport = cast(asyncio.WriteTransport, transport)
        self.greeted = False
        self._begin(frames.GREETING)
        self._places = list(range(1, PLACES + 1))  # whoever had them has ended
        for job in self.jobs:
            self._send(job)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._transport = None
        if self._closing:
            return
        log.error("a process that decodes has ended; it is started again")
        if self.greeted:
            self._fail(
                UnreadablePicture(
                    "decoding the picture ended the process that did it: it may be damaged, or "
                    "need more memory than there is"
                ),
                min(1, len(self.jobs)),
            )
        else:
            self._fail(RuntimeError("no process that decodes can be started"), len(self.jobs))
        self._lost(self)
