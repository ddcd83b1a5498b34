"""Calls that come together share one transaction: whoever is first takes along all that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar, cast

from service.store.errors import StoreUnavailable

A = TypeVar("A")
B = TypeVar("B")


@dataclass(eq=False)
class _Call(Generic[A, B]):
    """One call, and its end where it has one: what is answered, or what went wrong."""

    asked: A
    answer: asyncio.Future[B]
    end: B | Exception | None = None

    def finish(self) -> None:
        """On the loop that waits for it."""
        if self.answer.done():  # nobody does any more
            return
        if isinstance(self.end, Exception):
            self.answer.set_exception(self.end)
        else:
            self.answer.set_result(cast(B, self.end))


class Together(Generic[A, B]):
    """Runs what waits in one go, in a thread; what comes meanwhile waits for the next.

    Nobody waits for company: the first call starts at once where the thread is free.

    Args:
        submit: hands work to a thread. Raises StoreUnavailable once the store is closed.
        work: from what was asked to what is answered, one for one and in order. Begins after every
            one of the calls that it answers.
    """

    def __init__(
        self,
        submit: Callable[[Callable[[], None]], object],
        work: Callable[[Sequence[A]], Sequence[B]],
    ) -> None:
        self._submit = submit
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[_Call[A, B]] = []
        self._started = False

    async def call(self, asked: A) -> B:
        """What ``work`` answers to this one.

        Raises:
            StoreUnavailable: the store is closed; and what ``work`` raises for this call alone.
        """
        call: _Call[A, B] = _Call(asked, asyncio.get_running_loop().create_future())
        with self._lock:
            self._waiting.append(call)
            first, self._started = not self._started, True
        try:
            if first:
                try:
                    self._submit(self._run)
                except BaseException:
                    self._give_up()
                    raise
            return await call.answer
        finally:
            call.answer.cancel()  # still waiting: nobody wants it any more

    def _take(self) -> list[_Call[A, B]]:
        """What waits, and has somebody who still wants it."""
        with self._lock:
            waiting, self._waiting, self._started = self._waiting, [], False
        return [call for call in waiting if not call.answer.cancelled()]

    def _give_up(self) -> None:
        """The thread is gone: whoever joined meanwhile is told so."""
        calls = self._take()
        for call in calls:
            call.end = StoreUnavailable("the store is closed")
        _tell(calls)

    def _run(self) -> None:
        calls = self._take()
        if not calls:
            return
        error = self._work_on(calls)
        if error is not None and len(calls) > 1 and not isinstance(error, StoreUnavailable):
            for call in calls:  # one call's fault must not cost its neighbours theirs
                self._work_on([call])
        _tell(calls)

    def _work_on(self, calls: Sequence[_Call[A, B]]) -> Exception | None:
        """Give each call its end: its answer, or to all of them the error that is returned."""
        ends: Sequence[B | Exception]
        error = None
        try:
            ends = self._work([call.asked for call in calls])
        except Exception as caught:
            error, ends = caught, [caught] * len(calls)
        for call, end in zip(calls, ends, strict=True):
            call.end = end
        return error


def _tell(calls: Sequence[_Call[A, B]]) -> None:
    """Wake each loop once for all of its calls."""

    def loop_of(call: _Call[A, B]) -> asyncio.AbstractEventLoop:
        return call.answer.get_loop()

    def finish(mine: Sequence[_Call[A, B]]) -> None:
        for call in mine:
            call.finish()

    for loop, group in groupby(sorted(calls, key=lambda call: id(loop_of(call))), loop_of):
        with suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(finish, list(group))
