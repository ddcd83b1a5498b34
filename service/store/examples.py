"""A category's examples: adding, relabelling, removing, listing. Part of a transaction each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.store import embeddings
from service.store.adaptation import AdaptFn
from service.store.categories import as_category, find, find_or_create, require
from service.store.cursors import check_limit, check_match, decode_cursor, encode_cursor, etag
from service.store.errors import ExampleNotFound, InvalidRecord, ThumbnailNotKept
from service.store.guard import after_words, trial_of
from service.store.history import active_version
from service.store.identifiers import new_ids
from service.store.records import (
    LABELS,
    Cause,
    Change,
    Example,
    Label,
    NewExample,
    Origin,
    Page,
    ScoreRow,
    Taken,
)
from service.store.schema import CategoryRow, ExampleRow, MembershipRow, ThumbnailRow
from service.store.sets import (
    Member,
    adapt_to,
    commit_set,
    held,
    insert_examples,
    insert_thumbnails,
    members_at,
    once_members,
)


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
    change, _ = merge(session, now, category, list(by_hash.values()), adapt, cause)
    return replace(change, unchanged=change.unchanged + len(additions) - len(by_hash))


@dataclass(frozen=True)
class _Merged:
    """What some pictures make of a set, before anything is written."""

    present: list[Member]
    """Of the set before, those that stay examples."""
    members: dict[str, Member]
    """By example id."""
    taken: dict[str, Taken]
    """By hash, as are the two below: what becomes of each picture."""
    fresh: dict[str, NewExample]
    """Never examples of this category before."""
    pictured: dict[str, NewExample]
    """Examples that have no thumbnail yet, and come with one."""
    renewed: list[Member]
    """Examples whose embedding or signals are replaced."""
    closed: list[str]
    """Ids of members that leave the set, or change in it."""


def merge(
    session: Session,
    now: datetime,
    category: CategoryRow,
    given: Sequence[NewExample],
    adapt: AdaptFn,
    cause: Cause,
    said: Mapping[str, ScoreRow] | None = None,
) -> tuple[Change, dict[str, Taken]]:
    """Make pictures, each given once, examples of a locked category.

    Args:
        said: the scores that a teacher spoke about, by the hash of their pictures; those of
            pictures that change the set are lessons to the learner.
    Returns:
        The change, and by hash what became of each picture.
    """
    merged = _merge(session, category, given)
    taken = merged.taken
    ids = {one.sha256: one.id for one in merged.members.values()}
    pictures = [(ids[sha], new.thumbnail) for sha, new in merged.pictured.items()]
    insert_thumbnails(session, category, pictures)
    for example_id, _ in pictures:
        session.execute(
            update(ExampleRow)
            .where(ExampleRow.id == example_id)
            .values(origin="upload")
            .execution_options(synchronize_session=False)
        )
    became = Counter(taken.values())
    unchanged = became["unchanged"]
    if unchanged == len(taken) and not (merged.renewed or merged.closed):
        version = active_version(session, category)
        return Change(as_category(category), version, 0, 0, unchanged, changed=False), taken

    lessons = {
        new.sha256: (new.label, said[new.sha256])
        for new in given
        if said is not None and taken[new.sha256] != "unchanged"
    }
    members = list(merged.members.values())
    spoken = [ids[new.sha256] for new in given if taken[new.sha256] != "unchanged"]
    trial = trial_of(session, category, merged.present, [merged.members[one] for one in spoken])
    adaptation = adapt_to(session, category, members, adapt, said=lessons, trial=trial)
    for one in merged.renewed:
        session.execute(
            update(ExampleRow)
            .where(ExampleRow.id == one.id)
            .values(embedding=one.embedding, model_sha256=one.model_sha256, signals=one.signals)
            .execution_options(synchronize_session=False)
        )
    fresh = list(merged.fresh.values())
    insert_examples(session, now, category, fresh, ids, adaptation.model_sha256)
    labels = [one.label for one in members]
    opened = {one: held(merged.members[one]) for one in spoken}
    after = commit_set(session, now, category, labels, merged.closed, opened, cause, adaptation)
    change = Change(*after, became["added"], became["relabelled"], unchanged, changed=True)
    return after_words(session, now, category, members, adapt, adaptation, change), taken


def _merge(session: Session, category: CategoryRow, given: Sequence[NewExample]) -> _Merged:
    # At version 0 it never had one.
    everyone = members_at(session, category.id, category.version) if category.version else []
    # Nobody has the pictures of guesses at hand to upload them again for other weights.
    models = {new.model_sha256 for new in given} - {""}
    stale = {one.id for one in everyone if one.guess and models - {one.model_sha256}}
    present = {one.sha256: one for one in everyone if one.id not in stale}
    # Pictures that were removed or rolled away keep their row, and their id, for the history.
    strange = [new.sha256 for new in given if new.sha256 not in present]
    known = once_members(session, category.id, strange) if category.version else {}
    fresh = {
        new.sha256: new for new in given if new.sha256 not in present and new.sha256 not in known
    }
    fresh_ids = dict(zip(fresh, new_ids(len(fresh)), strict=True))
    before = list(present.values())
    merged = _Merged(before, {one.id: one for one in before}, {}, fresh, {}, [], sorted(stale))
    for new in given:
        sha = new.sha256
        old = present.get(sha) or known.get(sha)
        guess = new.origin == "guess"
        taken = _taken(present.get(sha), new.label, guess)
        merged.taken[sha] = taken
        if sha in present and taken != "unchanged":
            merged.closed.append(present[sha].id)
        if old is None:
            old = Member(
                fresh_ids[sha],
                sha,
                new.label,
                category.version + 1,
                new.model_sha256,
                embeddings.pack(new.embedding),
                new.signals,
                "teacher" if guess else new.origin,
            )
        elif new.model_sha256 and old.model_sha256 != new.model_sha256:
            old = old._replace(
                model_sha256=new.model_sha256,
                embedding=embeddings.pack(new.embedding),
                signals=new.signals,
            )
            merged.renewed.append(old)
        elif old.signals is None and new.signals is not None:
            old = old._replace(signals=new.signals)
            merged.renewed.append(old)
        if sha not in fresh and old.origin == "teacher" and new.thumbnail is not None:
            merged.pictured[sha] = new
        since = old.since if taken == "unchanged" else category.version + 1
        if taken != "unchanged":
            old = old._replace(label=new.label, guess=guess)
        merged.members[old.id] = old._replace(since=since)
    return merged


def _taken(present: Member | None, label: str, guess: bool) -> Taken:
    """What becomes of a picture; the teacher's word takes the place of a guess that it confirms."""
    if present is None:
        return "added"
    if guess:
        return "unchanged"
    if present.label != label:
        return "relabelled"
    return "added" if present.guess else "unchanged"


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
    if old.label == label and not old.guess:
        version = active_version(session, category)
        return Change(as_category(category), version, 0, 0, 1, changed=False)
    before = list(members.values())
    word = old._replace(label=label, since=category.version + 1, guess=False)
    members[example_id] = word
    everyone = list(members.values())
    trial = trial_of(session, category, before, [word])
    adaptation = adapt_to(session, category, everyone, adapt, trial=trial)
    labels = [one.label for one in everyone]
    opened = {example_id: held(word)}
    after = commit_set(session, now, category, labels, [example_id], opened, "examples", adaptation)
    changed = int(old.label != label)
    change = Change(*after, 1 - changed, changed, 0, changed=True)
    return after_words(session, now, category, everyone, adapt, adaptation, change)


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
    adaptation = adapt_to(session, category, list(members.values()), adapt, width=width)
    labels = [one.label for one in members.values()]
    after = commit_set(session, now, category, labels, [example_id], {}, "examples", adaptation)
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
            ExampleRow.origin,
            MembershipRow.guess,
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
            origin="guess" if row.guess else cast(Origin, row.origin),
        )
        for row in rows[:limit]
    ]
    return Page(items, encode_cursor("e", items[-1].id) if len(rows) > limit else None)


def thumbnail(session: Session, tenant: str, name: str, example_id: str) -> bytes:
    """The small WebP of an example of the active set."""
    category = require(session, tenant, name)
    found = session.execute(
        select(MembershipRow.example_id, ThumbnailRow.webp)
        .outerjoin(ThumbnailRow, ThumbnailRow.example_id == MembershipRow.example_id)
        .where(
            MembershipRow.example_id == example_id,
            MembershipRow.category_id == category.id,
            MembershipRow.until_version.is_(None),
        )
    ).one_or_none()
    if found is None:
        raise ExampleNotFound(name, example_id)
    if found.webp is None:
        raise ThumbnailNotKept(name, example_id)
    webp: bytes = found.webp
    return webp


def _locked_set(
    session: Session, tenant: str, name: str, example_id: str, only_if: str | None
) -> tuple[CategoryRow, dict[str, Member]]:
    category = require(session, tenant, name, lock=True)
    check_match(only_if, name, etag(category.id, category.version))
    members = {one.id: one for one in members_at(session, category.id, category.version)}
    if example_id not in members:
        raise ExampleNotFound(name, example_id)
    return category, members
