"""Threads that run transactions for async callers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.errors import StoreUnavailable

T = TypeVar("T")


class Workers:
    """Reading threads and writing threads of their own, so that neither waits for the other.

    SQLite has one writer at a time whatever we do; one writing thread makes the others wait in a
    fair queue instead of in SQLite's busy handler, which sleeps and polls.
    """

    def __init__(self, database: Database, threads: int) -> None:
        self.database = database
        self._readers = ThreadPoolExecutor(threads, "store-read")
        self._writers = ThreadPoolExecutor(1 if database.is_sqlite else threads, "store-write")
        self._closed = False

    def submit_read(self, work: Callable[[], T]) -> Future[T]:
        """Have ``work`` run in a reading thread. Raises StoreUnavailable once closed."""
        return self._submit(self._readers, work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """One reading transaction."""
        return await asyncio.wrap_future(self.submit_read(lambda: self.database.read(work)))

    async def write(self, work: Callable[[Session], T]) -> T:
        """One writing transaction."""
        return await asyncio.wrap_future(self.submit(lambda: self.database.write(work)))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have ``work`` run in a writing thread. Raises StoreUnavailable once closed."""
        return self._submit(self._writers, work)

    async def close(self) -> None:
        """Let running work end, then close threads and connections. May be called again."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._shut)

    def _submit(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> Future[T]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            return threads.submit(work)
        except RuntimeError as error:  # closed between the two lines
            raise StoreUnavailable("the store is closed") from error

    def _shut(self) -> None:
        self._readers.shutdown()
        self._writers.shutdown()
        self.database.close()
