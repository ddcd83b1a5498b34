"""All of a picture in one place: processes that decode it and make its pass, on a CPU.

Nothing of a picture is handed over between decoding and its answers, neither pixels nor the turn:
a process goes on with what it has by itself (``service/workers/bench.py``), while the event loop
sends it more. So each has a pass that it is at, and one that lies there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from model.errors import PictureError
from service.metrics import Metrics
from service.pace import Pace
from service.passes import count
from service.pictures import Embedded, Wish
from service.work import THUMBNAIL, Plan, Supply, Work, plain_picture
from service.workers.crew import Crew
from service.workers.frames import Decoded, Passed
from service.workers.lane import Job, Lane, Promise

AHEAD = 2
"""Passes of the largest size that lie with a process: the one that it is at, and the next."""


class Workshop:
    """See :class:`service.work.Computes`.

    Args:
        crew: whose processes compute; it is started and closed by others.
        size: side of the square that pictures are letterboxed to.
        looks: whether there are experts that look at a picture beside its decoding.
    """

    def __init__(self, crew: Crew, size: int, looks: bool, plan: Plan, metrics: Metrics) -> None:
        self.pace = Pace(plan.at_once)
        self._crew = crew
        self._size = size
        self._looks = looks
        self._metrics = metrics
        self._most = AHEAD * plan.batch
        self._with: dict[Work, tuple[Lane, Job]] = {}
        self._work: dict[Job, Work] = {}
        self._supply: Supply

    def work_for(self, supply: Supply) -> None:
        """See :class:`service.work.Computes`."""
        self._supply = supply

    async def warm_up(self) -> None:
        """See :class:`service.work.Computes`.

        Raises:
            RuntimeError: a process does not start.
        """
        loop, plain = asyncio.get_running_loop(), plain_picture()
        done: list[asyncio.Future[Passed]] = [loop.create_future() for _ in self._crew.lanes]
        for one, lane in zip(done, self._crew.lanes, strict=True):
            outcome = Promise(one)
            lane.take(Job(plain, self._size, 0, self._looks, outcome, everything=True, wishes=()))
        await asyncio.gather(*done)

    @property
    def in_hand(self) -> int:
        """See :class:`service.work.Computes`."""
        return len(self._with)

    def schedule(self) -> None:
        """See :class:`service.work.Computes`: to whoever has least, as the slowest of them ends a
        request that is alone."""
        while True:
            lane = min(self._lanes_there(), key=lambda lane: len(lane.jobs))
            if len(lane.jobs) >= self._most or (work := self._supply.next()) is None:
                return
            thumbnail = THUMBNAIL if work.shown else 0
            job = Job(work.named.data, self._size, thumbnail, self._looks, self)
            if work.wishes:
                job.everything, job.wishes = _told(work)
            self._with[work], self._work[job] = (lane, job), work
            lane.take(job)

    def _lanes_there(self) -> Sequence[Lane]:
        """Those with a process; all, where none has one."""
        lanes = self._crew.lanes
        return [lane for lane in lanes if lane.there] or lanes

    def wished(self, works: Iterable[Work]) -> None:
        """See :class:`service.work.Computes`."""
        for work in works:
            if not work.begun and work in self._with:
                lane, job = self._with[work]
                lane.wish(job, *_told(work))

    def dropped(self, work: Work) -> None:
        """See :class:`service.work.Computes`."""
        if work in self._with:
            lane, job = self._with[work]
            lane.drop(job)

    async def close(self) -> None:
        """See :class:`service.work.Computes`: processes are ended by who has started them."""

    # -- what becomes of them

    def looked(self, job: Job, found: Decoded) -> None:
        """Pixels are wanted of none."""
        raise AssertionError

    def passed(self, jobs: Sequence[tuple[Job, Passed]], seconds: float) -> None:
        """See :class:`service.workers.lane.Outcome`."""
        count(self._metrics, [found.signals for _, found in jobs], seconds)
        self.pace.passed(seconds, len(jobs))
        for job, found in jobs:
            work, seen = self._taken(job), found.seen
            self._metrics.decode_seconds.observe(seen.decoding)
            self._metrics.look_seconds.observe(seen.looking)
            self.pace.decoded(seen.decoding + seen.looking)
            known = Embedded(
                work.named.sha256,
                found.signals,
                seen.width,
                seen.height,
                seen.format,
                seen.thumbnail,
            )
            for wish, answer in zip(job.wishes or (), found.answers, strict=True):
                if answer is not None:
                    known.answered(wish, answer)
            self._supply.computed(work, known)
        self.schedule()

    def refused(self, job: Job, error: Exception) -> None:
        """See :class:`service.workers.lane.Outcome`."""
        work = self._taken(job)
        if isinstance(error, PictureError):
            self._supply.unreadable(work, error)
        else:
            self._supply.finish(work, error)
        self.schedule()

    def _taken(self, job: Job) -> Work:
        work = self._work.pop(job)
        del self._with[work]
        return work


def _told(work: Work) -> tuple[bool, list[Wish]]:
    """Whether everything is wished of it, and its wishes for an answer: decided from here on."""
    work.begun = True
    return None in work.wishes, [wish for wish in work.wishes if wish is not None]
