"""The idempotency keys that calls of this process hold."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from service.store import idempotency
from service.store.errors import StoreUnavailable
from service.store.idempotency import Key, Terms
from service.store.identifiers import new_id
from service.store.records import StoredAnswer
from service.store.workers import Workers

T = TypeVar("T")


class Keyring:
    """Remembers the token under which each running call holds its key."""

    def __init__(self, workers: Workers, terms: Terms, clock: Callable[[], datetime]) -> None:
        self._workers = workers
        self._terms = terms
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[Key, str] = {}

    async def begin(self, key: Key, fingerprint: str) -> StoredAnswer | None:
        """Take the key, or give the answer that it has; see ``Store.idempotent_begin``."""
        token = new_id()

        def begin(session: Session) -> StoredAnswer | None:
            now, alive = self._clock(), self._tokens.get(key)
            return idempotency.begin(session, now, key, fingerprint, token, alive, self._terms)

        def begin_and_remember() -> StoredAnswer | None:
            answer = self._workers.database.write(begin)
            if answer is None:
                with self._lock:
                    self._tokens[key] = token
            return answer

        work = self._workers.submit(begin_and_remember)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            # The caller will never learn that it has the key: let it go, once it was taken.
            work.add_done_callback(lambda done: self._let_go(key, token, done))
            raise

    async def finish(self, key: Key, answer: StoredAnswer) -> None:
        """Keep the answer; see ``Store.idempotent_finish``."""
        token = self._tokens.get(key)
        try:
            await self._workers.write(
                lambda session: idempotency.finish(session, key, token, answer)
            )
        finally:
            self._forget(key, token)

    async def abandon(self, key: Key) -> None:
        """Let the key go unanswered."""
        token = self._tokens.get(key)
        if token is not None:
            self._forget(key, token)
            await self._workers.write(lambda session: idempotency.abandon(session, key, token))

    async def write_and_finish(
        self, key: Key, work: Callable[[Session], T], answer: Callable[[T], StoredAnswer]
    ) -> T:
        """Do the work and keep its answer in one transaction."""
        token = self._tokens.get(key)

        def both(session: Session) -> T:
            outcome = work(session)
            idempotency.finish(session, key, token, answer(outcome))
            return outcome

        outcome = await self._workers.write(both)
        self._forget(key, token)
        return outcome

    def _forget(self, key: Key, token: str | None) -> None:
        with self._lock:
            if self._tokens.get(key) == token:
                self._tokens.pop(key, None)

    def _let_go(self, key: Key, token: str, done: Future[StoredAnswer | None]) -> None:
        self._forget(key, token)
        if done.cancelled():  # it never ran
            return
        with contextlib.suppress(StoreUnavailable):  # closed: the lease will run out
            self._workers.submit(
                lambda: self._workers.database.write(
                    lambda session: idempotency.abandon(session, key, token)
                )
            )
