"""Writers that meet: in one process, in several stores, in several processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.store import StaleVersion, Store, open_store
from tests.service.store.builders import PATIENT, adapt, digest_of, picture

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]

UPLOADER = """
import asyncio, json, sys
from service.store import open_store
from tests.service.store.builders import PATIENT, adapt, picture

async def main(url, first):
    store = open_store(url, PATIENT)
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.readline()
    versions = []
    for number in range(first, first + 20):
        change = await store.change_examples("t", "shoes", [picture(number)], adapt)
        # What another process commits meanwhile is seen: the head is never older than our own.
        assert (await store.head("t", "shoes")).version >= change.version.number
        versions.append(change.version.number)
    await store.close()
    print(json.dumps(versions))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_many_writers_of_one_category_all_have_their_entry(store: Store, url: str) -> None:
    other = open_store(url, PATIENT)
    changes = await asyncio.gather(
        *(
            (store, other)[n % 2].change_examples("t", "shoes", [picture(n)], adapt)
            for n in range(30)
        )
    )
    assert sorted(change.version.number for change in changes) == list(range(1, 31))
    assert sorted(change.category.real_count for change in changes) == list(range(1, 31))
    for one in (store, other):
        head = await one.head("t", "shoes")
        assert head.state == digest_of(dict.fromkeys(range(30), "real"))
    await other.close()


async def test_of_writers_with_one_etag_exactly_one_wins(store: Store, url: str) -> None:
    other = open_store(url, PATIENT)
    tag = (await store.change_examples("t", "shoes", [picture(0)], adapt)).category.etag
    for turn in range(1, 5):
        outcomes = await asyncio.gather(
            *(
                (store, other)[n % 2].change_examples(
                    "t", "shoes", [picture(100 * turn + n)], adapt, only_if=tag
                )
                for n in range(8)
            ),
            return_exceptions=True,
        )
        won = [one for one in outcomes if not isinstance(one, BaseException)]
        assert len(won) == 1
        assert sum(isinstance(one, StaleVersion) for one in outcomes) == 7
        tag = won[0].category.etag
    assert (await store.get_category("t", "shoes")).real_count == 5
    await other.close()


async def test_one_of_many_creates_the_category(store: Store, url: str) -> None:
    other = open_store(url, PATIENT)
    outcomes = await asyncio.gather(
        *((store, other)[n % 2].put_category("t", "shoes") for n in range(20))
    )
    assert sum(created for _, created in outcomes) == 1
    assert len({category.etag for category, _ in outcomes}) == 1
    await other.close()


async def test_the_same_upload_at_once_adds_its_picture_once(store: Store, url: str) -> None:
    other = open_store(url, PATIENT)
    changes = await asyncio.gather(
        *(
            (store, other)[n % 2].change_examples("t", "shoes", [picture(1)], adapt)
            for n in range(10)
        )
    )
    assert sum(change.added for change in changes) == 1
    assert sum(change.unchanged for change in changes) == 9
    assert len(await store.list_versions("t", "shoes")) == 1
    await other.close()


async def test_writers_of_many_categories_and_a_deletion(store: Store, url: str) -> None:
    """Whatever the order, what is there afterwards is whole."""
    other = open_store(url, PATIENT)
    await store.change_examples("t", "shoes", [picture(0)], adapt)
    calls = []
    for number in range(1, 13):
        one = (store, other)[number % 2]
        calls.append(one.change_examples("t", "shoes", [picture(number)], adapt))
        calls.append(one.change_examples("t", f"c{number % 3}", [picture(number)], adapt))
    calls.insert(12, other.delete_category("t", "shoes"))  # type: ignore[arg-type]
    await asyncio.gather(*calls)
    for name in ("shoes", "c0", "c1", "c2"):
        head = await store.head("t", name)
        if not head.known:
            assert name == "shoes"
            continue
        assert len(await store.list_versions("t", name)) == head.version == head.real_count
    assert (await store.head("t", "c0")).version == 4
    await other.close()


def test_two_processes_write_one_category(url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPLOADER, url, str(first)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1000)
    ]
    # Both open, and one of them makes, the same empty database: the migrations take turns too.
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    versions = []
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        versions.append(json.loads(out))
    assert sorted(versions[0] + versions[1]) == list(range(1, 41))
    assert versions[0] == sorted(versions[0])

    async def check() -> None:
        store = open_store(url, PATIENT)
        everything = dict.fromkeys([*range(20), *range(1000, 1020)], "real")
        assert (await store.head("t", "shoes")).state == digest_of(everything)
        await store.close()

    asyncio.run(check())
