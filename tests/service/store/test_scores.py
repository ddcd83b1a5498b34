"""Scores: kept, grouped into commits, purged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import event

from service.store import (
    ScoreRow,
    Store,
    StoreDefect,
    StoreOptions,
    new_id,
    new_ids,
    open_store,
)
from tests.service.store.builders import MODEL, embedding, score, sha

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def row(score_id: str = "", tenant: str = "t", created: datetime = NOW) -> ScoreRow:
    return ScoreRow(
        tenant=tenant,
        score_id=score_id or new_id(),
        category="never-named",
        version=0,
        probability=0.1 + 0.2,
        decision="unsure",
        sha256="c" * 64,
        embedding=np.arange(4, dtype="<f2").tobytes(),
        created=created,
    )


async def test_scores_come_back_as_they_were(store: Store) -> None:
    rows = [row(), row()]
    await store.record_scores(rows)
    await store.record_scores([])
    ids = [one.score_id for one in rows]
    assert await store.scores("t", [*ids, "gone"]) == {one.score_id: one for one in rows}
    assert await store.scores("other", ids) == {}
    many = [row() for _ in range(1203)]
    await store.record_scores(many)
    assert len(await store.scores("t", [one.score_id for one in many])) == 1203


async def test_calls_that_come_together_share_commits(store: Store) -> None:
    commits = []
    event.listen(store._workers.database.engine, "commit", commits.append)
    rows = [[row(), row()] for _ in range(200)]
    await asyncio.gather(*(store.record_scores(pair) for pair in rows))
    assert len(commits) < 50
    kept = await store.scores("t", [one.score_id for pair in rows for one in pair])
    assert len(kept) == 400


async def test_one_bad_call_does_not_cost_its_neighbours(store: Store) -> None:
    await store.record_scores([row("twice")])
    calls = [[row()], [row("twice"), row("with-twice")], [row()], [row()]]
    outcomes = await asyncio.gather(
        *(store.record_scores(rows) for rows in calls), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        StoreDefect,
        type(None),
        type(None),
    ]
    kept = await store.scores("t", [one.score_id for rows in calls for one in rows])
    assert len(kept) == 4
    assert "with-twice" not in kept


async def test_a_cancelled_call_leaves_the_others_alone(store: Store) -> None:
    rows = [row() for _ in range(50)]
    tasks = [asyncio.create_task(store.record_scores([one])) for one in rows]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[1::2] == [None] * 25
    kept = await store.scores("t", [one.score_id for one in rows])
    assert {one.score_id for one in rows[1::2]} <= set(kept)


async def test_purge_removes_what_is_past_its_retention(url: str) -> None:
    now = NOW
    store = open_store(url, StoreOptions(score_retention=timedelta(days=2)), clock=lambda: now)
    old = [row(created=NOW - timedelta(days=2, microseconds=1)) for _ in range(4500)]
    young = [row(created=NOW - timedelta(days=2)), row(tenant="other")]
    await store.record_scores(old + young)
    assert (await store.purge()).scores == 4500
    assert (await store.purge()).scores == 0
    assert len(await store.scores("t", [old[0].score_id, young[0].score_id])) == 1
    now += timedelta(days=3)
    assert (await store.purge()).scores == 2
    await store.close()


def test_ids_grow_and_do_not_repeat() -> None:
    ids = new_ids(3000)
    assert ids == sorted(ids)
    more = [new_id() for _ in range(3000)]
    assert len({*ids, *more}) == 6000
    for one in ids[:10]:
        assert len(one) == 32
        assert one[12] == "7"  # RFC 9562: the version
        assert one[16] in "89ab"  # and the variant


async def test_what_scores_know_of_pictures_is_found_by_their_hash(store: Store) -> None:
    first, second = sorted(new_ids(2))  # of one moment, in no order otherwise
    old = score(1, score_id=first, width=5, embedding=embedding(9).astype("<f2").tobytes())
    rows = [
        old,
        score(1, score_id=second, category="others", signals=b"seen"),
        score(2, tenant="theirs"),
        score(3, model_sha256="other weights" + "0" * 51),
        score(4, width=None),  # of a release that kept less
        score(5, embedding=np.zeros(len(embedding(5)), "<f2").tobytes(), signals=b"in part"),
    ]
    await store.record_scores(rows)
    hashes = [sha(number) for number in (5, 4, 3, 2, 1, 0)]
    found = {one.sha256: one for one in await store.known_pictures("t", hashes, MODEL)}
    assert set(found) == {sha(1), sha(5)}
    newest = found[sha(1)]
    assert (newest.width, newest.height, newest.format) == (101, 80, "JPEG")
    assert newest.signals == b"seen"
    wanted = embedding(1) / np.linalg.norm(embedding(1))
    np.testing.assert_allclose(newest.embedding, wanted, atol=1e-3)
    assert not found[sha(5)].embedding.any()
    assert [one.sha256 for one in await store.known_pictures("theirs", hashes, MODEL)] == [sha(2)]
    assert await store.known_pictures("nobody", hashes, MODEL) == []
    together = await asyncio.gather(
        *(store.known_pictures("t", [sha(number)], MODEL) for number in range(6))
    )
    assert [len(each) for each in together] == [0, 1, 0, 0, 0, 1]
    many = [sha(number) for number in range(1, 1203)]
    assert len(await store.known_pictures("t", many, MODEL)) == 2
