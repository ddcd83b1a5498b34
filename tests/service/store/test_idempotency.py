"""Idempotency keys: one answer, whatever happens to the first request."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from service.store import (
    CategoryNotFound,
    Change,
    Idempotency,
    IdempotencyConflict,
    IdempotencyMismatch,
    Store,
    StoredAnswer,
    StoreOptions,
    Version,
    open_store,
)
from tests.service.store.builders import PATIENT, adapt, picture

pytestmark = pytest.mark.anyio
POST = "POST /v1/categories/shoes/examples"
OPTIONS = StoreOptions(idempotency_lease=timedelta(minutes=2))


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def answer(change: Change) -> StoredAnswer:
    return StoredAnswer(200, {"ETag": change.category.etag}, f"{change.added}".encode())


async def test_first_none_then_the_answer(store: Store) -> None:
    assert await store.idempotent_begin("t", POST, "k", "body") is None
    with pytest.raises(IdempotencyConflict):
        await store.idempotent_begin("t", POST, "k", "body")
    with pytest.raises(IdempotencyMismatch):
        await store.idempotent_begin("t", POST, "k", "another body")
    await store.idempotent_finish("t", POST, "k", 415, {"A": "b"}, b"\x00\xff")
    kept = await store.idempotent_begin("t", POST, "k", "body")
    assert kept == StoredAnswer(415, {"A": "b"}, b"\x00\xff")
    with pytest.raises(IdempotencyMismatch):
        await store.idempotent_begin("t", POST, "k", "another body")


async def test_tenants_and_operations_have_keys_of_their_own(store: Store) -> None:
    assert await store.idempotent_begin("t", POST, "k", "1") is None
    assert await store.idempotent_begin("u", POST, "k", "2") is None
    assert await store.idempotent_begin("t", "POST /v1/feedback", "k", "3") is None
    assert await store.idempotent_begin("t", POST, "l", "4") is None


async def test_abandoned_key_is_free(store: Store) -> None:
    assert await store.idempotent_begin("t", POST, "k", "body") is None
    await store.idempotent_abandon("t", POST, "k")
    await store.idempotent_abandon("t", POST, "k")
    assert await store.idempotent_begin("t", POST, "k", "another body") is None


async def test_an_answer_cannot_be_abandoned(store: Store) -> None:
    assert await store.idempotent_begin("t", POST, "k", "body") is None
    await store.idempotent_finish("t", POST, "k", 200, {}, b"")
    await store.idempotent_abandon("t", POST, "k")
    assert await store.idempotent_begin("t", POST, "k", "body") == StoredAnswer(200, {}, b"")


async def test_an_answer_is_kept_for_24_hours(url: str) -> None:
    clock = Clock()
    store = open_store(url, OPTIONS, clock=clock)
    for key in ("k", "l"):
        assert await store.idempotent_begin("t", POST, key, "body") is None
        await store.idempotent_finish("t", POST, key, 200, {}, b"first")
    clock.now += timedelta(hours=24) - timedelta(seconds=1)
    assert await store.idempotent_begin("t", POST, "k", "body") is not None
    assert (await store.purge()).idempotency_keys == 0
    clock.now += timedelta(seconds=2)
    assert await store.idempotent_begin("t", POST, "k", "another body") is None
    assert (await store.purge()).idempotency_keys == 1  # l; k is in use again
    with pytest.raises(IdempotencyConflict):
        await store.idempotent_begin("t", POST, "k", "another body")
    await store.close()


async def test_a_dead_processs_key_is_free_after_its_lease(url: str) -> None:
    clock = Clock()
    dead, alive = open_store(url, OPTIONS, clock=clock), open_store(url, OPTIONS, clock=clock)
    assert await dead.idempotent_begin("t", POST, "k", "body") is None
    clock.now += timedelta(minutes=2) - timedelta(seconds=1)
    with pytest.raises(IdempotencyConflict):
        await alive.idempotent_begin("t", POST, "k", "body")
    clock.now += timedelta(seconds=2)
    with pytest.raises(IdempotencyMismatch):
        await alive.idempotent_begin("t", POST, "k", "another body")
    assert await alive.idempotent_begin("t", POST, "k", "body") is None
    # It was only slow: what it does now must not count, or the work would be done twice.
    with pytest.raises(IdempotencyConflict):
        await dead.change_examples(
            "t", "shoes", [picture(1)], adapt, idempotency=Idempotency(POST, "k", answer)
        )
    with pytest.raises(CategoryNotFound):
        await alive.get_category("t", "shoes")
    with pytest.raises(IdempotencyConflict):
        await dead.idempotent_finish("t", POST, "k", 500, {}, b"late")
    await dead.idempotent_abandon("t", POST, "k")
    await alive.idempotent_finish("t", POST, "k", 200, {}, b"done")
    assert await dead.idempotent_begin("t", POST, "k", "body") == StoredAnswer(200, {}, b"done")
    await dead.close()
    await alive.close()


async def test_a_slow_call_of_this_process_keeps_its_key(url: str) -> None:
    clock = Clock()
    store = open_store(url, OPTIONS, clock=clock)
    assert await store.idempotent_begin("t", POST, "k", "body") is None
    clock.now += timedelta(hours=1)
    with pytest.raises(IdempotencyConflict):
        await store.idempotent_begin("t", POST, "k", "body")
    await store.idempotent_finish("t", POST, "k", 200, {}, b"")
    await store.close()


async def test_change_and_answer_are_one_commit(store: Store) -> None:
    key = Idempotency(POST, "k", answer)
    assert await store.idempotent_begin("t", POST, "k", "body") is None
    change = await store.change_examples("t", "shoes", [picture(1)], adapt, idempotency=key)
    kept = await store.idempotent_begin("t", POST, "k", "body")
    assert kept == StoredAnswer(200, {"ETag": change.category.etag}, b"1")

    rollback: Idempotency[Version] = Idempotency(
        "POST activate", "k", lambda version: StoredAnswer(200, {}, str(version.number).encode())
    )
    assert await store.idempotent_begin("t", "POST activate", "k", "") is None
    await store.activate("t", "shoes", 0, idempotency=rollback)
    kept = await store.idempotent_begin("t", "POST activate", "k", "")
    assert kept == StoredAnswer(200, {}, b"2")


async def test_unchanged_uploads_keep_their_answer_too(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    assert await store.idempotent_begin("t", POST, "k", "body") is None
    key = Idempotency(POST, "k", answer)
    await store.change_examples("t", "shoes", [picture(1)], adapt, idempotency=key)
    kept = await store.idempotent_begin("t", POST, "k", "body")
    assert kept is not None
    assert kept.body == b"0"


async def test_an_answer_that_fails_undoes_the_change(store: Store) -> None:
    def fail(change: Change) -> StoredAnswer:
        raise RuntimeError("no answer")

    assert await store.idempotent_begin("t", POST, "k", "body") is None
    key = Idempotency(POST, "k", fail)
    with pytest.raises(RuntimeError, match="no answer"):
        await store.change_examples("t", "shoes", [picture(1)], adapt, idempotency=key)
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")
    await store.idempotent_abandon("t", POST, "k")
    assert await store.idempotent_begin("t", POST, "k", "body") is None


async def test_a_key_that_was_never_begun_changes_nothing(store: Store) -> None:
    key = Idempotency(POST, "k", answer)
    with pytest.raises(IdempotencyConflict):
        await store.change_examples("t", "shoes", [picture(1)], adapt, idempotency=key)
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")


async def test_of_many_at_once_one_begins(url: str) -> None:
    stores = [open_store(url, PATIENT) for _ in range(3)]
    outcomes = await asyncio.gather(
        *(stores[n % 3].idempotent_begin("t", POST, "k", "body") for n in range(30)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(one, IdempotencyConflict) for one in outcomes) == 29
    for store in stores:
        await store.close()


async def test_a_call_cancelled_while_it_begins_does_not_keep_the_key(store: Store) -> None:
    for number in range(30):
        begin = store.idempotent_begin("t", POST, f"k{number}", "body")
        task = asyncio.create_task(begin)
        await asyncio.sleep(number / 10_000)  # from before it started to after it ended
        if not task.cancel() or not (await asyncio.wait([task]) and task.cancelled()):
            await store.idempotent_abandon("t", POST, f"k{number}")
    await store.ping()
    for number in range(30):
        # Letting go goes through the same queue of writers, so by now it has happened; on
        # PostgreSQL, with several writers, it may take another moment.
        while True:
            try:
                assert await store.idempotent_begin("t", POST, f"k{number}", "other") is None
            except (IdempotencyConflict, IdempotencyMismatch):
                await asyncio.sleep(0.01)
            else:
                break
