"""A category's examples: adding, relabelling, removing, listing. Part of a transaction each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import numpy as np
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from service.store import embeddings
from service.store.categories import as_category, find, find_or_create, require
from service.store.cursors import check_limit, check_match, decode_cursor, encode_cursor, etag
from service.store.errors import ExampleNotFound, InvalidRecord, StaleEmbeddings
from service.store.history import (
    Counts,
    active_version,
    add_version,
    close_memberships,
    in_set_at,
    open_memberships,
)
from service.store.identifiers import new_ids
from service.store.records import (
    LABELS,
    Adaptation,
    AdaptFn,
    Category,
    Cause,
    Change,
    Example,
    ExampleMatrix,
    Label,
    NewExample,
    Page,
    Version,
)
from service.store.schema import CategoryRow, ExampleRow, MembershipRow, ThumbnailRow


@dataclass(frozen=True)
class Member:
    """One example of a set, with what an adaptation needs of it."""

    id: str
    sha256: str
    label: str
    model_sha256: str
    embedding: bytes


def members_at(session: Session, category_id: str, version: int) -> list[Member]:
    """The set at a version, ordered by id, so that the same set always adapts in the same order."""
    query = (
        select(
            ExampleRow.id,
            ExampleRow.sha256,
            MembershipRow.label,
            ExampleRow.model_sha256,
            ExampleRow.embedding,
        )
        .join(MembershipRow, MembershipRow.example_id == ExampleRow.id)
        .where(MembershipRow.category_id == category_id, in_set_at(version))
        .order_by(ExampleRow.id)
    )
    return [Member(*row) for row in session.execute(query)]


def add(
    session: Session,
    now: datetime,
    tenant: str,
    name: str,
    additions: Sequence[NewExample],
    adapt: AdaptFn,
    only_if: str | None,
    cause: Cause,
) -> Change:
    """Add pictures, or relabel those that are there under another label."""
    by_hash: dict[str, NewExample] = {}
    for new in additions:
        if by_hash.setdefault(new.sha256, new).label != new.label:
            raise InvalidRecord(f"picture {new.sha256} came with both labels")
    if only_if is not None:
        row = find(session, tenant, name, lock=True)
        check_match(only_if, name, etag(row.id, row.version) if row else None)
    category, _ = find_or_create(session, now, tenant, name)

    present = {one.sha256: one for one in members_at(session, category.id, category.version)}
    # Pictures that were removed or rolled away keep their row, and their id, for the history.
    known = _known(session, category.id, [sha for sha in by_hash if sha not in present])
    fresh = [new for sha, new in by_hash.items() if sha not in present and sha not in known]
    fresh_ids = dict(zip((new.sha256 for new in fresh), new_ids(len(fresh)), strict=True))
    members: dict[str, Member] = {one.id: one for one in present.values()}
    opened: dict[str, str] = {}
    closed: list[str] = []
    renewed: list[Member] = []
    relabelled = 0
    for sha, new in by_hash.items():
        old = present.get(sha) or known.get(sha)
        stale = bool(old and new.model_sha256 and old.model_sha256 != new.model_sha256)
        if old is None or stale:
            vector, model = embeddings.pack(new.embedding), new.model_sha256
        else:
            vector, model = old.embedding, old.model_sha256
        example_id = old.id if old else fresh_ids[sha]
        one = members[example_id] = Member(example_id, sha, new.label, model, vector)
        if stale:
            renewed.append(one)
        if sha not in present:
            opened[example_id] = new.label
        elif present[sha].label != new.label:
            closed.append(example_id)
            opened[example_id] = new.label
            relabelled += 1
    added = len(opened) - relabelled
    unchanged = len(additions) - added - relabelled
    if not opened and not renewed:
        version = active_version(session, category)
        return Change(as_category(category), version, 0, 0, unchanged, changed=False)

    adaptation = _adapt(name, list(members.values()), adapt)
    for one in renewed:
        session.execute(
            update(ExampleRow)
            .where(ExampleRow.id == one.id)
            .values(embedding=one.embedding, model_sha256=one.model_sha256)
            .execution_options(synchronize_session=False)
        )
    if fresh:
        _insert(session, now, category, fresh, fresh_ids, adaptation.model_sha256)
    after = _commit_set(session, now, category, members, closed, opened, cause, adaptation)
    return Change(*after, added, relabelled, unchanged, changed=True)


def relabel(
    session: Session,
    now: datetime,
    tenant: str,
    name: str,
    example_id: str,
    label: Label,
    adapt: AdaptFn,
    only_if: str | None,
) -> Change:
    """Give an example of the active set another label."""
    if label not in LABELS:
        raise InvalidRecord(f"label must be placeholder or real, got {label!r}")
    category, members = _locked_set(session, tenant, name, example_id, only_if)
    old = members[example_id]
    if old.label == label:
        version = active_version(session, category)
        return Change(as_category(category), version, 0, 0, 1, changed=False)
    members[example_id] = replace(old, label=label)
    adaptation = _adapt(name, list(members.values()), adapt)
    after = _commit_set(
        session, now, category, members, [example_id], {example_id: label}, "examples", adaptation
    )
    return Change(*after, 0, 1, 0, changed=True)


def remove(
    session: Session,
    now: datetime,
    tenant: str,
    name: str,
    example_id: str,
    adapt: AdaptFn,
    only_if: str | None,
) -> Change:
    """Take an example out of the active set; older versions, and a rollback to them, keep it."""
    category, members = _locked_set(session, tenant, name, example_id, only_if)
    width = len(members.pop(example_id).embedding) // 4
    adaptation = _adapt(name, list(members.values()), adapt, width)
    after = _commit_set(session, now, category, members, [example_id], {}, "examples", adaptation)
    return Change(*after, 0, 0, 0, changed=True, removed=1)


def page(session: Session, tenant: str, name: str, cursor: str | None, limit: int) -> Page[Example]:
    """The active set in the order in which the examples first came."""
    category = require(session, tenant, name)
    query = (
        select(
            ExampleRow.id,
            MembershipRow.label,
            ExampleRow.sha256,
            ExampleRow.width,
            ExampleRow.height,
            ExampleRow.format,
            ExampleRow.created,
        )
        .join(MembershipRow, MembershipRow.example_id == ExampleRow.id)
        .where(MembershipRow.category_id == category.id, MembershipRow.until_version.is_(None))
    )
    if cursor is not None:
        query = query.where(ExampleRow.id > decode_cursor("e", cursor))
    rows = session.execute(query.order_by(ExampleRow.id).limit(check_limit(limit) + 1)).all()
    items = [
        Example(
            id=row.id,
            label=cast(Label, row.label),
            sha256=row.sha256,
            width=row.width,
            height=row.height,
            format=row.format,
            created=row.created,
        )
        for row in rows[:limit]
    ]
    return Page(items, encode_cursor("e", items[-1].id) if len(rows) > limit else None)


def thumbnail(session: Session, tenant: str, name: str, example_id: str) -> bytes:
    """The small WebP of an example of the active set."""
    category = require(session, tenant, name)
    webp = session.scalar(
        select(ThumbnailRow.webp)
        .join(MembershipRow, MembershipRow.example_id == ThumbnailRow.example_id)
        .where(
            ThumbnailRow.example_id == example_id,
            MembershipRow.category_id == category.id,
            MembershipRow.until_version.is_(None),
        )
    )
    if webp is None:
        raise ExampleNotFound(name, example_id)
    return webp


def matrix_at(session: Session, category_id: str, version: int) -> ExampleMatrix:
    """The set at a version as one matrix, with the embeddings of the version's model."""
    members = members_at(session, category_id, version)
    matrix = embeddings.unpack([one.embedding for one in members])
    matrix.flags.writeable = False
    return ExampleMatrix(
        tuple(one.id for one in members),
        tuple(cast(Label, one.label) for one in members),
        matrix,
    )


def _known(session: Session, category_id: str, hashes: Sequence[str]) -> dict[str, Member]:
    """Rows of pictures that were once examples, by hash."""
    found: dict[str, Member] = {}
    for start in range(0, len(hashes), 500):  # databases limit the parameters of a statement
        query = select(
            ExampleRow.id, ExampleRow.sha256, ExampleRow.model_sha256, ExampleRow.embedding
        ).where(
            ExampleRow.category_id == category_id,
            ExampleRow.sha256.in_(hashes[start : start + 500]),
        )
        for example_id, sha, model, embedding in session.execute(query):
            found[sha] = Member(example_id, sha, "", model, embedding)
    return found


def _locked_set(
    session: Session, tenant: str, name: str, example_id: str, only_if: str | None
) -> tuple[CategoryRow, dict[str, Member]]:
    category = require(session, tenant, name, lock=True)
    check_match(only_if, name, etag(category.id, category.version))
    members = {one.id: one for one in members_at(session, category.id, category.version)}
    if example_id not in members:
        raise ExampleNotFound(name, example_id)
    return category, members


def _adapt(name: str, members: list[Member], adapt: AdaptFn, width: int = 0) -> Adaptation:
    """Fit the set. ``width`` is the embedding's d, needed where the set is empty."""
    members.sort(key=lambda one: one.id)
    lengths = Counter(len(one.embedding) for one in members)
    if len(lengths) > 1:  # another d can only be another model
        odd = len(members) - max(lengths.values())
        raise StaleEmbeddings(name, odd, len(members))
    matrix = embeddings.unpack([one.embedding for one in members])
    if not members:
        matrix = np.zeros((0, width), dtype=np.float32)
    adaptation = adapt(matrix, np.array([one.label == "placeholder" for one in members], np.bool_))
    stale = sum(one.model_sha256 not in ("", adaptation.model_sha256) for one in members)
    if stale:
        raise StaleEmbeddings(name, stale, len(members))
    return adaptation


def _commit_set(
    session: Session,
    now: datetime,
    category: CategoryRow,
    members: dict[str, Member],
    closed: Sequence[str],
    opened: dict[str, str],
    cause: Cause,
    adaptation: Adaptation,
) -> tuple[Category, Version]:
    number = category.version + 1
    close_memberships(session, category, closed, number)
    open_memberships(session, category, opened, number)
    counts = Counts.of([one.label for one in members.values()])
    return add_version(session, now, category, cause, counts, adaptation)


def _insert(
    session: Session,
    now: datetime,
    category: CategoryRow,
    fresh: Sequence[NewExample],
    ids: dict[str, str],
    model_sha256: str,
) -> None:
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
            }
            for new in fresh
        ],
    )
    session.execute(
        insert(ThumbnailRow),
        [
            {"example_id": ids[new.sha256], "tenant": category.tenant, "webp": new.thumbnail}
            for new in fresh
        ],
    )
