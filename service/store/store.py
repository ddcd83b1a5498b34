"""The store as routes see it: async methods over short transactions in worker threads."""

from collections.abc import Mapping, Sequence

from service.store.records import (
    UNSET,
    ActiveHead,
    AdaptFn,
    Category,
    Cause,
    Change,
    ExampleMatrix,
    Example,
    Idempotency,
    Label,
    NewExample,
    Page,
    Purged,
    ScoreRow,
    StaleModel,
    StoredAnswer,
    Unset,
    Version,
)


class Store:
    """Interface; the implementation follows."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def put_category(
        self,
        tenant: str,
        name: str,
        *,
        title: str | None | Unset = UNSET,
        threshold: float | None | Unset = UNSET,
        unsure_band: float | None | Unset = UNSET,
    ) -> tuple[Category, bool]:
        raise NotImplementedError

    async def get_category(self, tenant: str, name: str) -> Category:
        raise NotImplementedError

    async def list_categories(
        self, tenant: str, cursor: str | None = None, limit: int = 100
    ) -> Page[Category]:
        raise NotImplementedError

    async def delete_category(self, tenant: str, name: str, only_if: str | None = None) -> None:
        raise NotImplementedError

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
        raise NotImplementedError

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
        raise NotImplementedError

    async def remove_example(
        self,
        tenant: str,
        category: str,
        example_id: str,
        adapt: AdaptFn,
        *,
        only_if: str | None = None,
    ) -> Change:
        raise NotImplementedError

    async def list_examples(
        self, tenant: str, category: str, cursor: str | None = None, limit: int = 100
    ) -> Page[Example]:
        raise NotImplementedError

    async def example_thumbnail(self, tenant: str, category: str, example_id: str) -> bytes:
        raise NotImplementedError

    async def list_versions(self, tenant: str, category: str) -> Sequence[Version]:
        raise NotImplementedError

    async def activate(
        self,
        tenant: str,
        category: str,
        n: int,
        *,
        only_if: str | None = None,
        idempotency: Idempotency[Version] | None = None,
    ) -> Version:
        raise NotImplementedError

    async def head(self, tenant: str, category: str) -> ActiveHead:
        raise NotImplementedError

    async def heads(self, tenant: str, names: Sequence[str]) -> Mapping[str, ActiveHead]:
        raise NotImplementedError

    async def nearest(self, tenant: str, category: str, version: int) -> ExampleMatrix:
        raise NotImplementedError

    async def record_scores(self, rows: Sequence[ScoreRow]) -> None:
        raise NotImplementedError

    async def scores(self, tenant: str, score_ids: Sequence[str]) -> Mapping[str, ScoreRow]:
        """The rows that are still kept, by id."""
        raise NotImplementedError

    async def idempotent_begin(
        self, tenant: str, operation: str, key: str, fingerprint: str
    ) -> StoredAnswer | None:
        raise NotImplementedError

    async def idempotent_finish(
        self,
        tenant: str,
        operation: str,
        key: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        raise NotImplementedError

    async def idempotent_abandon(self, tenant: str, operation: str, key: str) -> None:
        raise NotImplementedError

    async def stale_models(self, current_sha256: str) -> Sequence[StaleModel]:
        raise NotImplementedError

    async def purge(self) -> Purged:
        """Remove scores past their retention and expired idempotency keys; call it hourly."""
        raise NotImplementedError


def open_store(url: str) -> Store:
    """Open (and where needed create and migrate) the database behind ``url``."""
    raise NotImplementedError
