"""Signals: opaque bytes beside each example's embedding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.store import Adaptation, ScoreRow, Store, StoreOptions, Support, open_store
from tests.service.store.builders import MODEL, OTHER_MODEL, adapt, adapt_with, picture, score

pytestmark = pytest.mark.anyio


async def test_signals_come_back_with_their_examples(store: Store) -> None:
    seen: list[tuple[bytes | None, ...]] = []

    def watch(support: Support) -> Adaptation:
        seen.append(support.signals)
        return adapt(support)

    given = [replace(picture(1), signals=b"\x00one"), picture(2), replace(picture(3), signals=b"")]
    await store.change_examples("t", "shoes", given, watch)
    assert seen == [(b"\x00one", None, b"")]
    for _ in range(2):  # from the database, then from the cache
        matrix = await store.nearest("t", "shoes", 1)
        assert matrix.signals == (b"\x00one", None, b"")
    assert (await store.nearest("t", "shoes", 2)).signals == ()


async def test_an_example_without_signals_takes_them_over(store: Store) -> None:
    """So do those of earlier releases, once their pictures are uploaded again."""
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    again = [replace(picture(1), signals=b"one")]
    change = await store.change_examples("t", "shoes", again, adapt)
    assert (change.added, change.unchanged, change.changed) == (0, 1, True)
    assert (await store.nearest("t", "shoes", 2)).signals == (b"one", None)
    other = [replace(picture(1), signals=b"other"), picture(2)]
    assert not (await store.change_examples("t", "shoes", other, adapt)).changed
    assert (await store.nearest("t", "shoes", 2)).signals == (b"one", None)


async def test_another_model_s_signals_go_with_its_embedding(store: Store) -> None:
    await store.change_examples("t", "shoes", [replace(picture(1), signals=b"one")], adapt)
    newer = replace(picture(1, model_sha256=OTHER_MODEL), signals=b"new")
    await store.change_examples("t", "shoes", [newer], adapt_with(OTHER_MODEL))
    assert (await store.nearest("t", "shoes", 2)).signals == (b"new",)


async def test_scores_keep_signals_and_answers(store: Store) -> None:
    rows: list[ScoreRow] = [score(1, signals=b"s", answers=b"a", category_id="c" * 32), score(2)]
    await store.record_scores(rows)
    kept = await store.scores("t", [row.score_id for row in rows])
    assert kept == {row.score_id: row for row in rows}


async def test_signals_count_against_the_cache(url: str) -> None:
    store = open_store(url, StoreOptions(example_cache_bytes=20_000))
    for number in range(10):
        large = replace(picture(number, model_sha256=MODEL), signals=bytes(15_000))
        await store.change_examples("t", f"c{number}", [large], adapt)
        assert (await store.nearest("t", f"c{number}", 1)).signals == (bytes(15_000),)
    assert 15_000 < store._heads.matrices.bytes <= 20_000
    await store.close()
