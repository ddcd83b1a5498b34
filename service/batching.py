"""What is waiting, and who waits for it: bytes in, signals out, shared by all requests.

The event loop owns all state here, so there are no locks. Pictures of several requests are taken
in turns, so that a request of 256 pictures does not stand in front of a request of one; a picture
that several requests brought is computed once, as far as any of them needs it; and a picture whose
requests have all gone is not computed. Who computes takes them from here as fast as that goes
(``service/workshop.py``, ``service/stages.py``).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from model import images
from model.errors import PictureError
from service.errors import Overloaded
from service.metrics import Metrics
from service.pictures import Embedded, Examines, Named, Source, Wish, name, thumbnail
from service.seen import Seen
from service.threads import call_this_thread
from service.work import THUMBNAIL, Computes, Plan, Work, given

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
        engine: Computes,
    ) -> None:
        self._experts = experts
        self.plan = plan
        self._limits = limits
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._engine = engine
        self._aside = ThreadPoolExecutor(plan.decode_threads, "aside", call_this_thread, ("aside",))
        self._seen = Seen(experts, plan.cache, self._aside.submit)
        self._lanes: deque[deque[Work]] = deque()
        self._works: dict[str, Work] = {}
        self._pace = engine.pace
        self.calls = 0  # requests that wait
        engine.work_for(self)

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
        return self.plan.cache > 0

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
        self._engine.schedule()
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
        self.calls += 1
        try:
            while missing:
                todo = [named[name] for name in missing]
                missing = await self._compute(todo, asked, done, thumbnails, due, begun or {})
                begun = None
        finally:
            self.calls -= 1
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
        late = [name for name in wanted if self._works[name].begun]
        works = self._enter(wanted, asked, thumbnails, due)
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
        plan, waiting = self.plan, len(self._works)
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
        return (before + self._engine.in_hand + count) * self._pace.each

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
            self.finish(work, Overloaded("the service is stopping", retry_after=5))
        await self._engine.close()
        self._aside.shutdown(wait=True, cancel_futures=True)

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
        self._engine.wished(works.values())
        self._engine.schedule()
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
                # It may sit in a lane, which looks, or be under way.
                self._metrics.pictures.labels("dropped").inc()
                self.finish(work, Overloaded("nobody waits for it", retry_after=1))
                self._engine.dropped(work)

    def finish(self, work: Work, result: Embedded | Exception) -> None:
        """See :class:`service.work.Supply`."""
        if not work.done.done():
            work.done.set_result(result)
            self._works.pop(work.named.sha256, None)
            self._metrics.waiting.set(len(self._works))

    # -- what is computed

    @property
    def lined_up(self) -> int:
        """See :class:`service.work.Supply`."""
        return sum(map(len, self._lanes))

    def next(self) -> Work | None:
        """See :class:`service.work.Supply`."""
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
            self.finish(work, Overloaded("there was no time for it", retry_after=1))
        return None

    def computed(self, work: Work, known: Embedded) -> None:
        """See :class:`service.work.Supply`."""
        if not work.done.done():  # else it was dropped meanwhile, and is counted so
            self._metrics.pictures.labels("computed").inc()
        # In the place of what was not enough; a thumbnail is for who asked for it.
        kept = known if known.thumbnail is None else replace(known, thumbnail=None)
        self._seen.remember(kept)
        self.finish(work, known)

    def unreadable(self, work: Work, error: Exception) -> None:
        """See :class:`service.work.Supply`."""
        self._metrics.pictures.labels("unreadable").inc()
        self.finish(work, error)
