"""Migrations: they make what the models say, go down and up, and keep what older releases wrote."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, inspect, make_url, text

from service.store import (
    NotTaught,
    ScoreNotFound,
    StaleScore,
    Store,
    StoreOptions,
    StoreUnavailable,
    Taught,
    Word,
    open_store,
)
from service.store.database import Database
from service.store.migrate import config_for, migrate
from service.store.schema import Base
from tests.service.store.builders import MODEL, PATIENT, adapt, digest_of, picture, score
from tests.service.store.old.make import SCORES

OLD = Path(__file__).parent / "old"
REVISIONS = [
    one.revision
    for one in reversed(list(ScriptDirectory.from_config(config_for()).walk_revisions()))
]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, StoreOptions())
    yield database
    database.close()


def shape(connection: Connection) -> dict[str, Any]:
    """Everything about the schema that SQLAlchemy can read back."""
    found = inspect(connection)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in sorted(value.items())}
        return value if isinstance(value, list | bool | None) else str(value)

    def rows(values: Any) -> list[str]:
        return sorted(repr(plain(value)) for value in values)

    return {
        table: {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in found.get_columns(table)
            ],
            "primary": found.get_pk_constraint(table),
            "foreign": rows(found.get_foreign_keys(table)),
            "unique": rows(found.get_unique_constraints(table)),
            "checks": rows(found.get_check_constraints(table)),
            "indexes": rows(found.get_indexes(table)),
        }
        for table in sorted(found.get_table_names())
        if table != "alembic_version"
    }


def test_models_and_migrations_agree(database: Database) -> None:
    migrate(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
        migrated = shape(connection)
    migrate(database, "base")
    with database.engine.begin() as connection:
        assert shape(connection) == {}
        Base.metadata.create_all(connection)
        assert shape(connection) == migrated


def test_every_table_carries_its_tenant_in_every_revision(database: Database) -> None:
    for revision in REVISIONS:
        migrate(database, revision)
        with database.engine.connect() as connection:
            for table, found in shape(connection).items():
                tenant = [column for column in found["columns"] if column[0] == "tenant"]
                assert len(tenant) == 1, table
                assert tenant[0][2] is False, table


def test_down_and_up_again_step_by_step(database: Database) -> None:
    shapes = {}
    for revision in REVISIONS:
        migrate(database, revision)
        with database.engine.connect() as connection:
            shapes[revision] = shape(connection)
    for revision in reversed(REVISIONS):
        migrate(database, revision)
        with database.engine.connect() as connection:
            assert shape(connection) == shapes[revision]
    migrate(database, "base")
    migrate(database)
    with database.engine.connect() as connection:
        assert shape(connection) == shapes[REVISIONS[-1]]


def test_down_and_up_keeps_categories(url: str) -> None:
    async def fill() -> None:
        store = open_store(url)
        await store.put_category("t", "shoes", title="Shoes")
        await store.change_examples("t", "shoes", [picture(1), picture(2, "placeholder")], adapt)
        await store.activate("t", "shoes", 0)
        await store.activate("t", "shoes", 1)
        await store.close()

    async def check() -> None:
        store = open_store(url)
        assert (await store.get_category("t", "shoes")).title == "Shoes"
        assert len(await store.list_versions("t", "shoes")) == 3
        head = await store.head("t", "shoes")
        assert head.state == digest_of({1: "real", 2: "placeholder"})
        await store.close()

    asyncio.run(fill())
    database = Database(url, StoreOptions())
    for revision in reversed(REVISIONS):
        migrate(database, revision)
    database.close()
    asyncio.run(check())


@pytest.mark.parametrize("dump", sorted(OLD.glob("*.sql")), ids=lambda path: path.stem)
def test_a_database_of_an_older_release_keeps_its_data(dump: Path, tmp_path: Path) -> None:
    file = tmp_path / "standin.db"
    old = sqlite3.connect(file)
    old.executescript(dump.read_text())
    old.close()
    asyncio.run(check_old(f"sqlite:///{file}"))


@pytest.mark.postgres
@pytest.mark.parametrize("dump", sorted(OLD.glob("*.sql")), ids=lambda path: path.stem)
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_an_older_postgres_database_keeps_its_data(dump: Path, url: str, tmp_path: Path) -> None:
    """The same rows, put into the same revision there."""
    old = create_engine(f"sqlite:///{tmp_path}/old.db")
    raw = sqlite3.connect(tmp_path / "old.db")
    raw.executescript(dump.read_text())
    raw.close()
    database = Database(url, StoreOptions())
    migrate(database, dump.stem)
    tables = MetaData()
    with old.connect() as source, database.engine.begin() as target:
        tables.reflect(target)
        del_order = [table for table in tables.sorted_tables if table.name != "alembic_version"]
        for table in del_order:
            reflected = MetaData()
            reflected.reflect(source, only=[table.name])
            rows = [
                dict(row._mapping) for row in source.execute(reflected.tables[table.name].select())
            ]
            if rows:
                target.execute(table.insert(), rows)
    old.dispose()
    database.close()
    asyncio.run(check_old(url))


async def check_old(url: str) -> None:
    """What every dump in ``old/`` holds: see its first lines."""
    store = open_store(url)
    shoes = await store.get_category("default", "shoes")
    assert (shoes.title, shoes.threshold, shoes.version) == ("Schuhe", 0.625, 3)
    assert (shoes.placeholder_count, shoes.real_count) == (1, 1)
    history = await store.list_versions("default", "shoes")
    assert [(one.number, one.cause, one.source_version) for one in history] == [
        (3, "rollback", 1),
        (2, "examples", None),
        (1, "examples", None),
    ]
    assert history[2].quality == {"examples": 2}
    labels = {1: "real", 2: "placeholder"}
    assert (await store.head("default", "shoes")).state == digest_of(labels)
    examples = (await store.list_examples("default", "shoes")).items
    assert [one.label for one in examples] == ["real", "placeholder"]
    matrix = await store.nearest("default", "shoes", 2)
    np.testing.assert_array_equal(
        matrix.embeddings, np.array([picture(number).embedding for number in (1, 2, 3)])
    )
    assert matrix.labels == ("placeholder", "placeholder", "real")
    assert (await store.example_thumbnail("default", "shoes", examples[0].id)).startswith(b"webp 1")
    # And it goes on from there.
    change = await store.change_examples("default", "shoes", [picture(3)], adapt)
    assert (change.added, change.version.number) == (1, 4)
    assert [one.name for one in (await store.list_categories("other")).items] == ["paint"]
    await check_feedback(store)
    await store.close()


async def check_feedback(store: Store) -> None:
    """What is old was uploaded, knows no signals, and goes on learning from new scores."""
    examples = (await store.list_examples("default", "shoes")).items
    assert {one.origin for one in examples} == {"upload"}
    assert (await store.nearest("default", "shoes", 4)).signals == (None, None, None)
    assert (await store.head("default", "shoes")).online is None
    new = score(4, tenant="default")
    await store.record_scores([new])
    words = [Word(new.score_id, "real"), *(Word(old, "real") for old in SCORES)]
    outcomes = await store.teach("default", words, adapt, MODEL)
    assert isinstance(outcomes[0], Taught)
    assert (outcomes[0].status, outcomes[0].version) == ("added", 5)
    # Scores of earlier releases, where they were kept, do not tell which weights gave them.
    kept = await store.scores("default", SCORES)
    for outcome, score_id in zip(outcomes[1:], SCORES, strict=True):
        assert isinstance(outcome, NotTaught)
        assert isinstance(outcome.error, StaleScore if score_id in kept else ScoreNotFound)
    for row in kept.values():
        assert (row.probability, row.model_sha256, row.width, row.answers) == (0.75,) + (None,) * 3


def test_a_dump_of_every_revision_but_the_newest_is_kept() -> None:
    """So that nobody forgets: a new revision brings a dump of the one before."""
    assert sorted(path.stem for path in OLD.glob("*.sql")) == REVISIONS[:-1]


def test_many_may_open_an_empty_database_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def open_and_close() -> None:
        try:
            asyncio.run(open_store(url, PATIENT).close())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_and_close) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Rows without what they refer to (written past the store) stop a migration as a whole."""
    url = f"sqlite:///{tmp_path}/standin.db"
    database = Database(url, StoreOptions())
    migrate(database, REVISIONS[-2])
    with sqlite3.connect(tmp_path / "standin.db") as raw:
        raw.execute(
            "INSERT INTO thumbnails (example_id, tenant, webp) VALUES ('nobody', 't', x'00')"
        )
    raw.close()
    with database.engine.connect() as connection:
        before = shape(connection)
    with pytest.raises(StoreUnavailable, match="1 rows"):
        migrate(database)
    with database.engine.connect() as connection:
        assert shape(connection) == before
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        assert found == REVISIONS[-2]
    database.close()


def test_migrating_leaves_foreign_keys_on(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/standin.db", StoreOptions())
    migrate(database)
    for _ in range(3):
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    database.close()
    assert make_url(str(database.url)).database == f"{tmp_path}/standin.db"
