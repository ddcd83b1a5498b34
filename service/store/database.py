"""Connections and transactions, and the one border where the database's errors become ours."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from service.store.errors import (
    InvalidRecord,
    StoreDefect,
    StoreError,
    StoreUnavailable,
    UnsupportedDatabase,
)
from service.store.records import StoreOptions

T = TypeVar("T")

ATTEMPTS = 4
"""How often a transaction is tried when PostgreSQL asks for another try (deadlock, 40P01 ...)."""


LOST = (-1, -1)
"""In place of a file's device and inode: it was lost once."""


class Database:
    """An engine with two ways in: ``read`` and ``write``, each one transaction.

    SQLite: WAL with ``synchronous=FULL``, so a commit is on the disk when it returns, readers do
    not wait for the writer, and a write starts with BEGIN IMMEDIATE, so that it either holds the
    write lock from its first statement or never began. (A deferred transaction that turns into a
    write fails at once where another came between, without any waiting.) The recipe is the one of
    SQLAlchemy's manual: switch off pysqlite's own BEGIN, and emit ours from the ``begin`` event.

    PostgreSQL: ``synchronous_commit`` on; writes READ COMMITTED with row locks, reads REPEATABLE
    READ, so that two queries of one read see one state, as on SQLite.
    """

    def __init__(self, url: str, options: StoreOptions) -> None:
        """Prepare connections; none is made yet.

        Raises:
            UnsupportedDatabase: neither a SQLite file nor PostgreSQL.
        """
        self.url = _checked(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._options = options
        self.busy_seconds = options.busy_timeout.total_seconds()
        self._file: tuple[int, int] | None = None
        self._glimpses: sqlite3.Connection | None = None
        self._closed = False
        self.engine = self._sqlite_engine() if self.is_sqlite else self._postgres_engine()
        event.listen(self.engine, "handle_error", _unstorable)
        self._writer = self.engine.execution_options(standin_write=True)
        self._reader = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )

    def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` on one consistent state of the database."""
        self._check_file()
        with self.border(), Session(self._reader) as session, session.begin():
            return work(session)

    def write(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` and commit it; on any exception nothing is changed.

        ``work`` may run more than once where PostgreSQL asks for a retry.
        """

        def once() -> T:
            with Session(self._writer) as session, session.begin():
                return work(session)

        return self._until_it_ends(once)

    def read_rows(self, work: Callable[[Connection], T]) -> T:
        """:meth:`read` without a session, which takes longer than a small query: for what every
        request asks."""
        self._check_file()
        with self.border(), self._reader.begin() as connection:
            return work(connection)

    def write_rows(self, work: Callable[[Connection], T]) -> T:
        """:meth:`write` likewise."""

        def once() -> T:
            with self._writer.begin() as connection:
                return work(connection)

        return self._until_it_ends(once)

    def glimpse(self, query: str, parameters: Sequence[object]) -> list[tuple[object, ...]] | None:
        """Rows of a query over pages that are surely in memory, at once and on the event loop: it
        takes less than to wake a thread. As :meth:`read` it sees every commit.

        Returns:
            None where a thread has to ask: PostgreSQL, and a file that is not there or locked.
        """
        if not self.is_sqlite or self.url.query or self._closed:
            return None
        with suppress(sqlite3.Error, StoreUnavailable):
            self._check_file()
            if self._glimpses is None:
                self._glimpses = sqlite3.connect(
                    self.url.database or "",
                    timeout=0,  # nothing waits here
                    isolation_level=None,
                    check_same_thread=False,
                )
                self._glimpses.execute("PRAGMA query_only=ON")
                self._glimpses.execute("PRAGMA trusted_schema=OFF")
            return self._glimpses.execute(query, parameters).fetchall()
        return None

    def _until_it_ends(self, once: Callable[[], T]) -> T:
        self._check_file()
        with self.border():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return once()
                except exc.OperationalError as error:
                    # 40001 serialization failure, 40P01 deadlock: the transaction was undone whole.
                    retry = getattr(error.orig, "sqlstate", None) in ("40001", "40P01")
                    if not retry or attempt == ATTEMPTS:
                        raise
            raise StoreDefect("every attempt ended without an outcome")

    def _check_file(self) -> None:
        """Refuse to go on with a SQLite file that was deleted or replaced under our feet.

        SQLite itself goes on with the file it once opened, and would acknowledge writes that
        nobody will ever see again.
        """
        if not self.is_sqlite or self.url.query:
            return
        try:
            found = os.stat(self.url.database or "")
        except OSError as error:
            self._file = LOST
            raise StoreUnavailable(
                "the database file is gone; a restart is needed", str(error)
            ) from error
        identity = (found.st_dev, found.st_ino)
        if self._file is None:
            self._file = identity
        elif self._file != identity:
            # For good: if the file came back, its write-ahead log may not be the one we write to.
            self._file = LOST
            raise StoreUnavailable("the database file was replaced; a restart is needed")

    def close(self) -> None:
        """Close every connection. The last one to close a SQLite file also empties its WAL."""
        self._closed = True
        if self._glimpses is not None:
            self._glimpses.close()
        self.engine.dispose()

    @contextmanager
    def border(self) -> Iterator[None]:
        """Translate whatever the database raises inside."""
        driver: Any = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (exc.SQLAlchemyError, driver.Error) as error:
            raise translate(error) from error

    def _sqlite_engine(self) -> Engine:
        timeout = self.busy_seconds
        engine = create_engine(
            self.url,
            json_serializer=_json,
            hide_parameters=True,  # an error's text must not carry pictures into the log
            connect_args={"timeout": timeout},
            pool_size=self._options.threads + 2,
            max_overflow=0,
            pool_timeout=timeout,
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA trusted_schema=OFF")
            cursor.execute(f"PRAGMA journal_size_limit={64 * 2**20}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("standin_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def _postgres_engine(self) -> Engine:
        timeout = self.busy_seconds
        engine = create_engine(
            self.url,
            json_serializer=_json,
            hide_parameters=True,  # an error's text must not carry pictures into the log
            connect_args={"connect_timeout": max(2, round(timeout))},
            pool_size=2 * self._options.threads + 1,
            max_overflow=0,
            pool_timeout=timeout,
            pool_pre_ping=True,
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
            connection.autocommit = True
            # A server, a role or a database may have switched it off; our promise needs it.
            connection.execute("SET synchronous_commit TO on")
            connection.execute(f"SET lock_timeout TO {round(timeout * 1000)}")
            connection.autocommit = False

        return engine


def translate(error: Exception) -> StoreError:
    """The store's error for one of SQLAlchemy's or of a driver's."""
    cause = error.orig if isinstance(error, exc.StatementError) and error.orig else error
    if isinstance(cause, StoreError):
        return cause
    reason = f"{type(cause).__name__}: {cause}"
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return StoreUnavailable("the connection to the database broke", reason)
    # DB-API 2.0 (PEP 249) gives every driver's classes these names, SQLAlchemy's among them.
    names = {kind.__name__ for kind in (*type(error).__mro__, *type(cause).__mro__)}
    if names & {"OperationalError", "InterfaceError", "InternalError", "TimeoutError"}:
        return StoreUnavailable("the database cannot answer now", reason)
    if "DataError" in names or isinstance(cause, ValueError | OverflowError):
        return InvalidRecord(f"a value cannot be stored: {cause}")
    if names & {"IntegrityError", "ProgrammingError", "NotSupportedError"}:
        return StoreDefect(reason)
    if "DatabaseError" in names:  # SQLite: "file is not a database", "disk image is malformed"
        return StoreUnavailable("the database cannot be read", reason)
    return StoreDefect(reason)


def _unstorable(context: ExceptionContext) -> None:
    """Drivers let Python's own errors on a parameter through: a huge integer, NaN in JSON."""
    cause = context.original_exception
    if isinstance(cause, ValueError | OverflowError):
        raise InvalidRecord(f"a value cannot be stored: {cause}") from cause
    if isinstance(cause, TypeError):
        raise StoreDefect(f"a value of a kind that cannot be stored: {cause}") from cause


def _json(value: object) -> str:
    """PostgreSQL refuses NaN and infinity in JSON, and so do clients: refuse them for both."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _checked(text: str) -> URL:
    try:
        url = make_url(text)
    except exc.ArgumentError as error:
        raise UnsupportedDatabase("the database URL cannot be read") from error
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:" or "mode=memory" in text:
            raise UnsupportedDatabase(
                "the store needs a file, as in sqlite:////var/lib/standin/standin.db:"
                " a database in memory would forget what it acknowledged"
            )
        return url
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise UnsupportedDatabase(
        f"the store knows sqlite:///... and postgresql://..., not {url.drivername}"
    )
