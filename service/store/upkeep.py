"""What the operator's tasks ask of a store, across tenants."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from service.store import guesses, idempotency, monitoring, scores
from service.store.records import Purged, StaleModel, StoreOptions
from service.store.workers import Workers

Clock = Callable[[], datetime]
PURGE_CHUNK = 2000
"""Rows a transaction, so that a purge never keeps writers waiting for long."""


class Upkeep:
    """The part of a ``Store`` that no request needs."""

    def __init__(self, workers: Workers, options: StoreOptions, clock: Clock) -> None:
        self._workers = workers
        self._options = options
        self._clock = clock

    async def stale_models(self, current_sha256: str) -> Sequence[StaleModel]:
        """What belongs to another model than this. Reads every example: ask at start, not often."""
        return await self._workers.read(
            lambda session: monitoring.stale_models(session, current_sha256)
        )

    async def purge(self) -> Purged:
        """Remove scores past their retention and expired idempotency keys; call it hourly."""
        now = self._clock()
        before = now - self._options.score_retention
        return Purged(
            scores=await self._in_chunks(partial(scores.purge, before=before, limit=PURGE_CHUNK)),
            idempotency_keys=await self._in_chunks(
                partial(idempotency.purge, now=now, limit=PURGE_CHUNK)
            ),
        )

    async def _in_chunks(self, purge: Callable[[Session], int]) -> int:
        total = 0
        while chunk := await self._workers.write(purge):
            total += chunk
        return total

    async def undenied(
        self, before: datetime, sure: float, after: guesses.Undenied | None, limit: int
    ) -> Sequence[guesses.Undenied]:
        """Sure scores that nobody spoke about, oldest first; see ``guesses.undenied``."""
        return await self._workers.read(
            lambda session: guesses.undenied(session, before, sure, after, limit)
        )

    async def standing(self, tenant: str, category: str) -> guesses.Standing:
        """What guessing needs to know of a category. Raises CategoryNotFound."""
        return await self._workers.read(lambda session: guesses.standing(session, tenant, category))
