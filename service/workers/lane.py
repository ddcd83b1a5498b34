"""The service's end of one process that works: jobs go in, and what became of them comes out."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from model.errors import UnreadablePicture
from model.images import Picture
from model.look import Look
from service.knowledge import Category
from service.pictures import Wish
from service.workers import frames
from service.workers.desk import Desk
from service.workers.frames import NOWHERE, Decoded, Order, Passed

log = logging.getLogger("standin.workers")
_CATEGORIES = 32 * 2**20
"""Bytes of categories that a process keeps, roughly."""
_BESIDE = 4000  # bytes of a category's objects, beside what was sent
_NUMBERS = 2**31
_TRIES = 4


class Outcome(Protocol):
    """What becomes of jobs."""

    def looked(self, job: Job, found: Decoded) -> None:
        """It was decoded, and here are its pixels."""

    def passed(self, jobs: Sequence[tuple[Job, Passed]], seconds: float) -> None:
        """They were in a pass together."""

    def refused(self, job: Job, error: Exception) -> None:
        """There is nothing."""


@dataclass(eq=False)
class Job:
    """One picture for a process.

    Attributes:
        data: its file.
        size: side of the square, in pixels.
        thumbnail: bound on the longer side of a thumbnail; 0 makes none.
        looks: whether the experts that cost nothing shall look at it.
        outcome: who is told.
        returns: whether its pixels are wanted, and nothing else.
        everything, wishes: what it is computed for; None where that is told later.
    """

    data: bytes
    size: int
    thumbnail: int
    looks: bool
    outcome: Outcome
    returns: bool = False
    everything: bool = False
    wishes: Sequence[Wish] | None = None
    place: int = field(default=NOWHERE, init=False)
    number: int = field(default=0, init=False)
    tries: int = field(default=0, init=False)
    """Processes that have ended while it was there."""


class Promise:
    """The outcome of one job, for whoever waits for a future: what was decoded, or computed."""

    def __init__(self, done: asyncio.Future[Any]) -> None:
        self._done = done

    def looked(self, job: Job, found: Decoded) -> None:
        """See :class:`Outcome`."""
        if not self._done.done():
            self._done.set_result(found)

    def passed(self, jobs: Sequence[tuple[Job, Passed]], seconds: float) -> None:
        """See :class:`Outcome`."""
        if not self._done.done():
            self._done.set_result(jobs[0][1])

    def refused(self, job: Job, error: Exception) -> None:
        """See :class:`Outcome`."""
        if not self._done.done():
            self._done.set_exception(error)


class Lane(asyncio.Protocol):
    """One process's end.

    A process that ends is started again. What was there is sent once more, and each picture
    computed alone, so that it is known whose fault it is: the one that the next process ends at,
    too, gets an error.

    Attributes:
        jobs: those that are not answered, by number, in order.
        greeted: whether this process has said that it is there.
        desk: shared with this process, and with the next where it ends. Jobs that find no place
            there go through the socket.

    Args:
        places: on the desk.
        lost: told that the process has ended.
    """

    def __init__(self, places: int, lost: Callable[[Lane], None]) -> None:
        self.jobs: dict[int, Job] = {}
        self.greeted = False
        self.desk = Desk(places)
        self._lost = lost
        self._places = self._all_places()
        self._numbers = 0
        self._known: OrderedDict[Category, tuple[int, int]] = OrderedDict()  # number, and bytes
        self._known_bytes = 0
        self._held = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self._closing = False

    @property
    def there(self) -> bool:
        """Whether there is a process that takes jobs at once."""
        return self._transport is not None

    def take(self, job: Job) -> None:
        """Have the process work on it."""
        job.number = self._number()
        self.jobs[job.number] = job
        if self._transport is not None:
            self._send(job)

    def wish(self, job: Job, everything: bool, wishes: Sequence[Wish]) -> None:
        """Tell what a job is computed for that was taken without."""
        job.everything, job.wishes = everything, wishes
        if self._transport is not None:
            wished = everything, self._numbered(wishes)
            self._transport.writelines(frames.wishes(job.number, wished))
            self._forget()

    def drop(self, job: Job) -> None:
        """Nobody waits for it any more."""
        if self._transport is not None:
            self._transport.writelines(frames.about(frames.DROP, job.number))
        else:
            self._refuse(job, RuntimeError("nobody waits for it"))

    def close(self) -> None:
        """The process ends when it has finished what it is at."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
        for job in list(self.jobs.values()):
            self._refuse(job, RuntimeError("the service is stopping"))
        self.desk.close()

    # -- to the process

    def _number(self) -> int:
        self._numbers = self._numbers % _NUMBERS + 1
        return self._numbers

    def _all_places(self) -> list[int]:
        return list(range(self.desk.places, 0, -1))

    def _send(self, job: Job) -> None:
        assert self._transport is not None
        length = len(job.data)
        fits = self._places and self.desk.holds(length, job.size)
        # The last that was free again: its memory is there already.
        job.place = self._places.pop() if fits else NOWHERE
        wishes = None if job.wishes is None else (job.everything, self._numbered(job.wishes))
        order = Order(
            job.number,
            length,
            job.place,
            job.size,
            job.thumbnail,
            job.looks,
            job.returns,
            job.tries > 0,
            wishes,
        )
        if job.place:
            self.desk.lay(job.place, job.data)
            self._transport.writelines(frames.picture(order))
        else:
            self._transport.writelines(frames.picture(order, job.data))
        self._forget()

    def _numbered(self, wishes: Sequence[Wish]) -> list[tuple[int, int]]:
        return [(self._known_as(wish.category), wish.shared) for wish in wishes]

    def _known_as(self, category: Category) -> int:
        """The number by which the process knows a category, which it is told first."""
        known = self._known.get(category)
        if known is not None:
            self._known.move_to_end(category)
            return known[0]
        assert self._transport is not None
        data = category.kept.to_bytes()
        number, size = self._number(), len(data) + _BESIDE
        self._known[category] = number, size
        self._known_bytes += size
        self._transport.writelines(frames.about(frames.CATEGORY, number, data))
        return number

    def _forget(self) -> None:
        """Categories beyond what the process keeps. What it was sent before knows them already, so
        not before a picture was sent that is to be computed for them.
        """
        assert self._transport is not None
        while self._known_bytes > _CATEGORIES and len(self._known) > 1:
            _, (number, size) = self._known.popitem(last=False)
            self._known_bytes -= size
            self._transport.writelines(frames.about(frames.FORGET, number))

    # -- from the process

    def data_received(self, data: bytes) -> None:
        """Frames, or parts of them."""
        self._held += data
        at, whole = 0, memoryview(bytes(self._held)) if self._complete() else memoryview(b"")
        while len(whole) - at >= frames.HEAD.size:
            kind, length = frames.HEAD.unpack_from(whole, at)
            begin = at + frames.HEAD.size
            if len(whole) < begin + length:
                break
            at = begin + length
            self._hear(kind, whole[begin:at])
        if at:
            del self._held[:at]

    def _complete(self) -> bool:
        """Whether the first frame is there to its end."""
        if len(self._held) < frames.HEAD.size:
            return False
        return len(self._held) >= frames.HEAD.size + int(frames.HEAD.unpack_from(self._held)[1])

    def _hear(self, kind: int, body: memoryview) -> None:
        if kind == frames.GREETING:
            self.greeted = True
        elif kind == frames.REFUSED:
            number, error = frames.read_refused(body)
            self._refuse(self.jobs[number], error)
        elif kind == frames.LOOKED:
            seen, statistics, fingerprint, pixels = frames.read_looked(body)
            job = self.jobs[seen.number]
            size = job.size
            if job.place:
                square = self.desk.square(job.place, size)
            else:
                square = np.frombuffer(pixels, np.uint8).reshape(size, size, 3).copy()
            found = Decoded(
                Picture(square, seen.width, seen.height, seen.format, seen.thumbnail),
                Look(square, statistics.copy(), fingerprint),
                seen.decoding,
                seen.looking,
            )
            self._done(job)
            job.outcome.looked(job, found)
        else:
            passed, seconds = frames.read_passed(body, self._wished)
            jobs = [(self.jobs[one.seen.number], one) for one in passed]
            for job, _ in jobs:
                self._done(job)
            if jobs:
                jobs[0][0].outcome.passed(jobs, seconds)

    def _wished(self, number: int) -> int:
        return len(self.jobs[number].wishes or ())

    def _done(self, job: Job) -> None:
        """It is the process's no more, nor is its place."""
        if self.jobs.pop(job.number, None) is not None and job.place:
            self._places.append(job.place)

    def _refuse(self, job: Job, error: Exception) -> None:
        self._done(job)
        job.outcome.refused(job, error)

    # -- the process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there, and is sent whatever waits."""
        # uvloop's are of no such class, and have its methods.
        self._transport = cast(asyncio.WriteTransport, transport)
        self.greeted = False
        self._held.clear()
        self._known.clear()
        self._known_bytes = 0
        self._places = self._all_places()  # whoever had them has ended
        for job in self.jobs.values():
            self._send(job)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._transport = None
        if self._closing:
            return
        if self.greeted:
            log.error("a process that works has ended; it is started again")
            self._blame(self.desk.slate)
        else:
            log.error("a process that works could not begin; it is tried again")
            for job in list(self.jobs.values()):
                self._refuse(job, RuntimeError("no process that works can be started"))
        self.desk.slate = 0
        self._lost(self)

    def _blame(self, number: int) -> None:
        """All are sent once more, and each is computed alone from here on. Whoever the process was
        at that was sent once more already is not: once may be chance, twice is its fault."""
        guilty = self.jobs.get(number)
        if guilty is not None and guilty.tries:
            error = UnreadablePicture(
                "working on the picture ended the process that did it: it may be damaged, or need "
                "more memory than there is"
            )
            self._refuse(guilty, error)
        for job in list(self.jobs.values()):
            job.tries += 1
            if job.tries == _TRIES:
                self._refuse(job, RuntimeError(f"{_TRIES} processes have ended before it was done"))
