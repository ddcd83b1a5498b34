"""A category's versions: reading them, adding one, rolling back. Part of a transaction each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from service.store.adaptation import Adaptation
from service.store.categories import as_category, require
from service.store.cursors import check_match, etag
from service.store.errors import VersionNotFound
from service.store.records import Category, Cause, Unset, Version
from service.store.schema import CategoryRow, MembershipRow, VersionRow


@dataclass(frozen=True)
class Counts:
    """How many examples of each label a set has."""

    placeholder: int
    real: int

    @classmethod
    def of(cls, labels: Sequence[str]) -> "Counts":
        """Count them."""
        placeholder = sum(label == "placeholder" for label in labels)
        return cls(placeholder, len(labels) - placeholder)


class Held(NamedTuple):
    """What an example is in a set."""

    label: str
    guess: bool = False


def in_set_at(version: int) -> ColumnElement[bool]:
    """Memberships that hold at a version."""
    return and_(
        MembershipRow.since_version <= version,
        or_(MembershipRow.until_version.is_(None), MembershipRow.until_version > version),
    )


def base_version(category: CategoryRow) -> Version:
    """Version 0, which has no row: the base model, as old as the category."""
    return Version(
        number=0,
        created=category.created,
        placeholder_count=0,
        real_count=0,
        cause="base",
        quality=None,
        active=category.version == 0,
        source_version=None,
        learner=None,
        model_sha256=None,
        etag=etag(category.id, 0),
    )


def as_version(category: CategoryRow, row: VersionRow) -> Version:
    """The record of a row."""
    return Version(
        number=row.number,
        created=row.created,
        placeholder_count=row.placeholder_count,
        real_count=row.real_count,
        cause=cast(Cause, row.cause),
        quality=row.quality,
        active=category.version == row.number,
        source_version=row.source_version,
        learner=row.learner,
        model_sha256=row.model_sha256,
        etag=etag(category.id, row.number),
    )


def versions(session: Session, tenant: str, name: str) -> list[Version]:
    """Every version from 1, newest first; the newest is the active one."""
    category = require(session, tenant, name)
    rows = session.scalars(
        select(VersionRow)
        .where(VersionRow.category_id == category.id)
        .order_by(VersionRow.number.desc())
    )
    return [as_version(category, row) for row in rows]


def active_version(session: Session, category: CategoryRow) -> Version:
    """The version in force."""
    if category.version == 0:
        return base_version(category)
    row = session.get_one(VersionRow, (category.id, category.version))
    return as_version(category, row)


def online_at(session: Session, category_id: str, number: int) -> bytes | None:
    """What a version had learned from the teacher, None where nothing."""
    return session.scalar(
        select(VersionRow.online).where(
            VersionRow.category_id == category_id, VersionRow.number == number
        )
    )


def guess_loss_at(session: Session, category_id: str, number: int) -> float:
    """Nats that the guesses of a version had lost on the teacher's words."""
    query = select(VersionRow.guess_loss).where(
        VersionRow.category_id == category_id, VersionRow.number == number
    )
    return session.scalar(query) or 0.0


def add_version(
    session: Session,
    now: datetime,
    category: CategoryRow,
    cause: Cause,
    counts: Counts,
    adaptation: Adaptation | None,
    source_version: int | None = None,
) -> tuple[Category, Version]:
    """Append the next version and put it in force; ``adaptation`` None is the base model."""
    number = category.version + 1
    version = Version(
        number=number,
        created=now,
        placeholder_count=counts.placeholder,
        real_count=counts.real,
        cause=cause,
        quality=adaptation.quality if adaptation else None,
        active=True,
        source_version=source_version,
        learner=adaptation.learner if adaptation else None,
        model_sha256=adaptation.model_sha256 if adaptation else None,
        etag=etag(category.id, number),
    )
    online = adaptation.online if adaptation else None
    session.execute(
        insert(VersionRow),
        [
            {
                "category_id": category.id,
                "number": number,
                "tenant": category.tenant,
                "created": now,
                "cause": cause,
                "source_version": source_version,
                "placeholder_count": counts.placeholder,
                "real_count": counts.real,
                "learner": version.learner,
                "model_sha256": version.model_sha256,
                "quality": version.quality,
                "state": adaptation.state if adaptation else None,
                "online": None if isinstance(online, Unset) else online,
                "guess_loss": adaptation.guess_loss if adaptation else None,
            }
        ],
    )
    session.execute(
        update(CategoryRow)
        .where(CategoryRow.id == category.id)
        .values(
            version=number,
            placeholder_count=counts.placeholder,
            real_count=counts.real,
            updated=now,
        )
        .execution_options(synchronize_session=False)
    )
    after = replace(
        as_category(category),
        version=number,
        placeholder_count=counts.placeholder,
        real_count=counts.real,
        updated=now,
        etag=version.etag,
    )
    return after, version


def activate(
    session: Session, now: datetime, tenant: str, name: str, n: int, only_if: str | None
) -> Version:
    """Put version ``n`` in force again as a new version, with the example set it had."""
    category = require(session, tenant, name, lock=True)
    check_match(only_if, name, etag(category.id, category.version))
    if not 0 <= n <= category.version:
        raise VersionNotFound(name, n, category.version)
    adaptation, counts = None, Counts(0, 0)
    if n > 0:
        source = session.get_one(VersionRow, (category.id, n))
        counts = Counts(source.placeholder_count, source.real_count)
        if source.state is not None and source.learner and source.model_sha256:
            adaptation = Adaptation(
                source.state,
                source.learner,
                source.model_sha256,
                source.quality,
                source.online,
                source.guess_loss,
            )
    then = _held_at(session, category.id, n)
    now_open = _held_at(session, category.id, category.version)
    number = category.version + 1
    close_memberships(
        session, category, [one for one in now_open if then.get(one) != now_open[one]], number
    )
    open_memberships(
        session,
        category,
        {one: held for one, held in then.items() if now_open.get(one) != held},
        number,
    )
    return add_version(session, now, category, "rollback", counts, adaptation, source_version=n)[1]


def close_memberships(
    session: Session, category: CategoryRow, example_ids: Sequence[str], until: int
) -> None:
    """End the open intervals of these examples before version ``until``."""
    for start in range(0, len(example_ids), 500):  # databases limit the parameters of a statement
        session.execute(
            update(MembershipRow)
            .where(
                MembershipRow.category_id == category.id,
                MembershipRow.example_id.in_(example_ids[start : start + 500]),
                MembershipRow.until_version.is_(None),
            )
            .values(until_version=until)
            .execution_options(synchronize_session=False)
        )


def open_memberships(
    session: Session, category: CategoryRow, opened: Mapping[str, Held], since: int
) -> None:
    """Begin an interval for each example, by id, at version ``since``."""
    rows = [
        {
            "example_id": example_id,
            "since_version": since,
            "tenant": category.tenant,
            "category_id": category.id,
            "label": held.label,
            "guess": held.guess,
        }
        for example_id, held in opened.items()
    ]
    if rows:
        session.execute(insert(MembershipRow), rows)


def _held_at(session: Session, category_id: str, version: int) -> dict[str, Held]:
    query = select(MembershipRow.example_id, MembershipRow.label, MembershipRow.guess).where(
        MembershipRow.category_id == category_id, in_set_at(version)
    )
    return {example_id: Held(label, guess) for example_id, label, guess in session.execute(query)}
