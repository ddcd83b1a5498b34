"""Scores, kept for the teacher's word. Part of a transaction each."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.orm import Session

from service.store.embeddings import unpack_half
from service.store.records import Decision, KnownPicture, ScoreRow
from service.store.schema import ScoreRecordRow

CHUNK = 500
"""Ids a query; databases limit the parameters of a statement."""
_INSERT = insert(ScoreRecordRow)


def record(connection: Connection, rows: Sequence[ScoreRow]) -> None:
    """Insert the rows."""
    if rows:
        connection.execute(_INSERT, [vars(row) for row in rows])


def get(session: Session, tenant: str, score_ids: Sequence[str]) -> dict[str, ScoreRow]:
    """The rows that are still kept, by id."""
    found: dict[str, ScoreRow] = {}
    for start in range(0, len(score_ids), CHUNK):
        query = select(ScoreRecordRow).where(
            ScoreRecordRow.tenant == tenant,
            ScoreRecordRow.score_id.in_(score_ids[start : start + CHUNK]),
        )
        for row in session.scalars(query):
            found[row.score_id] = ScoreRow(
                tenant=row.tenant,
                score_id=row.score_id,
                category=row.category,
                version=row.version,
                probability=row.probability,
                decision=cast(Decision, row.decision),
                sha256=row.sha256,
                embedding=row.embedding,
                created=row.created,
                model_sha256=row.model_sha256,
                width=row.width,
                height=row.height,
                format=row.format,
                category_id=row.category_id,
                signals=row.signals,
                answers=row.answers,
            )
    return found


def known(
    session: Session, tenant: str, hashes: Sequence[str], model_sha256: str
) -> dict[str, KnownPicture]:
    """Pictures that were scored before, by hash, where their newest score is of these weights."""
    found = {}
    for start in range(0, len(hashes), CHUNK):
        newest = (
            select(func.max(ScoreRecordRow.score_id))
            .where(
                ScoreRecordRow.tenant == tenant,
                ScoreRecordRow.sha256.in_(hashes[start : start + CHUNK]),
            )
            .group_by(ScoreRecordRow.sha256)
        )
        query = select(
            ScoreRecordRow.sha256,
            ScoreRecordRow.width,
            ScoreRecordRow.height,
            ScoreRecordRow.format,
            ScoreRecordRow.embedding,
            ScoreRecordRow.signals,
        ).where(
            ScoreRecordRow.tenant == tenant,
            ScoreRecordRow.score_id.in_(newest),
            ScoreRecordRow.model_sha256 == model_sha256,
        )
        for sha256, width, height, form, embedding, signals in session.execute(query):
            if width and height and form and embedding:  # not of a release that left them out
                vector = unpack_half(embedding)
                found[sha256] = KnownPicture(sha256, width, height, form, vector, signals)
    return found


def purge(session: Session, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` rows older than ``before``; how many it was."""
    oldest = (
        select(ScoreRecordRow.tenant, ScoreRecordRow.score_id)
        .where(ScoreRecordRow.created < before)
        .order_by(ScoreRecordRow.created)
        .limit(limit)
    )
    keys = session.execute(oldest).all()
    # Tenant by tenant: SQLite reads the whole table for a list of pairs.
    by_tenant: dict[str, list[str]] = {}
    for tenant, score_id in keys:
        by_tenant.setdefault(tenant, []).append(score_id)
    for tenant, ids in by_tenant.items():
        for start in range(0, len(ids), CHUNK):
            session.execute(
                delete(ScoreRecordRow)
                .where(
                    ScoreRecordRow.tenant == tenant,
                    ScoreRecordRow.score_id.in_(ids[start : start + CHUNK]),
                )
                .execution_options(synchronize_session=False)
            )
    return len(keys)
