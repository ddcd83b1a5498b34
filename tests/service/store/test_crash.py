"""``kill -9`` of a real process in the middle of its writes, at random instants.

After every kill the database is opened again: every change that was acknowledged is there, every
version is whole (its set, counts and adaptation agree), the one change that may have been on its
way is there whole or not at all, and its idempotency key tells the same as the history.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.store import Store, open_store
from service.store.store import utc_now
from tests.service.store.builders import digest
from tests.service.store.writers import CATEGORIES, OPERATION, TENANT

ROOT = Path(__file__).parents[3]


@dataclass
class Heard:
    """What one writer said before it was killed."""

    about: dict[str, Any] | None = None  # the change it had announced and not yet finished
    done: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0


class Writers:
    """The program of ``writers.py``, and what it says."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.store.writers", url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.change_seconds = 0.02

    def run_and_kill(self, seed: int, after: int, delay: float) -> Heard:
        """Start a writer and kill it after its ``after``-th acknowledgement.

        ``delay`` is how long after, in changes: a change takes milliseconds on a quiet machine
        and many times that on a busy one, and kills shall fall anywhere within it.
        """
        self.stdin.write(f"{seed} 1000000\n")
        self.stdin.flush()
        heard = Heard()
        pid, killed, last = 0, False, 0.0
        while True:
            line = json.loads(self.stdout.readline())
            now = time.monotonic()
            if "pid" in line:
                pid = line["pid"]
            elif "about" in line:
                heard.about = line
            elif "done" in line:
                heard.about = None
                heard.done.append(line)
                if last and not killed:
                    self.change_seconds += 0.2 * (now - last - self.change_seconds)
                last = now
            elif "refused" in line:
                heard.about = None
            elif "ended" in line:
                heard.code = line["ended"]
                return heard
            if len(heard.done) >= after and not killed:
                time.sleep(delay * self.change_seconds)
                os.kill(pid, signal.SIGKILL)
                killed = True

    def close(self) -> None:
        self.stdin.close()
        assert self.process.wait(timeout=30) == 0
        self.stdout.close()


@pytest.fixture
def writers(url: str) -> Iterator[Writers]:
    asyncio.run(open_store(url).close())  # one migration is enough
    writers = Writers(url)
    yield writers
    writers.close()


def test_nothing_acknowledged_is_lost_and_nothing_is_half_written(
    url: str, writers: Writers
) -> None:
    kill_and_check(url, writers, kills=20)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_in_200_kills(url: str, writers: Writers) -> None:
    kill_and_check(url, writers, kills=200)


def kill_and_check(url: str, writers: Writers, kills: int) -> None:
    chance = random.Random()
    acknowledged = dict.fromkeys(CATEGORIES, 0)
    in_flight = 0
    for kill in range(kills):
        seed, after = chance.randrange(10**9), chance.randint(1, 6)
        delay = chance.uniform(0, 2)
        where = f"kill {kill}: seed {seed}, after {after}, delay {delay}"
        heard = writers.run_and_kill(seed, after, delay)
        assert heard.code == -signal.SIGKILL, where
        in_flight += heard.about is not None
        if url.startswith("postgres"):
            settle(url)
        asyncio.run(check(url, heard, acknowledged, where))
        if url.startswith("sqlite"):
            with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
                assert raw.execute("PRAGMA foreign_key_check").fetchall() == [], where
            raw.close()
    # Worth something only where kills met a change on its way, and changes came through.
    assert in_flight > 0
    assert sum(acknowledged.values()) > 0


async def check(url: str, heard: Heard, acknowledged: dict[str, int], where: str) -> None:
    # Ten minutes on: the lease of what the dead process had begun has run out.
    store = open_store(url, clock=lambda: utc_now() + timedelta(minutes=10))
    try:
        for done in heard.done:
            if "version" in done:
                name = done["category"]
                acknowledged[name] = max(acknowledged[name], done["version"])
            if "scores" in done:
                assert len(await store.scores(TENANT, done["scores"])) == 3, where
        for name in CATEGORIES:
            before = acknowledged[name]
            acknowledged[name] = await whole(store, name, where)
            may_be_new = heard.about is not None and heard.about["category"] == name
            assert before <= acknowledged[name] <= before + may_be_new, where
            about = heard.about
            if about is not None and about["about"] == "add" and about["category"] == name:
                await key_and_history_agree(store, about["key"], before, acknowledged[name])
        for done in heard.done:
            if done["done"] == "add":
                answer = await store.idempotent_begin(TENANT, OPERATION, done["key"], done["key"])
                assert answer is not None, where
                assert answer.body == str(done["version"]).encode(), where
    finally:
        await store.close()


async def key_and_history_agree(store: Store, key: str, before: int, latest: int) -> None:
    """The change on its way: its answer is kept exactly if its version is there."""
    answer = await store.idempotent_begin(TENANT, OPERATION, key, key)
    if answer is None:
        assert latest == before
        await store.idempotent_abandon(TENANT, OPERATION, key)
    else:
        assert answer.body == str(latest).encode()


def settle(url: str) -> None:
    """Wait until PostgreSQL has noticed that the writer is dead: a commit may be on its way."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone():
            time.sleep(0.01)


async def whole(store: Store, name: str, where: str) -> int:
    """Check every version of a category against itself; the number of the newest."""
    head = await store.head(TENANT, name)
    if not head.known:
        return 0
    history = await store.list_versions(TENANT, name)
    assert [one.number for one in history] == list(range(head.version, 0, -1)), where
    for version in history[:10]:  # those before were checked after earlier kills
        matrix = await store.nearest(TENANT, name, version.number)
        count = matrix.labels.count("placeholder")
        assert (count, len(matrix.labels) - count) == (
            version.placeholder_count,
            version.real_count,
        ), where
        if version.number == head.version:
            assert (head.placeholder_count, head.real_count) == (
                version.placeholder_count,
                version.real_count,
            ), where
            if head.state is not None:
                assert head.state == digest(matrix.embeddings, matrix.is_placeholder), where
            else:
                assert matrix.ids == (), where
    listed = (await store.list_examples(TENANT, name, None, 1000)).items
    ids = [one.id for one in listed]
    assert tuple(ids) == (await store.nearest(TENANT, name, head.version)).ids, where
    for one in [one for one in listed if one.origin == "upload"][:3]:
        assert await store.example_thumbnail(TENANT, name, one.id)
    return head.version
