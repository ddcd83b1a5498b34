"""A disk without room: StoreUnavailable, nothing changed, and all is well once there is room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import event

from service.store import StoreUnavailable, open_store
from tests.service.store.builders import adapt, digest_of, picture

ROOT = Path(__file__).parents[3]

# A process whose files may not grow beyond a limit: the kernel refuses the write itself.
LIMITED = """
import asyncio, json, resource, signal, sys
from service.store import StoreUnavailable, open_store
from service.store.records import ScoreRow
from tests.service.store.builders import adapt, picture

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(url):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = open_store(url)
    limit(400_000)
    acknowledged, number, message = 0, 0, None
    while message is None:
        number += 1
        try:
            change = await store.change_examples("t", "shoes", [picture(number)], adapt)
            assert change.version.number == number
            acknowledged = number
        except StoreUnavailable as error:
            message = error.reason
    # Readers go on, and see what was acknowledged.
    assert (await store.head("t", "shoes")).version == acknowledged
    try:
        await store.put_category("t", "paint", title="x" * 1000)
        small = True
    except StoreUnavailable:
        small = False
    limit(resource.RLIM_INFINITY)
    change = await store.change_examples("t", "shoes", [picture(number)], adapt)
    assert change.version.number == acknowledged + 1, change
    print(json.dumps({"acknowledged": acknowledged, "message": message, "small": small}))
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def test_files_that_cannot_grow(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/standin.db"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, url], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["acknowledged"] > 5
    assert told["message"].startswith("OperationalError: ")

    import asyncio

    async def check() -> None:
        store = open_store(url)
        head = await store.head("t", "shoes")
        assert head.version == told["acknowledged"] + 1
        assert head.state == digest_of(dict.fromkeys(range(1, head.version + 1), "real"))
        names = [one.name for one in (await store.list_categories("t")).items]
        assert names == (["paint", "shoes"] if told["small"] else ["shoes"])
        await store.close()

    asyncio.run(check())


@pytest.mark.anyio
async def test_a_database_that_may_not_have_more_pages(tmp_path: Path) -> None:
    """SQLITE_FULL, as SQLite reports ENOSPC."""
    url = f"sqlite:///{tmp_path}/standin.db"
    store = open_store(url)
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    engine = store._workers.database.engine

    def limit(connection: object, record: object, proxy: object) -> None:
        connection.execute("PRAGMA max_page_count=1")  # type: ignore[attr-defined]  # as it is now

    event.listen(engine, "checkout", limit)
    before = await store.get_category("t", "shoes")
    large = [picture(number) for number in range(2, 100)]
    with pytest.raises(StoreUnavailable) as caught:
        await store.change_examples("t", "shoes", large, adapt)
    assert "full" in caught.value.reason
    assert await store.get_category("t", "shoes") == before
    assert len((await store.list_examples("t", "shoes")).items) == 1
    event.remove(engine, "checkout", limit)

    def lift(connection: object, record: object, proxy: object) -> None:
        connection.execute("PRAGMA max_page_count=4294967294")  # type: ignore[attr-defined]

    event.listen(engine, "checkout", lift)
    assert (await store.change_examples("t", "shoes", large, adapt)).added == 98
    await store.close()
