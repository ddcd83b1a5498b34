"""Whatever the database raises comes out as an error of the store's: none is left unmapped."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg.errors
import pytest
import sqlalchemy.exc
from sqlalchemy.orm import exc as orm_exc

from service.store import (
    InvalidRecord,
    StoreDefect,
    StoreError,
    StoreOptions,
    StoreUnavailable,
    errors,
)
from service.store.database import Database, translate
from service.store.migrate import migrate


def descendants(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


DRIVER_ERRORS = sorted(
    {*descendants(sqlite3.Error), *descendants(psycopg.Error)}, key=lambda kind: kind.__name__
)
SQLALCHEMY_ERRORS = sorted(
    set(descendants(sqlalchemy.exc.SQLAlchemyError)), key=lambda kind: kind.__name__
)


def wrapped(error: Exception) -> Exception:
    """As SQLAlchemy hands a driver's error on."""
    driver = sqlite3.Error if isinstance(error, sqlite3.Error) else psycopg.Error
    return sqlalchemy.exc.DBAPIError.instance("SELECT 1", None, error, driver)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", DRIVER_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_a_driver_is_mapped(kind: type[Exception]) -> None:
    error = wrapped(kind("the driver's words"))
    found = translate(error)
    assert isinstance(found, StoreError)
    # For the log, or about the caller's own value; hosts and paths are nothing for clients.
    assert "the driver's words" in (str(found) if type(found) is InvalidRecord else found.reason)  # type: ignore[attr-defined]
    assert "SELECT" not in str(found)
    if issubclass(kind, sqlite3.OperationalError | psycopg.OperationalError):
        assert type(found) is StoreUnavailable
    elif issubclass(kind, sqlite3.IntegrityError | psycopg.IntegrityError):
        assert type(found) is StoreDefect
    elif issubclass(kind, sqlite3.DataError | psycopg.DataError):
        assert type(found) is InvalidRecord


@pytest.mark.parametrize("kind", SQLALCHEMY_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_sqlalchemy_is_mapped(kind: type[Exception]) -> None:
    if issubclass(kind, sqlalchemy.exc.StatementError):
        error: Exception = sqlalchemy.exc.StatementError("words", "SELECT 1", None, None)
        error.__class__ = kind
        if issubclass(kind, sqlalchemy.exc.DBAPIError):
            error.connection_invalidated = False  # type: ignore[attr-defined]
    else:
        error = kind.__new__(kind, "words")
    assert isinstance(translate(error), StoreError)


def test_there_is_something_to_map() -> None:
    assert len(DRIVER_ERRORS) > 200
    assert len(SQLALCHEMY_ERRORS) > 40
    assert orm_exc.StaleDataError in SQLALCHEMY_ERRORS


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite3.OperationalError("database or disk is full"), StoreUnavailable),
        (sqlite3.OperationalError("database is locked"), StoreUnavailable),
        (sqlite3.OperationalError("attempt to write a readonly database"), StoreUnavailable),
        (sqlite3.DatabaseError("database disk image is malformed"), StoreUnavailable),
        (sqlite3.ProgrammingError("Incorrect number of bindings supplied"), StoreDefect),
        (psycopg.errors.DiskFull("no space left on device"), StoreUnavailable),
        (psycopg.errors.AdminShutdown("terminating connection"), StoreUnavailable),
        (psycopg.errors.LockNotAvailable("lock timeout"), StoreUnavailable),
        (psycopg.errors.ReadOnlySqlTransaction("standby"), StoreUnavailable),
        (psycopg.errors.UndefinedTable("no such table"), StoreDefect),
        (psycopg.errors.NumericValueOutOfRange("integer out of range"), InvalidRecord),
    ],
)
def test_what_each_means(error: Exception, expected: type[StoreError]) -> None:
    assert type(translate(wrapped(error))) is expected


@pytest.mark.parametrize(
    "error",
    [sqlalchemy.exc.TimeoutError("pool"), sqlite3.OperationalError("raw, past SQLAlchemy")],
)
def test_the_border_keeps_the_cause(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "standin.db").touch()
    database = Database(f"sqlite:///{tmp_path}/standin.db", StoreOptions())

    def fail(session: object) -> None:
        raise error

    for run in (database.read, database.write):
        with pytest.raises(StoreUnavailable) as caught:
            run(fail)
        assert caught.value.__cause__ is error
    database.close()


def test_errors_that_are_no_databases_pass_the_border(tmp_path: Path) -> None:
    (tmp_path / "standin.db").touch()
    database = Database(f"sqlite:///{tmp_path}/standin.db", StoreOptions())

    def fail(session: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(fail)
    database.close()


def test_values_that_no_driver_takes_are_refused(url: str) -> None:
    database = Database(url, StoreOptions())
    migrate(database)
    for value in (2**70, "\ud800"):
        with pytest.raises(InvalidRecord):
            database.read(
                lambda session, value=value: session.scalar(  # type: ignore[misc]
                    sqlalchemy.select(sqlalchemy.literal(value))
                )
            )
    database.close()


def test_every_error_speaks_to_a_person_and_is_exported() -> None:
    import service.store

    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ == errors.__name__:
            assert issubclass(kind, StoreError)
            assert kind.__doc__
            assert getattr(service.store, name) is kind
