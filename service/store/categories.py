"""Categories: finding, changing, listing, deleting. Each function is part of a transaction."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.cursors import check_limit, check_match, decode_cursor, encode_cursor, etag
from service.store.errors import CategoryNotFound
from service.store.identifiers import new_id
from service.store.records import Category, Page, Unset
from service.store.schema import Base, CategoryRow


def insert_or_ignore(session: Session, table: type[Base], values: dict[str, Any]) -> bool:
    """INSERT ... ON CONFLICT DO NOTHING, which both databases have and SQLAlchemy spells twice.

    Returns whether the row is new. On PostgreSQL it waits for a rival's transaction to end.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table.__table__).values(values).on_conflict_do_nothing()
    # SQLAlchemy keeps an INSERT's row count only where it is asked to.
    statement = statement.execution_options(preserve_rowcount=True)
    return session.connection().execute(statement).rowcount == 1


def as_category(row: CategoryRow) -> Category:
    """The record of a row."""
    return Category(
        name=row.name,
        title=row.title,
        threshold=row.threshold,
        unsure_band=row.unsure_band,
        version=row.version,
        placeholder_count=row.placeholder_count,
        real_count=row.real_count,
        created=row.created,
        updated=row.updated,
        etag=etag(row.id, row.version),
    )


def find(session: Session, tenant: str, name: str, *, lock: bool = False) -> CategoryRow | None:
    """The category, or None. With ``lock`` no other writer changes it before the commit."""
    query = select(CategoryRow).where(CategoryRow.tenant == tenant, CategoryRow.name == name)
    # SQLite's writers hold the whole database already, and SQLAlchemy leaves FOR UPDATE out there.
    return session.scalar(query.with_for_update() if lock else query)


def require(session: Session, tenant: str, name: str, *, lock: bool = False) -> CategoryRow:
    """The category, or CategoryNotFound."""
    row = find(session, tenant, name, lock=lock)
    if row is None:
        raise CategoryNotFound(name)
    return row


def find_or_create(
    session: Session, now: datetime, tenant: str, name: str
) -> tuple[CategoryRow, bool]:
    """The category, locked, and whether it is new."""
    found = find(session, tenant, name, lock=True)
    if found is not None:
        return found, False
    created = insert_or_ignore(
        session,
        CategoryRow,
        {
            "id": new_id(),
            "tenant": tenant,
            "name": name,
            "version": 0,
            "placeholder_count": 0,
            "real_count": 0,
            "created": now,
            "updated": now,
        },
    )
    return require(session, tenant, name, lock=True), created


def put(
    session: Session,
    now: datetime,
    tenant: str,
    name: str,
    settings: dict[str, Any],
    only_if: str | None,
) -> tuple[Category, bool]:
    """Create the category or change its settings; what is UNSET stays as it is."""
    if only_if is not None:
        found = find(session, tenant, name, lock=True)
        check_match(only_if, name, etag(found.id, found.version) if found else None)
    row, created = find_or_create(session, now, tenant, name)
    given = {key: value for key, value in settings.items() if not isinstance(value, Unset)}
    if created or any(getattr(row, key) != value for key, value in given.items()):
        given["updated"] = now
        session.execute(update(CategoryRow).where(CategoryRow.id == row.id).values(given))
        return replace(as_category(row), **given), created
    return as_category(row), created


def get(session: Session, tenant: str, name: str) -> Category:
    """One category."""
    return as_category(require(session, tenant, name))


def page(session: Session, tenant: str, cursor: str | None, limit: int) -> Page[Category]:
    """Categories by name. One that is added or deleted meanwhile shifts no other."""
    query = select(CategoryRow).where(CategoryRow.tenant == tenant)
    if cursor is not None:
        query = query.where(CategoryRow.name > decode_cursor("c", cursor))
    rows = session.scalars(query.order_by(CategoryRow.name).limit(check_limit(limit) + 1)).all()
    items = [as_category(row) for row in rows[:limit]]
    return Page(items, encode_cursor("c", items[-1].name) if len(rows) > limit else None)


def remove(session: Session, tenant: str, name: str, only_if: str | None) -> None:
    """Delete the category; its examples, thumbnails and versions go along by cascade."""
    row = require(session, tenant, name, lock=True)
    check_match(only_if, name, etag(row.id, row.version))
    session.execute(delete(CategoryRow).where(CategoryRow.id == row.id))
