"""Calls that come together share one transaction: whoever is first takes along all that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from service.store.errors import StoreUnavailable

A = TypeVar("A")
B = TypeVar("B")


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
        self._waiting: list[tuple[A, Future[B]]] = []
        self._started = False

    async def call(self, asked: A) -> B:
        """What ``work`` answers to this one.

        Raises:
            StoreUnavailable: the store is closed; and what ``work`` raises for this call alone.
        """
        answer: Future[B] = Future()
        with self._lock:
            self._waiting.append((asked, answer))
            first, self._started = not self._started, True
        try:
            if first:
                try:
                    self._submit(self._run)
                except BaseException:
                    self._give_up()
                    raise
            return await asyncio.wrap_future(answer)
        finally:
            answer.cancel()  # still waiting: nobody wants it any more

    def _give_up(self) -> None:
        """The thread is gone: whoever joined meanwhile is told so."""
        with self._lock:
            waiting, self._waiting, self._started = self._waiting, [], False
        for _, answer in waiting:
            if answer.set_running_or_notify_cancel():
                answer.set_exception(StoreUnavailable("the store is closed"))

    def _run(self) -> None:
        with self._lock:
            waiting, self._waiting, self._started = self._waiting, [], False
        calls = [call for call in waiting if call[1].set_running_or_notify_cancel()]
        if not calls:
            return
        error = self._answer(calls)
        if error is None:
            return
        if len(calls) == 1 or isinstance(error, StoreUnavailable):
            for _, answer in calls:
                answer.set_exception(error)
            return
        for call in calls:  # one call's fault must not cost its neighbours theirs
            if (own := self._answer([call])) is not None:
                call[1].set_exception(own)

    def _answer(self, calls: Sequence[tuple[A, Future[B]]]) -> Exception | None:
        try:
            found = self._work([asked for asked, _ in calls])
        except Exception as error:
            return error
        for (_, answer), one in zip(calls, found, strict=True):
            answer.set_result(one)
        return None
