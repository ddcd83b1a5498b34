"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header). Part of a transaction each.

A key belongs to the token of the call that began it. While that call runs, its row has no status;
a rival gets IdempotencyConflict. Should its process die, the lease runs out and the next call takes
the key over with a token of its own. The dead one's token then finishes nothing: if it was only
slow, its transaction fails as a whole, so the work is done once whatever happens.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from service.store.categories import insert_or_ignore
from service.store.errors import IdempotencyConflict, IdempotencyMismatch
from service.store.records import StoredAnswer
from service.store.schema import IdempotencyRow


@dataclass(frozen=True)
class Key:
    """What names an idempotent request."""

    tenant: str
    operation: str
    key: str


@dataclass(frozen=True)
class Terms:
    """For how long a key is leased to a running call, and its answer kept."""

    lease: timedelta
    retention: timedelta


def begin(
    session: Session,
    now: datetime,
    key: Key,
    fingerprint: str,
    token: str,
    alive: str | None,
    terms: Terms,
) -> StoredAnswer | None:
    """Take the key, or give the answer that it has.

    Args:
        token: to take it with.
        alive: the token of the call of this process that has the key, if one does; however slow
            that call is, its lease holds.
    """
    fields = {
        "fingerprint": fingerprint,
        "owner": token,
        "lease_until": now + terms.lease,
        "expires": now + terms.retention,
        "created": now,
        "status": None,
        "headers": None,
        "body": None,
    }
    names = {"tenant": key.tenant, "operation": key.operation, "key": key.key}
    if insert_or_ignore(session, IdempotencyRow, names | fields):
        return None
    row = session.scalar(select(IdempotencyRow).where(*_is(key)).with_for_update())
    if row is None:  # purged or abandoned between the two statements
        raise IdempotencyConflict
    running = row.status is None and (row.owner == alive or row.lease_until > now)
    if row.expires > now or running:
        if row.fingerprint != fingerprint:
            raise IdempotencyMismatch
        if running:
            raise IdempotencyConflict
        if row.status is not None:
            return StoredAnswer(row.status, row.headers or {}, row.body or b"")
    session.execute(
        update(IdempotencyRow)
        .where(*_is(key))
        .values(fields)
        .execution_options(synchronize_session=False)
    )
    return None


def finish(session: Session, key: Key, token: str | None, answer: StoredAnswer) -> None:
    """Keep the answer.

    Raises:
        IdempotencyConflict: the key is not this call's, or not any more.
    """
    changed = session.connection().execute(
        update(IdempotencyRow)
        .where(*_is(key), IdempotencyRow.owner == token, IdempotencyRow.status.is_(None))
        .values(status=answer.status, headers=dict(answer.headers), body=answer.body)
    )
    if changed.rowcount != 1:
        raise IdempotencyConflict


def abandon(session: Session, key: Key, token: str) -> None:
    """Let the key go, so that the request can be sent again; nothing if it is another's."""
    session.execute(
        delete(IdempotencyRow)
        .where(*_is(key), IdempotencyRow.owner == token, IdempotencyRow.status.is_(None))
        .execution_options(synchronize_session=False)
    )


def purge(session: Session, now: datetime, limit: int) -> int:
    """Delete at most ``limit`` expired keys; how many it was."""
    oldest = (
        select(IdempotencyRow.tenant, IdempotencyRow.operation, IdempotencyRow.key)
        .where(IdempotencyRow.expires < now, IdempotencyRow.lease_until < now)
        .limit(limit)
    )
    keys = session.execute(oldest).all()
    for tenant, operation, name in keys:
        session.execute(
            delete(IdempotencyRow)
            .where(*_is(Key(tenant, operation, name)), IdempotencyRow.expires < now)
            .execution_options(synchronize_session=False)
        )
    return len(keys)


def _is(key: Key) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyRow.tenant == key.tenant,
        IdempotencyRow.operation == key.operation,
        IdempotencyRow.key == key.key,
    )
