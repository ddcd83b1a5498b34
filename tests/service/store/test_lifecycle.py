"""Opening and closing; what happens when the database is locked, gone or no database."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import threading
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path

import pytest

from service.store import (
    DatabaseTooNew,
    Store,
    StoreOptions,
    StoreUnavailable,
    Support,
    UnsupportedDatabase,
    open_store,
)
from tests.service.store.builders import adapt, digest_of, picture

pytestmark = pytest.mark.anyio


async def test_what_was_written_is_there_after_reopening(url: str) -> None:
    store = open_store(url)
    await store.put_category("t", "shoes", title="Shoes", threshold=0.25)
    await store.change_examples("t", "shoes", [picture(1), picture(2, "placeholder")], adapt)
    before = await store.get_category("t", "shoes")
    await store.close()
    store = open_store(url)
    assert await store.get_category("t", "shoes") == before
    assert (await store.head("t", "shoes")).state == digest_of({1: "real", 2: "placeholder"})
    await store.close()


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.ping()
    await store.close()
    await store.close()
    for call in (
        store.ping(),
        store.get_category("t", "shoes"),
        store.change_examples("t", "shoes", [picture(1)], adapt),
        store.record_scores([]),
        store.idempotent_begin("t", "op", "k", "f"),
    ):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call


async def test_closing_lets_running_work_end(url: str) -> None:
    store = open_store(url)
    uploads = [
        asyncio.create_task(store.change_examples("t", f"c{n}", [picture(n)], adapt))
        for n in range(10)
    ]
    await asyncio.sleep(0)
    await store.close()
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    store = open_store(url)
    names = {one.name for one in (await store.list_categories("t")).items}
    kept = {f"c{n}" for n, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)}
    assert names == kept
    await store.close()


async def test_descriptors_and_threads_do_not_pile_up(url: str) -> None:
    async def once() -> None:
        store = open_store(url)
        await asyncio.gather(*(store.head("t", "shoes") for _ in range(8)))
        await store.change_examples("t", "shoes", [picture(1)], adapt)
        await store.close()

    await once()
    gc.collect()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(50):
        await once()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "mysql://h/d",
        "nonsense",
        "",
    ],
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(UnsupportedDatabase):
        open_store(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="missing"):
        open_store(f"sqlite:///{tmp_path}/missing/standin.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "standin.db"
    file.write_bytes(b"\x89PNG" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes() == b"\x89PNG" * 1000


def test_no_server_and_no_password_in_the_message() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://standin:s3cret@127.0.0.1:9/standin")
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


async def test_a_later_releases_database_is_left_alone(url: str) -> None:
    from sqlalchemy import text

    store = open_store(url)
    await store._workers.write(
        lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    )
    await store.close()
    with pytest.raises(DatabaseTooNew, match="9999"):
        open_store(url)


async def test_sqlite_runs_with_the_promised_settings(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/standin.db")
    for pragma, expected in [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 5000),
    ]:
        for run in (store._workers.read, store._workers.write):
            found = await run(
                lambda session, pragma=pragma: (
                    session.connection().exec_driver_sql(f"PRAGMA {pragma}").scalar_one()
                )
            )
            assert found == expected, pragma
    await store.close()


async def test_a_locked_database_is_unavailable_to_writers_only(tmp_path: Path) -> None:
    file = tmp_path / "standin.db"
    store = open_store(f"sqlite:///{file}", StoreOptions(busy_timeout=timedelta(milliseconds=50)))
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        for call in (
            store.change_examples("t", "shoes", [picture(2)], adapt),
            store.put_category("t", "paint"),
            store.idempotent_begin("t", "op", "k", "f"),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                await call
            assert "locked" in caught.value.reason
            assert str(file) not in str(caught.value)
        await store.ping()
        assert (await store.head("t", "shoes")).version == 1
        rival.execute("ROLLBACK")
    change = await store.change_examples("t", "shoes", [picture(2)], adapt)
    assert change.version.number == 2
    assert [one.name for one in (await store.list_categories("t")).items] == ["shoes"]
    await store.close()


async def test_a_file_deleted_or_replaced_is_noticed(tmp_path: Path) -> None:
    """SQLite would go on with the deleted file, and acknowledge what nobody will see again."""
    file = tmp_path / "standin.db"
    url = f"sqlite:///{file}"
    store = open_store(url)
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    assert (await store.head("t", "shoes")).version == 1  # and from now on without a thread

    def calls() -> tuple[Coroutine[None, None, object], ...]:
        added = store.change_examples("t", "shoes", [picture(2)], adapt)
        return store.ping(), store.head("t", "shoes"), added

    moved = file.rename(tmp_path / "moved.db")
    for call in calls():
        with pytest.raises(StoreUnavailable, match="gone"):
            await call
    # Back again, and still refused: what was done to its write-ahead log nobody can tell.
    moved.rename(file)
    for call in calls():
        with pytest.raises(StoreUnavailable, match="replaced"):
            await call
    await store.close()
    store = open_store(url)
    assert (await store.head("t", "shoes")).version == 1
    await store.close()


@pytest.mark.postgres
async def test_lost_connections_are_made_anew(postgres: str) -> None:
    import psycopg

    store = open_store(postgres)
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert (await store.head("t", "shoes")).version == 1
    assert (await store.change_examples("t", "shoes", [picture(2)], adapt)).added == 1
    await store.delete_category("t", "shoes")
    await store.close()


@pytest.mark.postgres
async def test_a_connection_lost_within_a_transaction_is_unavailable(postgres: str) -> None:
    import psycopg

    from service.store import Adaptation

    store = open_store(postgres)
    await store.change_examples("t", "boots", [picture(1)], adapt)

    def adapt_while_the_server_hangs_up(support: Support) -> Adaptation:
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        return adapt(support)

    with pytest.raises(StoreUnavailable):
        await store.change_examples("t", "boots", [picture(2)], adapt_while_the_server_hangs_up)
    assert (await store.head("t", "boots")).state == digest_of({1: "real"})
    await store.delete_category("t", "boots")
    await store.close()
