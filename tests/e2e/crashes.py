"""What every test that kills a server needs: clients that write until it dies, and what is kept."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.e2e.server import Server, serving
from tests.service.harness import files
from tests.service.pictures import product

Ledger = TypeVar("Ledger")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(client: httpx.Client, category: str) -> dict[str, str]:
    """Label by SHA-256 of every example in force."""
    found: dict[str, str] = {}
    query: dict[str, Any] = {"limit": 1000}
    answer = client.get(f"/v1/categories/{category}/examples", params=query)
    if answer.status_code == 404:
        return found
    for item in answer.json()["items"]:
        assert item["sha256"] not in found, "an example is there twice"
        found[item["sha256"]] = item["label"]
    assert answer.json()["next_cursor"] is None
    return found


def scoring_version(client: httpx.Client, category: str) -> int:
    """The version that answers for the category."""
    answer = client.post(f"/v1/score?category={category}", files=files("images", product(1)))
    version: int = answer.json()["results"][0]["version"]
    return version


def crash_and_check(
    folder: Path,
    weights: Path,
    ledgers: Sequence[Ledger],
    check: Callable[[Server, Ledger], None],
    writer: Callable[[str, Ledger], Callable[[], None]],
    times: int,
    rng: random.Random,
) -> None:
    """Kill a server so many times while clients write; what they were told is checked each time.

    Args:
        ledgers: what each client was told.
        writer: from the server's address and a ledger, what writes until the server is gone.
    """
    for _ in range(times):
        with serving(folder, weights) as server, ThreadPoolExecutor(len(ledgers)) as pool:
            for ledger in ledgers:
                check(server, ledger)
            writing = [pool.submit(writer(server.url, ledger)) for ledger in ledgers]
            # At no particular instant: it may hit a decoder, a transaction or an answer.
            threading.Event().wait(rng.uniform(0.2, 1.5))
            server.kill()
            for each in writing:
                each.result()
    with serving(folder, weights) as server:
        for ledger in ledgers:
            check(server, ledger)
