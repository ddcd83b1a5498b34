"""A category's set of examples as the database has it: reading it, adapting to it, writing it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, cast

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.store import embeddings
from service.store.adaptation import Adaptation, AdaptFn, Lesson, Support, Trial
from service.store.errors import StaleEmbeddings
from service.store.history import (
    Counts,
    Held,
    add_version,
    close_memberships,
    guess_loss_at,
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


class Member(NamedTuple):
    """One example of a set, with what an adaptation needs of it: a tuple, as there may be
    thousands, and everybody waits for them."""

    id: str
    sha256: str
    label: str
    since: int
    """The version that gave it its label."""
    model_sha256: str
    embedding: bytes
    signals: bytes | None
    origin: str
    guess: bool = False
    """Labelled by the category itself."""


# In the order of the fields of Member.
_MEMBERS = select(
    ExampleRow.id,
    ExampleRow.sha256,
    MembershipRow.label,
    MembershipRow.since_version,
    ExampleRow.model_sha256,
    ExampleRow.embedding,
    ExampleRow.signals,
    ExampleRow.origin,
    MembershipRow.guess,
).join(MembershipRow, MembershipRow.example_id == ExampleRow.id)


def held(member: Member) -> Held:
    """What its interval says of it."""
    return Held(member.label, member.guess)


def members_at(session: Session, category_id: str, version: int) -> list[Member]:
    """The set at a version, ordered by id."""
    query = _MEMBERS.where(MembershipRow.category_id == category_id, in_set_at(version)).order_by(
        ExampleRow.id
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
    return matrices_at(session, [(category_id, version)])[category_id, version]


def matrices_at(
    session: Session, wanted: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], ExampleMatrix]:
    """The sets of (category id, version), in one query; empty for one that is not there."""
    ids = sorted({category_id for category_id, _ in wanted})
    query = (
        _MEMBERS.add_columns(MembershipRow.category_id, MembershipRow.until_version)
        .where(MembershipRow.category_id.in_(ids))
        .order_by(ExampleRow.id)
    )
    found: dict[str, list[tuple[Member, int | None]]] = {}
    for *member, category_id, until in session.execute(query):
        found.setdefault(category_id, []).append((Member._make(member), until))
    return {
        (category_id, version): _matrix(
            [
                member
                for member, until in found.get(category_id, ())
                if member.since <= version and (until is None or until > version)
            ]
        )
        for category_id, version in wanted
    }


def _matrix(members: Sequence[Member]) -> ExampleMatrix:
    return ExampleMatrix(
        tuple(one.id for one in members),
        tuple(cast(Label, one.label) for one in members),
        embeddings.unpack([one.embedding for one in members]),
        tuple(one.signals for one in members),
        frozenset(one.id for one in members if one.guess),
    )


def adapt_to(
    session: Session,
    category: CategoryRow,
    members: list[Member],
    adapt: AdaptFn,
    *,
    width: int = 0,
    said: Mapping[str, tuple[Label, ScoreRow]] | None = None,
    trial: Trial | None = None,
) -> Adaptation:
    """Fit the set.

    Args:
        width: the embedding's d, needed where the set is empty.
        said: what the teacher said of predictions, by the hash of their pictures.
        trial: what guesses of the set before are judged on.
    Raises:
        StaleEmbeddings: not all of one model, or not of the learner's.
    """
    members = in_order(members)
    lengths = Counter(len(one.embedding) for one in members)
    if len(lengths) > 1:  # another d can only be another model
        odd = len(members) - max(lengths.values())
        raise StaleEmbeddings(category.name, odd, len(members))
    rows = {one.sha256: row for row, one in enumerate(members)}
    before = online_at(session, category.id, category.version)
    adaptation = adapt(
        replace(
            support_of(members, width),
            previous_online=before,
            trial=trial,
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
        adaptation = replace(adaptation, online=before)
    if not any(one.guess for one in members):
        return replace(adaptation, guess_loss=None)
    if adaptation.guess_loss is None:
        lost = guess_loss_at(session, category.id, category.version)
        return replace(adaptation, guess_loss=lost)
    return adaptation


def in_order(members: Sequence[Member]) -> list[Member]:
    """As they are learned from: guesses first, for none of them is news, then the newest last.

    Within one version ids tell the order: they grow with time.
    """
    return sorted(members, key=lambda one: (not one.guess, one.since, one.id))


def support_of(members: Sequence[Member], width: int = 0) -> Support:
    """Members of one d, in their order, as a learner is given them; ``width``: see ``adapt_to``."""
    matrix = embeddings.unpack([one.embedding for one in members])
    guessed = np.array([one.guess for one in members], np.bool_)
    return Support(
        embeddings=matrix if members else np.zeros((0, width), dtype=np.float32),
        is_placeholder=np.array([one.label == "placeholder" for one in members], np.bool_),
        signals=tuple(one.signals for one in members),
        guessed=guessed if guessed.any() else None,
    )


def commit_set(
    session: Session,
    now: datetime,
    category: CategoryRow,
    labels: Sequence[str],
    closed: Sequence[str],
    opened: Mapping[str, Held],
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
                # Whether it is a guess says its label's interval; it came from a score.
                "origin": "teacher" if new.origin == "guess" else new.origin,
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
