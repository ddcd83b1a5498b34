"""A category's set of examples as the database has it: reading it, adapting to it, writing it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.store import embeddings
from service.store.adaptation import Adaptation, AdaptFn, Lesson, Support
from service.store.errors import StaleEmbeddings
from service.store.history import (
    Counts,
    add_version,
    close_memberships,
    in_set_at,
    online_at,
    open_memberships,
)
from service.store.records import (
    Category,
    Cause,
    ExampleMatrix,
    Label,
    NewExample,
    ScoreRow,
    Unset,
    Version,
)
from service.store.schema import CategoryRow, ExampleRow, MembershipRow, ThumbnailRow


@dataclass(frozen=True)
class Member:
    """One example of a set, with what an adaptation needs of it."""

    id: str
    sha256: str
    label: str
    since: int
    """The version that gave it its label."""
    model_sha256: str
    embedding: bytes
    signals: bytes | None
    origin: str


def members_at(session: Session, category_id: str, version: int) -> list[Member]:
    """The set at a version, ordered by id."""
    query = (
        select(
            ExampleRow.id,
            ExampleRow.sha256,
            MembershipRow.label,
            MembershipRow.since_version,
            ExampleRow.model_sha256,
            ExampleRow.embedding,
            ExampleRow.signals,
            ExampleRow.origin,
        )
        .join(MembershipRow, MembershipRow.example_id == ExampleRow.id)
        .where(MembershipRow.category_id == category_id, in_set_at(version))
        .order_by(ExampleRow.id)
    )
    return [Member(*row) for row in session.execute(query)]


def once_members(session: Session, category_id: str, hashes: Sequence[str]) -> dict[str, Member]:
    """Pictures that are or were examples, by hash; their labels and versions are left open."""
    found: dict[str, Member] = {}
    for start in range(0, len(hashes), 500):  # databases limit the parameters of a statement
        query = select(
            ExampleRow.id,
            ExampleRow.sha256,
            ExampleRow.model_sha256,
            ExampleRow.embedding,
            ExampleRow.signals,
            ExampleRow.origin,
        ).where(
            ExampleRow.category_id == category_id,
            ExampleRow.sha256.in_(hashes[start : start + 500]),
        )
        for example_id, sha, model, embedding, signals, origin in session.execute(query):
            found[sha] = Member(example_id, sha, "", 0, model, embedding, signals, origin)
    return found


def matrix_at(session: Session, category_id: str, version: int) -> ExampleMatrix:
    """The set at a version as one matrix, with the embeddings of the version's model."""
    members = members_at(session, category_id, version)
    matrix = embeddings.unpack([one.embedding for one in members])
    matrix.flags.writeable = False
    return ExampleMatrix(
        tuple(one.id for one in members),
        tuple(cast(Label, one.label) for one in members),
        matrix,
        tuple(one.signals for one in members),
    )


def adapt_to(
    session: Session,
    category: CategoryRow,
    members: list[Member],
    adapt: AdaptFn,
    *,
    width: int = 0,
    said: Mapping[str, tuple[Label, ScoreRow]] | None = None,
) -> Adaptation:
    """Fit the set.

    Args:
        width: the embedding's d, needed where the set is empty.
        said: what the teacher said of predictions, by the hash of their pictures.
    Raises:
        StaleEmbeddings: not all of one model, or not of the learner's.
    """
    # Within one version ids tell the order: they grow with time.
    members = sorted(members, key=lambda one: (one.since, one.id))
    lengths = Counter(len(one.embedding) for one in members)
    if len(lengths) > 1:  # another d can only be another model
        odd = len(members) - max(lengths.values())
        raise StaleEmbeddings(category.name, odd, len(members))
    matrix = embeddings.unpack([one.embedding for one in members])
    if not members:
        matrix = np.zeros((0, width), dtype=np.float32)
    rows = {one.sha256: row for row, one in enumerate(members)}
    before = online_at(session, category.id, category.version)
    adaptation = adapt(
        Support(
            embeddings=matrix,
            is_placeholder=np.array([one.label == "placeholder" for one in members], np.bool_),
            signals=tuple(one.signals for one in members),
            previous_online=before,
            feedback=tuple(
                Lesson(rows[sha], label, score.probability, score.version, score.answers)
                for sha, (label, score) in (said or {}).items()
            ),
        )
    )
    stale = sum(one.model_sha256 not in ("", adaptation.model_sha256) for one in members)
    if stale:
        raise StaleEmbeddings(category.name, stale, len(members))
    if isinstance(adaptation.online, Unset):
        return replace(adaptation, online=before)
    return adaptation


def commit_set(
    session: Session,
    now: datetime,
    category: CategoryRow,
    labels: Sequence[str],
    closed: Sequence[str],
    opened: Mapping[str, str],
    cause: Cause,
    adaptation: Adaptation,
) -> tuple[Category, Version]:
    """Append the version in which some examples (by id) left the set and others came in.

    ``labels`` are those of the whole new set.
    """
    number = category.version + 1
    close_memberships(session, category, closed, number)
    open_memberships(session, category, opened, number)
    return add_version(session, now, category, cause, Counts.of(labels), adaptation)


def insert_examples(
    session: Session,
    now: datetime,
    category: CategoryRow,
    fresh: Sequence[NewExample],
    ids: Mapping[str, str],
    model_sha256: str,
) -> None:
    """Pictures that were never examples of this category, under the ids given by their hash."""
    if not fresh:
        return
    session.execute(
        insert(ExampleRow),
        [
            {
                "id": ids[new.sha256],
                "tenant": category.tenant,
                "category_id": category.id,
                "sha256": new.sha256,
                "width": new.width,
                "height": new.height,
                "format": new.format,
                "created": now,
                "model_sha256": new.model_sha256 or model_sha256,
                "embedding": embeddings.pack(new.embedding),
                "signals": new.signals,
                "origin": new.origin,
            }
            for new in fresh
        ],
    )
    insert_thumbnails(session, category, [(ids[new.sha256], new.thumbnail) for new in fresh])


def insert_thumbnails(
    session: Session, category: CategoryRow, given: Sequence[tuple[str, bytes | None]]
) -> None:
    """Pictures by example id; None is none."""
    rows = [
        {"example_id": example_id, "tenant": category.tenant, "webp": webp}
        for example_id, webp in given
        if webp is not None
    ]
    if rows:
        session.execute(insert(ThumbnailRow), rows)
