"""What is waiting becomes batches: bytes in, signals out, shared by all requests.

The event loop owns all state here, so there are no locks. Decoding runs in a small pool of
threads, and what costs nothing beside it with it; the dear experts run in threads of their own:
one for a GPU; on a CPU one for each core with one thread inside each, as two that wait for each
other on busy cores are slower than one. No more of both run at once than there are cores.
Pictures of several requests are taken in turns, so that a request of 256 pictures does not stand
in front of a request of one; a picture that several requests brought is computed once, as far as
any of them needs it; and a picture whose requests have all gone is not computed.
"""

from __future__ import annotations

import asyncio
import io
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from PIL import Image

from model import images
from model.errors import PictureError
from model.experts.signals import Signals
from service.decoding.decoders import Decoders
from service.decoding.frames import Decoded
from service.errors import Overloaded
from service.judging import Answer
from service.metrics import Metrics
from service.pace import Pace
from service.passes import one_pass
from service.pictures import Embedded, Examines, Named, Source, Wish, name, thumbnail
from service.seen import Seen
from service.threads import call_this_thread
from service.work import Plan, Work, begin_computing, given

THUMBNAIL = 224
"""Pixels, at most, of a thumbnail's longer side: the released encoder's, so that it is there."""
# Of the deadline: what is left is for everything else that a request needs.
_MARGIN = 0.5
# Bytes that are hashed in less time than it takes to hand them to a thread and back.
_AT_ONCE = 2**18


class Embedder:
    """Computes embeddings for requests. Build it on the event loop that uses it."""

    def __init__(
        self,
        experts: Examines,
        plan: Plan,
        limits: images.Limits,
        metrics: Metrics,
        decoders: Decoders,
    ) -> None:
        self._experts = experts
        self._plan = plan
        self._limits = limits
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._decoders = decoders
        self._aside = ThreadPoolExecutor(plan.decode_threads, "aside", call_this_thread, ("aside",))
        self._encoding = ThreadPoolExecutor(
            plan.encode_threads, "encode", begin_computing, ("encode",)
        )
        self._seen = Seen(experts, plan.cache, self._aside.submit)
        self._passing = 0
        self._lanes: deque[deque[Work]] = deque()
        self._works: dict[str, Work] = {}
        self._ready: deque[Work] = deque()
        self._decoding = 0
        self._pace = Pace(plan.at_once)
        self._in_passes = 0
        self._calls = 0  # requests that wait
        self._alarm: asyncio.TimerHandle | None = None
        self._passes: set[asyncio.Task[None]] = set()

    async def warm_up(self) -> None:
        """A plain picture for every decoder, and a pass over it."""
        size = self._experts.image_size
        plain = io.BytesIO()
        Image.new("L", (1, 1), images.GREY).save(plain, "PNG")
        first, *_ = await asyncio.gather(
            *(
                self._decoders.decode(plain.getvalue(), size, 0, self._experts.looks)
                for _ in range(self._plan.decode_threads)
            )
        )
        await self._loop.run_in_executor(self._encoding, self._experts.examine, [first.look])

    async def name(self, sources: Sequence[Source]) -> list[Named | PictureError]:
        """Bytes and names of pictures, in order. Much hashing runs beside the event loop."""
        if sum(len(each) for each in sources if isinstance(each, bytes | str)) <= _AT_ONCE:
            return [name(source) for source in sources]
        return await self._loop.run_in_executor(
            self._aside, lambda: [name(source) for source in sources]
        )

    def unknown(self, pictures: Sequence[Named | PictureError]) -> list[str]:
        """Names of those that are neither remembered nor on their way."""
        names = {picture.sha256 for picture in pictures if isinstance(picture, Named)}
        return [name for name in names if name not in self._seen and name not in self._works]

    @property
    def remembers(self) -> bool:
        """Whether it keeps what is known of pictures at all."""
        return self._plan.cache > 0

    def remember(self, known: Embedded) -> None:
        """Have it answer whoever brings this picture, as far as it is enough, where nothing is
        known of the picture yet."""
        if known.sha256 not in self._seen:
            self._seen.remember(known)

    def begin(self, pictures: Sequence[Named | PictureError], due: float) -> dict[str, Work]:
        """Have those decoded that nobody has brought yet, for a request that does not know yet what
        it wishes to know of them. Hand them to :meth:`embed`, and let go of them in any case.

        Raises:
            Overloaded: as :meth:`embed`.
        """
        named = {picture.sha256: picture for picture in pictures if isinstance(picture, Named)}
        works = self._line_up([named[name] for name in self.unknown(pictures)])
        for work in works.values():
            work.waiters += 1
            work.due = due
        self._schedule()
        return works

    def let_go(self, begun: Mapping[str, Work]) -> None:
        """Of what :meth:`begin` began; those that nobody else waits for are dropped."""
        self._leave(begun.values())

    async def embed(
        self,
        pictures: Sequence[Named | PictureError],
        wishes: Sequence[Wish | None] | None = None,
        *,
        thumbnails: bool = False,
        due: float = math.inf,
        begun: Mapping[str, Work] | None = None,
    ) -> list[Embedded | PictureError]:
        """Signals in order; a picture that cannot be read gives its error in its place.

        Cancelling the call lets go of its pictures; those that nobody else waits for are dropped.

        Args:
            wishes: of each picture what it is computed for; everything where None.
            thumbnails: make them beside the decoding, of pictures that are not known already.
            due: when nobody waits any more, on the loop's clock.
            begun: from :meth:`begin`.
        Returns:
            Where there was a wish, an answer to it is among the picture's.
        Raises:
            Overloaded: more pictures would wait than may wait, or it would not be done in time.
        """
        asked: dict[str, list[Wish | None]] = {}
        named: dict[str, Named] = {}
        for picture, wish in zip(pictures, wishes or [None] * len(pictures), strict=True):
            if isinstance(picture, Named):
                named[picture.sha256] = picture
                asked.setdefault(picture.sha256, []).append(wish)
        done: dict[str, Embedded | Exception] = {}
        missing = list(named)
        self._calls += 1
        try:
            while missing:
                todo = [named[name] for name in missing]
                missing = await self._compute(todo, asked, done, thumbnails, due, begun or {})
                begun = None
        finally:
            self._calls -= 1
        return [
            given(done[picture.sha256]) if isinstance(picture, Named) else picture
            for picture in pictures
        ]

    async def _compute(
        self,
        pictures: Sequence[Named],
        asked: dict[str, list[Wish | None]],
        done: dict[str, Embedded | Exception],
        thumbnails: bool,
        due: float,
        begun: Mapping[str, Work],
    ) -> list[str]:
        """Of distinct pictures what is known, and what is computed, into ``done``.

        Returns:
            The names that must be computed once more: they were in a pass already, for somebody
            who may need less of them.
        """
        # What was begun may be done: it cannot be read, or others waited for it, too.
        ended = {name: work.done.result() for name, work in begun.items() if work.done.done()}
        done.update(ended)
        known = {name: one for name, one in ended.items() if isinstance(one, Embedded)}
        known |= self._seen.of(picture.sha256 for picture in pictures)
        served = await self._seen.that_serve(known, asked)
        done.update(served)
        wanted = {
            picture.sha256: picture
            for picture in pictures
            if picture.sha256 not in served and not isinstance(done.get(picture.sha256), Exception)
        }
        joined = sum(name in self._works and name not in begun for name in wanted)
        self._line_up([picture for name, picture in wanted.items() if name not in self._works])
        self._seen.use(served)
        self._metrics.pictures.labels("cached").inc(len(served))
        self._metrics.pictures.labels("joined").inc(joined)
        works = self._enter(wanted, asked, thumbnails, due)
        late = [name for name, work in works.items() if work.begun]
        try:
            if works:
                await asyncio.wait([work.done for work in works.values()])
        finally:
            self._leave(works.values())
        done.update((name, work.done.result()) for name, work in works.items())
        found = {name: one for name in late if isinstance(one := done[name], Embedded)}
        enough = await self._seen.that_serve(found, asked)
        return [name for name in found if name not in enough]

    def refusal(self, count: int) -> Overloaded | None:
        """Why a request of ``count`` new pictures cannot be taken now; None where it can."""
        plan, waiting = self._plan, len(self._works)
        if waiting + count > plan.queue:
            self._metrics.refused.labels("pictures").inc()
            return Overloaded(
                f"{waiting} pictures are waiting, and {plan.queue} may wait",
                retry_after=min(60.0, waiting * self._pace.each),
            )
        over = self._expected(count) - _MARGIN * plan.deadline
        if waiting and over > 0:
            self._metrics.refused.labels("deadline").inc()
            return Overloaded(
                f"{waiting} pictures are waiting: this request would not be answered within "
                f"{plan.deadline:g} seconds",
                retry_after=min(60.0, over),
            )
        return None

    def _expected(self, count: int) -> float:
        """Seconds until a request of ``count`` pictures that came now would be done: requests take
        turns, so that of each of the others no more go before than it has itself."""
        before = sum(min(len(lane), count) for lane in self._lanes)
        under_way = len(self._ready) + self._decoding + self._in_passes
        return (before + under_way + count) * self._pace.each

    async def thumbnails(
        self, pictures: Sequence[Named | PictureError]
    ) -> list[bytes | PictureError]:
        """Small WebP pictures for people, made among the decoders, in order: of pictures that were
        known already, and so were not decoded."""
        tasks = [
            self._loop.run_in_executor(self._aside, thumbnail, picture, THUMBNAIL, self._limits)
            for picture in pictures
        ]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()

    @property
    def waiting(self) -> int:
        """Pictures taken and not computed yet."""
        return len(self._works)

    async def close(self) -> None:
        """Stop; whatever still waits is given an error."""
        for work in list(self._works.values()):
            self._finish(work, Overloaded("the service is stopping", retry_after=5))
        if self._passes:
            await asyncio.wait(self._passes)
        self._aside.shutdown(wait=True, cancel_futures=True)
        self._encoding.shutdown(wait=True, cancel_futures=True)

    # -- taking and letting go

    def _enter(
        self,
        wanted: Iterable[str],
        asked: dict[str, list[Wish | None]],
        thumbnails: bool,
        due: float,
    ) -> dict[str, Work]:
        """As one who waits; each is on its way."""
        works = {name: self._works[name] for name in wanted}
        for sha256, work in works.items():
            work.waiters += 1
            work.wishes += asked[sha256]
            work.shown |= thumbnails
            work.due = max(work.due, due)
        self._schedule()
        return works

    def _line_up(self, fresh: Sequence[Named]) -> dict[str, Work]:
        """Of one request, in a lane of its own, for somebody to wait for.

        Raises:
            Overloaded: as :meth:`embed`.
        """
        if fresh and (refusal := self.refusal(len(fresh))) is not None:
            raise refusal
        works = {named.sha256: Work(named, self._loop) for named in fresh}
        self._works.update(works)
        if works:
            self._lanes.append(deque(works.values()))
            self._metrics.waiting.set(len(self._works))
        return works

    def _leave(self, works: Iterable[Work]) -> None:
        for work in works:
            work.waiters -= 1
            if not work.waiters and not work.done.done():
                # It may sit in a lane, in a decoder or among the ready: each of them looks.
                self._metrics.pictures.labels("dropped").inc()
                self._finish(work, Overloaded("nobody waits for it", retry_after=1))

    def _finish(self, work: Work, result: Embedded | Exception) -> None:
        if not work.done.done():
            work.done.set_result(result)
            self._works.pop(work.named.sha256, None)
            self._metrics.waiting.set(len(self._works))

    # -- what runs next

    def _schedule(self, waited: bool = False) -> None:
        """Give each free worker what pays most: a whole batch that is ready; else a picture to
        decode, no further ahead of the encoders than a batch for each; else what is ready.

        So batches grow under load, when large ones cost each picture least, and nobody waits for
        company while there is nothing else to do. While a batch is not full, another picture
        lies behind each that is being decoded: who decodes need not wait for this loop.
        """
        plan = self._plan
        if waited:
            self._alarm = None
        ahead = (plan.encode_threads + 1) * plan.batch
        full = self._fair_share() if self._calls == 1 else self._whole_pass()
        while True:
            free = plan.at_once - self._passing - self._decoders.running
            if free <= 0:
                fill = self._decoding + len(self._ready) < full and self._decoders.room_behind
                if not fill or (work := self._next()) is None:
                    return
                self._begin_decoding(work, behind=True)
                continue
            idle = self._passing < plan.encode_threads
            if idle and len(self._ready) >= full and (batch := self._take(full)):
                self._begin_pass(batch)
            elif (
                self._decoders.running < plan.decode_threads
                and self._decoding + len(self._ready) < ahead
                and (work := self._next()) is not None
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
        return max(plan.few, min(plan.batch, len(self._works) // plan.encode_threads))

    def _fair_share(self) -> int:
        """Pictures of a pass where one request has the machine to itself: an encoder's share, as
        its answer waits for the slowest of them. What one pass for each can take is decoded first:
        a pass that begins before that ends before the others, and its core has nothing left."""
        lined_up = sum(map(len, self._lanes))
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
            self._alarm = self._loop.call_later(self._plan.wait, self._schedule, True)
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

    def _next(self) -> Work | None:
        """One picture of the request whose turn it is."""
        while self._lanes:
            lane = self._lanes.popleft()
            work = lane.popleft()
            if lane:
                self._lanes.append(lane)
            if work.done.done():
                continue
            # What will come too late is not begun: its time is another's.
            if work.due - self._loop.time() > self._pace.alone:
                return work
            self._metrics.pictures.labels("dropped").inc()
            self._finish(work, Overloaded("there was no time for it", retry_after=1))
        return None

    def _decoded(self, work: Work, task: asyncio.Future[Decoded]) -> None:
        self._decoding -= 1
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            found = task.result()
            self._metrics.decode_seconds.observe(found.decoding)
            self._metrics.look_seconds.observe(found.looking)
            self._pace.decoded(found.decoding + found.looking)
            work.picture, work.look = found.picture, found.look
            self._ready.append(work)
        else:
            self._metrics.pictures.labels("unreadable").inc()
            self._finish(work, error if isinstance(error, Exception) else RuntimeError(str(error)))
        self._schedule()

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
                self._encoding, one_pass, self._experts, self._metrics, looks, wishes
            )
        except Exception as error:  # whatever it is, those who wait must hear of it
            for work in batch:
                self._finish(work, error)
        else:
            for work, (signals, answers) in zip(batch, found, strict=True):
                self._keep(work, signals, answers)
            self._pace.passed(time.perf_counter() - started, len(batch))
        finally:
            self._passing -= 1
            self._in_passes -= len(batch)
            self._schedule()

    def _keep(self, work: Work, signals: Signals, answers: Sequence[tuple[Wish, Answer]]) -> None:
        picture = work.picture
        assert picture is not None  # only decoded pictures become part of a batch
        known = Embedded(work.named.sha256, signals, picture.width, picture.height, picture.format)
        for wish, answer in answers:
            known.answered(wish, answer)
        if not work.done.done():  # else it was dropped during the pass, and is counted so
            self._metrics.pictures.labels("computed").inc()
        self._seen.remember(known)  # in the place of what was not enough
        if picture.thumbnail is not None:
            known = replace(known, thumbnail=picture.thumbnail)
        self._finish(work, known)
