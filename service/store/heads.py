"""What scoring reads: the active head of each category, and its examples as evidence.

A version, once written, never changes, and a category id is never given twice. So everything heavy
is cached under (category id, version) and cannot go stale, and only the pointer from name to
version is read anew at every call: one small query, however many categories, alike on SQLite and
PostgreSQL. That is how another process's commit is seen at once, without any message between
processes. (SQLite's ``PRAGMA data_version`` would spare that query only until the next write of any
kind, and scoring itself writes.) Of categories that were just asked about SQLite has the pages in
memory, and the query takes less than waking a thread for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, and_, bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from service.store import embeddings, sets
from service.store.cache import BoundedCache
from service.store.cursors import etag
from service.store.database import Database
from service.store.records import ActiveHead, ExampleMatrix
from service.store.schema import CategoryRow, VersionRow

CHUNK = 500
"""Names a query; databases limit the parameters of a statement."""
_COLUMNS = select(
    CategoryRow.id,
    CategoryRow.name,
    CategoryRow.version,
    CategoryRow.threshold,
    CategoryRow.unsure_band,
    CategoryRow.placeholder_count,
    CategoryRow.real_count,
).where(CategoryRow.tenant == bindparam("tenant"))
_POINTERS = _COLUMNS.where(CategoryRow.name.in_(bindparam("names", expanding=True)))
_POINTER = _COLUMNS.where(CategoryRow.name == bindparam("name"))  # a list is spelled out each time
_GLIMPSE = _POINTER.compile(dialect=sqlite.dialect())
_AT_ONCE = 16
"""Names that are asked about one by one on the event loop, some hundredths of a ms each."""
_LATELY = 10_000
"""Names of which it is known that they were asked about lately."""
OVERHEAD = 500
"""Bytes of a cache entry beside its arrays and states, roughly."""


@dataclass(frozen=True)
class Payload:
    """What a version's row brings to a head."""

    state: bytes | None
    learner: str | None
    model_sha256: str | None
    online: bytes | None = None


_NOTHING = Payload(None, None, None)  # of version 0


class _Pointer(NamedTuple):
    """One row of :data:`_COLUMNS`."""

    id: str
    name: str
    version: int
    threshold: float | None
    unsure_band: float | None
    placeholder_count: int
    real_count: int


class HeadReader:
    """Reads heads and example matrices through caches bounded in bytes."""

    def __init__(self, head_bytes: int, example_bytes: int) -> None:
        self.payloads: BoundedCache[tuple[str, int], Payload] = BoundedCache(
            head_bytes, lambda one: OVERHEAD + len(one.state or b"") + len(one.online or b"")
        )
        self.matrices: BoundedCache[tuple[str, int], ExampleMatrix] = BoundedCache(
            example_bytes,
            lambda matrix: (
                OVERHEAD
                + matrix.embeddings.nbytes
                + 150 * len(matrix.signals)
                + sum(map(len, filter(None, matrix.signals)))
            ),
        )
        self._lately: BoundedCache[tuple[str, str], bool] = BoundedCache(_LATELY, lambda _: 1)

    def at_once(
        self, database: Database, tenant: str, names: Sequence[str]
    ) -> dict[str, ActiveHead] | None:
        """:meth:`heads` without a thread; None where that might take long."""
        wanted = list(dict.fromkeys(names))
        if len(wanted) > _AT_ONCE or not all(self._lately.get((tenant, name)) for name in wanted):
            return None
        pointers = []
        for name in wanted:
            told = {"tenant": tenant, "name": name}
            rows = database.glimpse(
                _GLIMPSE.string, [told[key] for key in _GLIMPSE.positiontup or ()]
            )
            if rows is None:
                return None
            pointers += [_Pointer._make(cast(tuple[Any, ...], row)) for row in rows]
        payloads = self._payloads(pointers)
        if len(payloads) < len(pointers):
            return None
        found = self._heads_of(pointers, payloads)
        return {name: found.get(name) or unknown_head(name) for name in wanted}

    def heads(
        self, connection: Connection, tenant: str, names: Sequence[str]
    ) -> dict[str, ActiveHead]:
        """The active head of each name, unknown ones included."""
        found: dict[str, ActiveHead] = {}
        wanted = list(dict.fromkeys(names))
        for start in range(0, len(wanted), CHUNK):
            self._fill(connection, tenant, wanted[start : start + CHUNK], found)
        for name in wanted:
            self._lately.put((tenant, name), True)
        return {name: found.get(name) or unknown_head(name) for name in wanted}

    def _fill(
        self,
        connection: Connection,
        tenant: str,
        names: Sequence[str],
        found: dict[str, ActiveHead],
    ) -> None:
        if len(names) == 1:
            told: dict[str, object] = {"tenant": tenant, "name": names[0]}
            rows = connection.execute(_POINTER, told).all()
        else:
            rows = connection.execute(_POINTERS, {"tenant": tenant, "names": names}).all()
        pointers = [_Pointer._make(row) for row in rows]
        payloads = self._payloads(pointers)
        missing = [one.id for one in pointers if (one.id, one.version) not in payloads]
        if missing:
            loaded = connection.execute(
                select(
                    VersionRow.category_id,
                    VersionRow.number,
                    VersionRow.state,
                    VersionRow.learner,
                    VersionRow.model_sha256,
                    VersionRow.online,
                )
                # By way of the category, which points at its version: SQLite reads the whole table
                # for a list of pairs.
                .join(
                    CategoryRow,
                    and_(
                        CategoryRow.id == VersionRow.category_id,
                        CategoryRow.version == VersionRow.number,
                    ),
                )
                .where(CategoryRow.id.in_(missing))
            )
            for category_id, number, state, learner, model, online in loaded:
                payload = Payload(state, learner, model, online)
                payloads[category_id, number] = payload
                self.payloads.put((category_id, number), payload)
        found |= self._heads_of(pointers, payloads)

    def _payloads(self, pointers: Iterable[_Pointer]) -> dict[tuple[str, int], Payload]:
        """Those that are kept here, of the versions that are pointed at."""
        found = {}
        for one in pointers:
            key = (one.id, one.version)
            payload = self.payloads.get(key) if one.version else _NOTHING
            if payload is not None:
                found[key] = payload
        return found

    @staticmethod
    def _heads_of(
        pointers: Iterable[_Pointer], payloads: dict[tuple[str, int], Payload]
    ) -> dict[str, ActiveHead]:
        found = {}
        for row in pointers:
            payload = payloads[row.id, row.version]
            found[row.name] = ActiveHead(
                category=row.name,
                known=True,
                version=row.version,
                state=payload.state,
                learner=payload.learner,
                model_sha256=payload.model_sha256,
                threshold=row.threshold,
                unsure_band=row.unsure_band,
                placeholder_count=row.placeholder_count,
                real_count=row.real_count,
                etag=etag(row.id, row.version),
                category_id=row.id,
                online=payload.online,
            )
        return found

    def cached(self, head: ActiveHead) -> ExampleMatrix | None:
        """The example set in force with a head, where it is kept here or there is none."""
        if head.category_id is None or not head.version:
            return EMPTY
        return self.matrices.get((head.category_id, head.version))

    def examples(self, session: Session, heads: Sequence[ActiveHead]) -> list[ExampleMatrix]:
        """The set in force with each head, empty where it was deleted since; what is not kept here
        is read in one query."""
        found = {_key(head): self.cached(head) for head in heads}
        missing = [key for key, matrix in found.items() if matrix is None]
        for start in range(0, len(missing), CHUNK):
            read = sets.matrices_at(session, missing[start : start + CHUNK])
            for key, matrix in read.items():
                found[key] = matrix
                self.matrices.put(key, matrix)
        return [found[_key(head)] or EMPTY for head in heads]

    def nearest(self, session: Session, tenant: str, name: str, version: int) -> ExampleMatrix:
        """The set at ``version``; empty for a category or version that is not there."""
        category_id, latest = session.execute(
            select(CategoryRow.id, CategoryRow.version).where(
                CategoryRow.tenant == tenant, CategoryRow.name == name
            )
        ).one_or_none() or ("", 0)
        if not 1 <= version <= latest:
            return EMPTY
        matrix = self.matrices.get((category_id, version))
        if matrix is None:
            matrix = sets.matrix_at(session, category_id, version)
            self.matrices.put((category_id, version), matrix)
        return matrix


def _key(head: ActiveHead) -> tuple[str, int]:
    return head.category_id or "", head.version


def unknown_head(name: str) -> ActiveHead:
    """The head of a category that was never named: the base model."""
    return ActiveHead(
        category=name,
        known=False,
        version=0,
        state=None,
        learner=None,
        model_sha256=None,
        threshold=None,
        unsure_band=None,
        placeholder_count=0,
        real_count=0,
        etag=None,
    )


EMPTY = ExampleMatrix((), (), embeddings.unpack([]))
