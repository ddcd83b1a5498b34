"""Calls that share a transaction: answered each with its own, and none at another's cost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.store.errors import StoreUnavailable
from service.store.together import Together

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


async def test_what_waits_goes_together_and_everyone_gets_their_own(
    pool: ThreadPoolExecutor,
) -> None:
    groups: list[list[int]] = []
    gate = threading.Event()

    def work(asked: Sequence[int]) -> list[int]:
        groups.append(list(asked))
        gate.wait(10)
        return [10 * one for one in asked]

    together = Together(pool.submit, work)
    first = asyncio.create_task(together.call(1))
    while not groups:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(together.call(n)) for n in range(2, 8)]
    await asyncio.sleep(0.01)
    gate.set()
    assert await asyncio.gather(first, *others) == [10 * n for n in range(1, 8)]
    assert groups == [[1], list(range(2, 8))]


async def test_one_calls_fault_is_its_own(pool: ThreadPoolExecutor) -> None:
    hold = threading.Event()

    def work(asked: Sequence[int]) -> list[int]:
        hold.wait(10)
        if 3 in asked:
            raise ValueError("three")
        return list(asked)

    together = Together(pool.submit, work)
    calls = [asyncio.create_task(together.call(n)) for n in (1, 2, 3, 4)]
    await asyncio.sleep(0.01)
    hold.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [found[0], found[1], found[3]] == [1, 2, 4]
    assert isinstance(found[2], ValueError)


async def test_whoever_leaves_is_not_worked_for(pool: ThreadPoolExecutor) -> None:
    groups: list[list[int]] = []
    gate = threading.Event()

    def work(asked: Sequence[int]) -> list[int]:
        groups.append(list(asked))
        gate.wait(10)
        return list(asked)

    together = Together(pool.submit, work)
    first = asyncio.create_task(together.call(1))
    while not groups:
        await asyncio.sleep(0.001)
    gone, stays = asyncio.create_task(together.call(2)), asyncio.create_task(together.call(3))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.sleep(0.01)
    gate.set()
    assert await asyncio.gather(first, stays) == [1, 3]
    assert groups == [[1], [3]]


async def test_a_store_that_closes_tells_everyone(pool: ThreadPoolExecutor) -> None:
    def refused(work: object) -> None:
        raise StoreUnavailable("the store is closed")

    closed: Together[int, int] = Together(refused, lambda asked: list(asked))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="closed"):
            await closed.call(1)
