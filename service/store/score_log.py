"""Scores on their way to the disk: calls that come together share one commit."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from service.store import scores
from service.store.errors import StoreUnavailable
from service.store.records import ScoreRow
from service.store.workers import Workers

Call = tuple[list[ScoreRow], Future[None]]


class ScoreLog:
    """Group commit: whoever writes first takes along everything that waits by then."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._waiting: list[Call] = []

    async def record(self, rows: Sequence[ScoreRow]) -> None:
        """Returns once the rows are on disk."""
        kept: Future[None] = Future()
        with self._lock:
            self._waiting.append((list(rows), kept))
        try:
            self._workers.submit(self._write_waiting)
            await asyncio.wrap_future(kept)
        finally:
            kept.cancel()  # still waiting: nobody wants it any more

    def _write_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        calls = [call for call in waiting if call[1].set_running_or_notify_cancel()]
        if not calls:
            return
        error = self._write(calls)
        if error is None or len(calls) == 1 or isinstance(error, StoreUnavailable):
            for _, kept in calls:
                _settle(kept, error)
        else:  # one call's bad row must not cost its neighbours theirs
            for call in calls:
                _settle(call[1], self._write([call]))

    def _write(self, calls: Sequence[Call]) -> Exception | None:
        together = [row for rows, _ in calls for row in rows]
        try:
            self._workers.database.write(lambda session: scores.record(session, together))
        except Exception as error:
            return error
        return None


def _settle(kept: Future[None], error: Exception | None) -> None:
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)
