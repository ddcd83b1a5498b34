"""Heads and example matrices: fresh, cached, bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from service.store import Store, StoreOptions, open_store
from service.store.cache import BoundedCache
from tests.service.store.builders import MODEL, adapt, digest_of, picture

pytestmark = pytest.mark.anyio


async def test_unknown_category_has_the_base_head(store: Store) -> None:
    head = await store.head("t", "never-named")
    assert (head.known, head.version, head.state, head.etag) == (False, 0, None, None)
    assert (head.placeholder_count, head.real_count) == (0, 0)
    await store.put_category("t", "named", threshold=0.8, unsure_band=0.05)
    head = await store.head("t", "named")
    assert (head.known, head.version, head.state) == (True, 0, None)
    assert (head.threshold, head.unsure_band) == (0.8, 0.05)


async def test_many_heads_at_once(store: Store) -> None:
    for number in range(20):
        await store.change_examples("t", f"c{number}", [picture(number)], adapt)
    names = [f"c{number}" for number in range(25)] * 2
    for _ in range(2):  # from the database, then from the cache
        heads = await store.heads("t", names)
        assert set(heads) == set(names)
        for number in range(25):
            head = heads[f"c{number}"]
            assert head.category == f"c{number}"
            assert head.state == (digest_of({number: "real"}) if number < 20 else None)
            assert head.model_sha256 == (MODEL if number < 20 else None)
    assert await store.heads("t", []) == {}


async def test_more_names_than_a_statement_takes_parameters(store: Store) -> None:
    await store.change_examples("t", "c1700", [picture(1)], adapt)
    heads = await store.heads("t", [f"c{number}" for number in range(2000)])
    assert [head.category for head in heads.values() if head.known] == ["c1700"]


async def test_64_known_heads_cost_one_query(store: Store) -> None:
    names = [f"c{number}" for number in range(64)]
    for number, name in enumerate(names):
        await store.change_examples("t", name, [picture(number)], adapt)
    await store.heads("t", names)
    statements: list[str] = []

    def note(connection, cursor, statement, parameters, context, executemany) -> None:  # type: ignore[no-untyped-def]
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append(statement)

    event.listen(store._workers.database.engine, "before_cursor_execute", note)
    await store.heads("t", names)
    assert len(statements) == 1
    assert "state" not in statements[0]


async def test_heads_asked_about_lately_take_no_thread(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/standin.db"
    store, other = open_store(url), open_store(url)
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    names = ["shoes", "never-named"]
    first = await store.heads("t", names)
    store._reads.call = None  # type: ignore[method-assign, assignment]  # nobody answers there
    assert await store.heads("t", names) == first
    await other.put_category("t", "shoes", threshold=0.25)
    await other.put_category("t", "never-named", threshold=0.75)
    now = await store.heads("t", names)
    assert [now[name].threshold for name in names] == [0.25, 0.75]
    assert now["shoes"].state == first["shoes"].state
    await other.close()
    await store.close()


async def test_a_thread_is_asked_where_the_loop_might_wait(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    database, heads = store._workers.database, store._heads
    assert heads.at_once(database, "t", ["shoes"]) is None  # it may be on the disk alone
    await store.head("t", "shoes")
    assert (heads.at_once(database, "t", ["shoes"]) is not None) == database.is_sqlite
    assert heads.at_once(database, "other", ["shoes"]) is None
    await store.change_examples("t", "shoes", [picture(2)], adapt)
    assert heads.at_once(database, "t", ["shoes"]) is None  # its state has to be read
    assert (await store.head("t", "shoes")).version == 2


async def test_settings_change_at_once_though_the_version_stays(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    await store.head("t", "shoes")
    await store.put_category("t", "shoes", threshold=0.9)
    assert (await store.head("t", "shoes")).threshold == 0.9


async def test_another_stores_commits_are_seen_at_once(store: Store, url: str) -> None:
    other = open_store(url)
    for number in range(1, 6):
        await other.change_examples("t", "shoes", [picture(number)], adapt)
        head = await store.head("t", "shoes")
        assert head.version == number
        assert head.state == digest_of(dict.fromkeys(range(1, number + 1), "real"))
        assert len((await store.nearest("t", "shoes", head.version)).ids) == number
    await other.activate("t", "shoes", 2)
    assert (await store.head("t", "shoes")).state == digest_of({1: "real", 2: "real"})
    await other.delete_category("t", "shoes")
    assert not (await store.head("t", "shoes")).known
    # The same name, the same number, another category: nothing of the old one may come up.
    await other.change_examples("t", "shoes", [picture(9)], adapt)
    assert (await store.head("t", "shoes")).state == digest_of({9: "real"})
    np.testing.assert_array_equal(
        (await store.nearest("t", "shoes", 1)).embeddings, picture(9).embedding[None]
    )
    await other.close()


async def test_nearest_of_nothing_is_empty(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    for category, version in (("none", 1), ("shoes", 0), ("shoes", 2), ("shoes", -1)):
        matrix = await store.nearest("t", category, version)
        assert matrix.embeddings.shape == (0, 0)
        assert (matrix.ids, matrix.labels) == ((), ())
        assert matrix.is_placeholder.shape == (0,)


async def test_a_matrix_in_the_cache_cannot_be_written_to(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1, "placeholder"), picture(2)], adapt)
    matrix = await store.nearest("t", "shoes", 1)
    with pytest.raises(ValueError, match="read-only"):
        matrix.embeddings[0, 0] = 1
    assert matrix.is_placeholder.tolist() == [True, False]
    assert await store.nearest("t", "shoes", 1) is matrix


async def test_caches_are_bounded_and_answers_stay_right(url: str) -> None:
    store = open_store(url, StoreOptions(head_cache_bytes=2000, example_cache_bytes=2000))
    names = [f"c{number}" for number in range(20)]
    for number, name in enumerate(names):
        await store.change_examples("t", name, [picture(number)], adapt)
    for _ in range(2):
        heads = await asyncio.gather(*(store.head("t", name) for name in names))
        assert [head.state for head in heads] == [digest_of({n: "real"}) for n in range(20)]
        for number, name in enumerate(names):
            matrix = await store.nearest("t", name, 1)
            np.testing.assert_array_equal(matrix.embeddings[0], picture(number).embedding)
    assert store._heads.payloads.bytes <= 2000
    assert store._heads.matrices.bytes <= 2000
    await store.close()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40))), st.integers(0, 100))
def test_cache_is_least_recently_used_within_its_limit(
    steps: list[tuple[int, int]], limit: int
) -> None:
    cache: BoundedCache[int, bytes] = BoundedCache(limit, len)
    order: list[tuple[int, bytes]] = []  # the slow way to say the same
    for key, size in steps:
        expected = next((value for one, value in order if one == key), None)
        assert cache.get(key) == expected
        if expected is not None:
            order.remove((key, expected))
            order.append((key, expected))
            continue
        cache.put(key, bytes(size))
        if size <= limit:
            order.append((key, bytes(size)))
            while sum(len(value) for _, value in order) > limit:
                order.pop(0)
        assert cache.bytes == sum(len(value) for _, value in order)
