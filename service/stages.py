"""Decoding in one place and passes in another: on a GPU, and where threads do all of the work.

Decoding runs in a small pool, and what costs nothing beside it with it; the dear experts run in
threads of their own: one for a GPU; on a CPU one for each core with one thread inside each, as two
that wait for each other on busy cores are slower than one. No more of both run at once than there
are cores.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from service.metrics import Metrics
from service.pace import Pace
from service.passes import count, one_pass
from service.pictures import Embedded, Examines
from service.work import THUMBNAIL, Plan, Supply, Work, begin_computing, plain_picture
from service.workers.decoders import Decoders
from service.workers.frames import Decoded


class Stages:
    """See :class:`service.work.Computes`. Build it on the event loop that uses it."""

    def __init__(self, experts: Examines, plan: Plan, metrics: Metrics, decoders: Decoders) -> None:
        self._experts = experts
        self._plan = plan
        self._metrics = metrics
        self._decoders = decoders
        self._loop = asyncio.get_running_loop()
        self._encoding = ThreadPoolExecutor(
            plan.encode_threads, "encode", begin_computing, ("encode",)
        )
        self.pace = Pace(plan.at_once)
        self._passing = 0
        self._ready: deque[Work] = deque()
        self._decoding = 0
        self._in_passes = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._passes: set[asyncio.Task[None]] = set()
        self._supply: Supply

    def work_for(self, supply: Supply) -> None:
        """See :class:`service.work.Computes`."""
        self._supply = supply

    async def warm_up(self) -> None:
        """See :class:`service.work.Computes`."""
        size = self._experts.image_size
        plain = plain_picture()
        first, *_ = await asyncio.gather(
            *(
                self._decoders.decode(plain, size, 0, self._experts.looks)
                for _ in range(self._plan.decode_threads)
            )
        )
        await self._loop.run_in_executor(self._encoding, self._experts.examine, [first.look])

    @property
    def in_hand(self) -> int:
        """See :class:`service.work.Computes`."""
        return len(self._ready) + self._decoding + self._in_passes

    def wished(self, works: Iterable[Work]) -> None:
        """See :class:`service.work.Computes`: wishes are read where a pass begins."""

    def dropped(self, work: Work) -> None:
        """See :class:`service.work.Computes`: it may sit in a decoder or among the ready, and each
        of them looks."""

    async def close(self) -> None:
        """See :class:`service.work.Computes`."""
        if self._passes:
            await asyncio.wait(self._passes)
        self._encoding.shutdown(wait=True, cancel_futures=True)

    # -- what runs next

    def schedule(self, waited: bool = False) -> None:
        """See :class:`service.work.Computes`.

        Give each free worker what pays most: a whole batch that is ready; else a picture to
        decode, no further ahead of the encoders than a batch for each; else what is ready.

        So batches grow under load, when large ones cost each picture least, and nobody waits for
        company while there is nothing else to do. While a batch is not full, another picture
        lies behind each that is being decoded: who decodes need not wait for this loop.
        """
        plan = self._plan
        if waited:
            self._alarm = None
        ahead = (plan.encode_threads + 1) * plan.batch
        full = self._fair_share() if self._supply.calls == 1 else self._whole_pass()
        while True:
            free = plan.at_once - self._passing - self._decoders.running
            if free <= 0:
                fill = self._decoding + len(self._ready) < full and self._decoders.room_behind
                if not fill or (work := self._supply.next()) is None:
                    return
                self._begin_decoding(work, behind=True)
                continue
            idle = self._passing < plan.encode_threads
            if idle and len(self._ready) >= full and (batch := self._take(full)):
                self._begin_pass(batch)
            elif (
                self._decoders.running < plan.decode_threads
                and self._decoding + len(self._ready) < ahead
                and (work := self._supply.next()) is not None
            ):
                self._begin_decoding(work)
            elif idle and self._ready and self._may_start(waited) and (batch := self._take(full)):
                self._begin_pass(batch)
            else:
                return

    def _whole_pass(self) -> int:
        """Pictures of a pass where requests come and go: an encoder's share of all that are on
        their way. What passes take beyond that leaves nothing to decode until their answers have
        gone out and other requests have come in their place."""
        plan = self._plan
        return max(plan.few, min(plan.batch, self._supply.waiting // plan.encode_threads))

    def _fair_share(self) -> int:
        """Pictures of a pass where one request has the machine to itself: an encoder's share, as
        its answer waits for the slowest of them. What one pass for each can take is decoded first:
        a pass that begins before that ends before the others, and its core has nothing left."""
        lined_up = self._supply.lined_up
        pending = len(self._ready) + self._decoding + lined_up
        share = -(-pending // self._plan.encode_threads)
        if lined_up and share <= self._plan.batch:
            return pending
        return max(1, min(self._plan.batch, share))

    def _may_start(self, waited: bool) -> bool:
        """Whether a batch that is not full may go; else it is woken when it has waited enough."""
        if waited or not self._plan.wait:
            return True
        if self._alarm is None:
            self._alarm = self._loop.call_later(self._plan.wait, self.schedule, True)
        return False

    # -- decoding

    def _begin_decoding(self, work: Work, behind: bool = False) -> None:
        self._decoding += 1
        task = self._decoders.decode(
            work.named.data,
            self._experts.image_size,
            THUMBNAIL if work.shown else 0,
            self._experts.looks,
            behind=behind,
        )
        task.add_done_callback(lambda task: self._decoded(work, task))

    def _decoded(self, work: Work, task: asyncio.Future[Decoded]) -> None:
        self._decoding -= 1
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            found = task.result()
            self._metrics.decode_seconds.observe(found.decoding)
            self._metrics.look_seconds.observe(found.looking)
            self.pace.decoded(found.decoding + found.looking)
            work.picture, work.look = found.picture, found.look
            self._ready.append(work)
        else:
            told = error if isinstance(error, Exception) else RuntimeError(str(error))
            self._supply.unreadable(work, told)
        self.schedule()

    # -- encoding

    def _begin_pass(self, batch: list[Work]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._passing += 1
        self._in_passes += len(batch)
        task = asyncio.create_task(self._pass(batch))
        self._passes.add(task)
        task.add_done_callback(self._passes.discard)

    def _take(self, most: int) -> list[Work]:
        """One encoder's share of what is ready and still waited for by somebody who knows what
        for."""
        alive = [work for work in self._ready if not work.done.done()]
        early = [work for work in alive if not work.wishes]
        alive = [work for work in alive if work.wishes]
        free = min(
            self._plan.encode_threads - self._passing,
            self._plan.at_once - self._passing - self._decoders.running,
        )
        share = min(most, -(-len(alive) // free))
        self._ready = deque(early + alive[share:])
        return alive[:share]

    async def _pass(self, batch: list[Work]) -> None:
        started = time.perf_counter()
        looks = [work.look for work in batch if work.look is not None]
        wishes = [list(work.wishes) for work in batch]
        for work in batch:
            work.begun = True
        try:
            found = await self._loop.run_in_executor(
                self._encoding, one_pass, self._experts, looks, wishes
            )
        except Exception as error:  # whatever it is, those who wait must hear of it
            for work in batch:
                self._supply.finish(work, error)
        else:
            seconds = time.perf_counter() - started
            count(self._metrics, [signals for signals, _ in found], seconds)
            self.pace.passed(seconds, len(batch))
            for work, (signals, answers) in zip(batch, found, strict=True):
                picture = work.picture
                assert picture is not None  # only decoded pictures become part of a batch
                sizes = picture.width, picture.height, picture.format
                known = Embedded(work.named.sha256, signals, *sizes, picture.thumbnail)
                for wish, answer in answers:
                    known.answered(wish, answer)
                self._supply.computed(work, known)
        finally:
            self._passing -= 1
            self._in_passes -= len(batch)
            self.schedule()
