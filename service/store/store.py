"""The store as routes see it: async methods over short transactions in worker threads."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.store import categories, examples, feedback, history, scores
from service.store.adaptation import AdaptFn
from service.store.database import Database
from service.store.errors import StoreUnavailable
from service.store.heads import HeadReader
from service.store.idempotency import Key, Terms
from service.store.keyring import Keyring
from service.store.migrate import migrate
from service.store.records import (
    UNSET,
    ActiveHead,
    Category,
    Cause,
    Change,
    Example,
    ExampleMatrix,
    Idempotency,
    KnownPicture,
    Label,
    NewExample,
    NotTaught,
    Page,
    ScoreRow,
    StoredAnswer,
    StoreOptions,
    Taught,
    Unset,
    Version,
    Word,
)
from service.store.together import Together
from service.store.upkeep import Clock, Upkeep
from service.store.workers import Workers

T = TypeVar("T")


class Store(Upkeep):
    """Categories, examples, versions, scores and idempotency keys of all tenants.

    What is promised, on SQLite and PostgreSQL alike:

    - **Durable.** A write that returned is on disk; it survives ``kill -9`` and, as far as the
      disk tells the truth, a power cut. A write that raised changed nothing (StoreUnavailable
      names the one exception).
    - **Whole.** A change of examples, its version, its counts and, where given, its idempotent
      answer become visible together or not at all.
    - **In line.** Writers of one category take turns; every one that succeeds has its own entry
      in the history, numbered without gaps. Of several with the same ``only_if`` exactly one wins.
    - **Fresh.** A read sees every commit that returned before the read began, by whatever process.
      Caches hold only what can never change: see ``service.store.heads``.
    - **Separate.** A tenant sees nothing of another's.

    A cancelled call that has not started does not start; one that has runs to its end, and its
    commit stands. Every method raises StoreUnavailable when the database cannot answer or the
    store is closed, and nothing but StoreError and what ``adapt`` and ``answer`` raise.

    SQLite: one writing thread, several reading ones. PostgreSQL: as many writing as reading.
    """

    def __init__(self, database: Database, options: StoreOptions, clock: Clock) -> None:
        """Use ``open_store``, which migrates first."""
        super().__init__(Workers(database, options.threads), options, clock)
        self._heads = HeadReader(options.head_cache_bytes, options.example_cache_bytes)
        self._score_log = Together(self._workers.submit, self._write_scores)
        self._reads = Together(self._workers.submit_read, self._read_heads)
        self._sets = Together(self._workers.submit_read, self._read_sets)
        self._pictures = Together(self._workers.submit_read, self._read_pictures)
        terms = Terms(options.idempotency_lease, options.idempotency_retention)
        self._keyring = Keyring(self._workers, terms, clock)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        await self._workers.read(
            lambda session: session.execute(text("SELECT 1 FROM alembic_version"))
        )

    async def close(self) -> None:
        """Let running work end, then close threads and connections. May be called again."""
        await self._workers.close()

    # Categories

    async def put_category(
        self,
        tenant: str,
        name: str,
        *,
        title: str | Unset | None = UNSET,
        threshold: float | Unset | None = UNSET,
        unsure_band: float | Unset | None = UNSET,
        only_if: str | None = None,
    ) -> tuple[Category, bool]:
        """Create a category or change what is given of it; returns it and whether it is new.

        Raises StaleVersion.
        """
        settings = {"title": title, "threshold": threshold, "unsure_band": unsure_band}
        return await self._workers.write(
            lambda session: categories.put(session, self._clock(), tenant, name, settings, only_if)
        )

    async def get_category(self, tenant: str, name: str) -> Category:
        """One category. Raises CategoryNotFound."""
        return await self._workers.read(lambda session: categories.get(session, tenant, name))

    async def list_categories(
        self, tenant: str, cursor: str | None = None, limit: int = 100
    ) -> Page[Category]:
        """A page of categories, by name, byte by byte. Raises BadCursor."""
        return await self._workers.read(
            lambda session: categories.page(session, tenant, cursor, limit)
        )

    async def delete_category(self, tenant: str, name: str, only_if: str | None = None) -> None:
        """Delete a category with its examples, thumbnails and versions.

        Its scores stay until their retention ends. Raises CategoryNotFound, StaleVersion.
        """
        await self._workers.write(lambda session: categories.remove(session, tenant, name, only_if))

    # Examples

    async def change_examples(
        self,
        tenant: str,
        category: str,
        additions: Sequence[NewExample],
        adapt: AdaptFn,
        *,
        only_if: str | None = None,
        idempotency: Idempotency[Change] | None = None,
        cause: Cause = "examples",
    ) -> Change:
        """Add or relabel pictures, adapt, and put the new version in force: all in one commit.

        Creates the category where it is new. The same picture with the same label is
        ``unchanged``; with another label it is ``relabelled``; where nothing changed there is no
        new version and ``adapt`` is not called. A picture that was removed before counts as
        ``added`` and has its old id.

        Raises:
            InvalidRecord: one picture with both labels; embeddings of several lengths.
            StaleVersion: ``only_if`` did not match, or the category does not exist.
            StaleEmbeddings: examples made by another model stand in the way.
            IdempotencyConflict: the key was taken over meanwhile; nothing was changed.
        """
        return await self._finishing(
            tenant,
            idempotency,
            lambda session: examples.add(
                session, self._clock(), tenant, category, additions, adapt, only_if, cause
            ),
        )

    async def relabel_example(
        self,
        tenant: str,
        category: str,
        example_id: str,
        label: Label,
        adapt: AdaptFn,
        *,
        only_if: str | None = None,
    ) -> Change:
        """Give one example the other label; a new version unless it has that label already.

        Raises CategoryNotFound, ExampleNotFound, StaleVersion, StaleEmbeddings.
        """
        return await self._workers.write(
            lambda session: examples.relabel(
                session, self._clock(), tenant, category, example_id, label, adapt, only_if
            )
        )

    async def remove_example(
        self,
        tenant: str,
        category: str,
        example_id: str,
        adapt: AdaptFn,
        *,
        only_if: str | None = None,
    ) -> Change:
        """Take one example out; a new version. A rollback to an older version brings it back.

        Raises CategoryNotFound, ExampleNotFound, StaleVersion, StaleEmbeddings.
        """
        return await self._workers.write(
            lambda session: examples.remove(
                session, self._clock(), tenant, category, example_id, adapt, only_if
            )
        )

    async def list_examples(
        self, tenant: str, category: str, cursor: str | None = None, limit: int = 100
    ) -> Page[Example]:
        """A page of the active set, first come first. Raises CategoryNotFound, BadCursor."""
        return await self._workers.read(
            lambda session: examples.page(session, tenant, category, cursor, limit)
        )

    async def example_thumbnail(self, tenant: str, category: str, example_id: str) -> bytes:
        """WebP bytes. Raises CategoryNotFound, ExampleNotFound, ThumbnailNotKept."""
        return await self._workers.read(
            lambda session: examples.thumbnail(session, tenant, category, example_id)
        )

    async def teach(
        self,
        tenant: str,
        words: Sequence[Word],
        adapt: AdaptFn,
        model_sha256: str,
        *,
        idempotency: Idempotency[Sequence[Taught | NotTaught]] | None = None,
    ) -> Sequence[Taught | NotTaught]:
        """Make examples of scored pictures: all words in one commit, one version a category.

        ``model_sha256`` is that of the learner's model; scores of another cannot be learned from.
        Raises IdempotencyConflict as ``change_examples``, and nothing for a single word.
        """
        return await self._finishing(
            tenant,
            idempotency,
            lambda session: feedback.teach(
                session, self._clock(), tenant, words, adapt, model_sha256
            ),
        )

    # Versions

    async def list_versions(self, tenant: str, category: str) -> Sequence[Version]:
        """The history from version 1, newest first; the newest is in force."""
        return await self._workers.read(lambda session: history.versions(session, tenant, category))

    async def activate(
        self,
        tenant: str,
        category: str,
        n: int,
        *,
        only_if: str | None = None,
        idempotency: Idempotency[Version] | None = None,
    ) -> Version:
        """Put version ``n`` in force again, as a new entry of the history; 0 is the base model.

        The new version has the adaptation and the example set of version ``n``, so that a later
        upload builds on that set. It has them even where ``n`` is in force already.

        Raises CategoryNotFound, VersionNotFound, StaleVersion; IdempotencyConflict as
        ``change_examples``.
        """
        return await self._finishing(
            tenant,
            idempotency,
            lambda session: history.activate(session, self._clock(), tenant, category, n, only_if),
        )

    # Scoring

    async def head(self, tenant: str, category: str) -> ActiveHead:
        """What scoring this category needs now; never raises for an unknown one."""
        return (await self.heads(tenant, [category]))[category]

    async def heads(self, tenant: str, names: Sequence[str]) -> Mapping[str, ActiveHead]:
        """``head`` for many categories at the price of one."""
        found = self._heads.at_once(self._workers.database, tenant, names)
        return await self._reads.call((tenant, names)) if found is None else found

    def _read_heads(
        self, asked: Sequence[tuple[str, Sequence[str]]]
    ) -> list[Mapping[str, ActiveHead]]:
        """Of several calls at once, each tenant's names in one query."""
        names: dict[str, list[str]] = {}
        for tenant, mine in asked:
            names.setdefault(tenant, []).extend(mine)
        found = self._workers.database.read_rows(
            lambda rows: {t: self._heads.heads(rows, t, mine) for t, mine in names.items()}
        )
        return [{name: found[tenant][name] for name in mine} for tenant, mine in asked]

    def cached_examples(self, head: ActiveHead) -> ExampleMatrix | None:
        """The example set in force with a head, where it is in memory: at no price."""
        return self._heads.cached(head)

    async def examples_of(self, heads: Sequence[ActiveHead]) -> Sequence[ExampleMatrix]:
        """The example set in force with each head, all at the price of one."""
        return await self._sets.call(heads)

    def _read_sets(self, asked: Sequence[Sequence[ActiveHead]]) -> list[list[ExampleMatrix]]:
        heads = [head for mine in asked for head in mine]
        found = iter(
            self._workers.database.read(lambda session: self._heads.examples(session, heads))
        )
        return [[next(found) for _ in mine] for mine in asked]

    async def nearest(self, tenant: str, category: str, version: int) -> ExampleMatrix:
        """The example set of a version; empty where there is none such."""
        return await self._workers.read(
            lambda session: self._heads.nearest(session, tenant, category, version)
        )

    async def record_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Keep scores; on disk when this returns. Calls that come together share a commit."""
        await self._score_log.call(rows)

    def _write_scores(self, asked: Sequence[Sequence[ScoreRow]]) -> list[None]:
        together = [row for rows in asked for row in rows]
        self._workers.database.write_rows(lambda rows: scores.record(rows, together))
        return [None] * len(asked)

    async def scores(self, tenant: str, score_ids: Sequence[str]) -> Mapping[str, ScoreRow]:
        """Those of the scores that are still kept, by id."""
        return await self._workers.read(lambda session: scores.get(session, tenant, score_ids))

    async def known_pictures(
        self, tenant: str, hashes: Sequence[str], model_sha256: str
    ) -> Sequence[KnownPicture]:
        """Of pictures by their SHA-256 those that the tenant has scored under these weights, while
        their scores are kept."""
        return await self._pictures.call((tenant, hashes, model_sha256))

    def _read_pictures(
        self, asked: Sequence[tuple[str, Sequence[str], str]]
    ) -> list[list[KnownPicture]]:
        """Of several calls at once, each tenant's pictures in one query."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for tenant, hashes, model in asked:
            wanted.setdefault((tenant, model), set()).update(hashes)
        found = self._workers.database.read(
            lambda session: {
                key: scores.known(session, key[0], sorted(hashes), key[1])
                for key, hashes in wanted.items()
            }
        )
        return [
            [mine[sha256] for sha256 in hashes if sha256 in mine]
            for tenant, hashes, model in asked
            for mine in (found[tenant, model],)
        ]

    # Idempotency

    async def idempotent_begin(
        self, tenant: str, operation: str, key: str, fingerprint: str
    ) -> StoredAnswer | None:
        """Take an idempotency key: None means do the work, an answer means repeat it.

        After None, exactly one of these must follow, whatever happens: a change that is given the
        key as ``Idempotency``, ``idempotent_finish``, or ``idempotent_abandon``. If the process
        dies instead, the key is free again after ``StoreOptions.idempotency_lease``.

        Raises:
            IdempotencyMismatch: the key was used with another fingerprint.
            IdempotencyConflict: its first call is still in flight.
        """
        return await self._keyring.begin(Key(tenant, operation, key), fingerprint)

    async def idempotent_finish(
        self,
        tenant: str,
        operation: str,
        key: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Keep the answer for 24 hours. Raises IdempotencyConflict if the key was lost."""
        answer = StoredAnswer(status, headers, body)
        await self._keyring.finish(Key(tenant, operation, key), answer)

    async def idempotent_abandon(self, tenant: str, operation: str, key: str) -> None:
        """Let the key go unanswered, so that the client can try again. Harmless if not held."""
        await self._keyring.abandon(Key(tenant, operation, key))

    async def _finishing(
        self, tenant: str, key: Idempotency[T] | None, work: Callable[[Session], T]
    ) -> T:
        """Write, and keep the idempotent answer in the same commit."""
        if key is None:
            return await self._workers.write(work)
        name = Key(tenant, key.operation, key.key)
        return await self._keyring.write_and_finish(name, work, key.answer)


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def open_store(url: str, options: StoreOptions | None = None, *, clock: Clock = utc_now) -> Store:
    """Open the database behind ``url``, making and migrating it where needed.

    Args:
        url: ``sqlite:////var/lib/standin/standin.db`` or ``postgresql://user:password@host/name``.
        options: what an operator may set.
        clock: the time, aware; a parameter for the tests of expiry.
    Raises:
        UnsupportedDatabase: another kind of URL, or a database in memory.
        StoreUnavailable: it cannot be opened.
        DatabaseTooNew: a later release wrote it.
    """
    options = options or StoreOptions()
    database = Database(url, options)
    try:
        migrate(database)
        database.read(lambda session: None)  # which file it is, from now on
    except StoreUnavailable as error:
        # Read by the operator who started the service, who needs to know which database and why.
        where = database.url.render_as_string(hide_password=True)
        database.close()
        raise StoreUnavailable(f"{error} ({where}): {error.reason}", error.reason) from error
    except BaseException:
        database.close()
        raise
    return Store(database, options, clock)
