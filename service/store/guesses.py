"""What a category may label itself: scores that nobody spoke about. Part of a transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from service.store.categories import require
from service.store.cursors import etag
from service.store.history import Counts
from service.store.schema import (
    CategoryRow,
    ExampleRow,
    MembershipRow,
    ScoreRecordRow,
    VersionRow,
)


@dataclass(frozen=True)
class Undenied:
    """A sure score of a picture that was never an example of its category."""

    tenant: str
    category: str
    score_id: str
    created: datetime


@dataclass(frozen=True)
class Standing:
    """How a category stands with its teacher, at the version of ``etag``."""

    etag: str
    taught: Counts
    """Examples in force that the teacher labelled."""
    guessed: Counts
    """And those that the category labelled itself."""
    words_since_guard: int | None
    """Labels that the teacher gave since the guard last spoke; None where it never did."""


def undenied(
    session: Session, before: datetime, sure: float, after: Undenied | None, limit: int
) -> Sequence[Undenied]:
    """At most ``limit`` scores given by ``before`` that may become guesses, oldest first.

    Of every tenant; of categories with examples of both labels; of pictures that never were their
    examples, also not ones that were removed, so that a guess once refused does not come back.

    Args:
        sure: the least probability of either label.
        after: where the page before ended.
    """
    score = ScoreRecordRow
    query = (
        select(score.tenant, score.category, score.score_id, score.created)
        .join(
            CategoryRow,
            and_(CategoryRow.tenant == score.tenant, CategoryRow.name == score.category),
        )
        .where(
            score.created <= before,
            score.decision != "unsure",
            or_(score.probability >= sure, score.probability <= 1 - sure),
            CategoryRow.placeholder_count > 0,
            CategoryRow.real_count > 0,
            ~exists().where(
                ExampleRow.category_id == CategoryRow.id, ExampleRow.sha256 == score.sha256
            ),
        )
    )
    if after is not None:
        place = (after.created, after.tenant, after.score_id)
        # The first says nothing new, but to SQLite, which so begins where the page before ended.
        query = query.where(
            score.created >= after.created,
            tuple_(score.created, score.tenant, score.score_id) > place,
        )
    query = query.order_by(score.created, score.tenant, score.score_id).limit(limit)
    return [Undenied(*row) for row in session.execute(query)]


def standing(session: Session, tenant: str, name: str) -> Standing:
    """How one category stands. Raises CategoryNotFound."""
    category = require(session, tenant, name)
    mine = MembershipRow.category_id == category.id
    counted = session.execute(
        select(MembershipRow.guess, MembershipRow.label, func.count())
        .where(mine, MembershipRow.until_version.is_(None))
        .group_by(MembershipRow.guess, MembershipRow.label)
    )
    counts = {(guess, label): count for guess, label, count in counted}
    guard = session.scalar(
        select(func.max(VersionRow.number)).where(
            VersionRow.category_id == category.id, VersionRow.cause == "guard"
        )
    )
    words = None
    if guard is not None:
        words = session.scalar(
            select(func.count())
            .select_from(MembershipRow)
            .join(
                VersionRow,
                and_(
                    VersionRow.category_id == MembershipRow.category_id,
                    VersionRow.number == MembershipRow.since_version,
                ),
            )
            .where(
                mine,
                MembershipRow.since_version > guard,
                ~MembershipRow.guess,
                VersionRow.cause.in_(("examples", "feedback")),
            )
        )
    taught, guessed = (
        Counts(counts.get((guess, "placeholder"), 0), counts.get((guess, "real"), 0))
        for guess in (False, True)
    )
    return Standing(etag(category.id, category.version), taught, guessed, words)
