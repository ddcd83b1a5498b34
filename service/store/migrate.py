"""Bring a database to the schema of this release; safe when several processes start at once."""

import sqlite3
import time
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from service.store.database import Database
from service.store.errors import DatabaseTooNew, StoreUnavailable

_LOCK = 0x5374616E64696E  # "Standin"; the advisory lock of PostgreSQL that migrations take


def migrate(database: Database, revision: str = "head") -> None:
    """Migrate to ``revision``, up or down, in one transaction: all of it, or nothing.

    Raises:
        DatabaseTooNew: a later release wrote this database.
        StoreUnavailable: it cannot be opened, or another process holds it too long.
    """
    with database.border():
        if database.is_sqlite:
            _use_wal(database)
        with database.engine.connect() as connection:
            if revision == "head" and _is_current(connection):
                return
        _migrate(database, revision)


def _migrate(database: Database, revision: str) -> None:
    with database.engine.connect().execution_options(standin_write=True) as connection:
        if database.is_sqlite:
            # SQLite alters a table by making it anew; with the keys in force the drop would
            # cascade. The pragma does nothing inside a transaction, hence past SQLAlchemy, which
            # would begin one; the connection is thrown away afterwards.
            raw = connection.connection.driver_connection
            if raw is None:
                raise StoreUnavailable("the connection was lost")
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                if not database.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                # Another process may have been quicker: Alembic looks again, now under the lock.
                _refuse_unknown(connection)
                config = config_for(connection)
                if revision == "head" or revision in _later(connection):
                    command.upgrade(config, revision)
                else:
                    command.downgrade(config, revision)
                if database.is_sqlite:
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                    if broken:
                        raise StoreUnavailable(
                            f"migrating would leave {len(broken)} rows without what they refer to;"
                            " nothing was changed"
                        )
        finally:
            if database.is_sqlite:
                connection.invalidate()


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    config = Config()
    folder = resources.files("service.store") / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_current(connection: Connection) -> bool:
    _refuse_unknown(connection)
    return _current(connection) == ScriptDirectory.from_config(config_for()).get_current_head()


def _refuse_unknown(connection: Connection) -> None:
    current = _current(connection)
    script = ScriptDirectory.from_config(config_for())
    if current is not None and current not in {one.revision for one in script.walk_revisions()}:
        raise DatabaseTooNew(
            f"the database is at revision {current}, which this release does not know;"
            " it was written by a later one"
        )


def _later(connection: Connection) -> set[str]:
    """Revisions above the present one."""
    script = ScriptDirectory.from_config(config_for())
    lower = _current(connection) or "base"
    return {one.revision for one in script.iterate_revisions("head", lower)}


def _use_wal(database: Database) -> None:
    """Switch the file to write-ahead logging; it stays so.

    The switch needs the file for itself for an instant and does not always wait for it by itself,
    so when several processes start at once the losers try again.
    """
    deadline = time.monotonic() + max(10.0, database.busy_seconds)
    while True:
        with database.engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is None:
                raise StoreUnavailable("the connection was lost")
            try:
                mode = raw.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
                continue
        if mode != "wal":
            raise StoreUnavailable(
                f"SQLite keeps journal mode {mode!r} on {database.url.database}: its file system"
                " does not allow write-ahead logging"
            )
        return
