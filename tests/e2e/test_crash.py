"""What was acknowledged survives ``kill -9`` at any instant."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.e2e.crashes import crash_and_check, kept, scoring_version, sha256
from tests.e2e.server import Server
from tests.service.harness import files
from tests.service.pictures import product, standin

WRITERS = 3


@dataclass
class Ledger:
    """What a writer was told, and the one request that it may never have had an answer to."""

    category: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    version: int = 0
    unanswered: tuple[int, str] | None = None


def upload(client: httpx.Client, ledger: Ledger, seed: int, key: str) -> None:
    """Two pictures under a key; noted once they are acknowledged."""
    placeholder, real = standin(seed), product(seed)
    ledger.unanswered = seed, key
    answer = client.post(
        f"/v1/categories/{ledger.category}/examples",
        files=files("placeholder", placeholder) + files("real", real),
        headers={"Idempotency-Key": f'"{key}"'},
    )
    assert answer.status_code == 200, answer.text
    ledger.unanswered = None
    ledger.acknowledged |= {sha256(placeholder): "placeholder", sha256(real): "real"}
    assert answer.json()["version"] > ledger.version
    ledger.version = answer.json()["version"]
    assert answer.json()["added"] == 2


def write_until_it_dies(url: str, ledger: Ledger, seeds: itertools.count[int]) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            seed = next(seeds)
            try:
                upload(client, ledger, seed, f"{ledger.category}-{seed}")
            except httpx.TransportError:
                return


def check(server: Server, ledger: Ledger) -> None:
    """Nothing acknowledged is lost, nothing is half there, and a retry finishes what was cut."""
    now = kept(server.client, ledger.category)
    assert ledger.acknowledged.items() <= now.items()
    unsure = set(now) - set(ledger.acknowledged)
    assert len(unsure) in (0, 2), "half of an upload is there"
    if ledger.unanswered is not None:
        seed, key = ledger.unanswered
        assert unsure <= {sha256(standin(seed)), sha256(product(seed))}
        # The lease of a process that died does not block the retry for ever, but may for a while:
        # what is asked here is that a retry, once let through, has its effect exactly once.
        if unsure:
            upload(server.client, ledger, seed, key)
        else:
            ledger.unanswered = None
    now = kept(server.client, ledger.category)
    assert now == ledger.acknowledged
    if not ledger.version:
        return
    category = server.client.get(f"/v1/categories/{ledger.category}").json()
    assert category["version"] == ledger.version
    history = server.client.get(f"/v1/categories/{ledger.category}/versions").json()["items"]
    assert [entry["number"] for entry in history] == list(range(ledger.version, 0, -1))
    assert scoring_version(server.client, ledger.category) == ledger.version


def acknowledged(folder: Path, weights: Path, times: int, seed: int) -> int:
    """How many examples were, in spite of so many crashes."""
    ledgers = [Ledger(f"crash-{index}") for index in range(WRITERS)]
    seeds = itertools.count(1)

    def writer(url: str, ledger: Ledger) -> Callable[[], None]:
        return partial(write_until_it_dies, url, ledger, seeds)

    crash_and_check(folder, weights, ledgers, check, writer, times, random.Random(seed))
    return sum(len(ledger.acknowledged) for ledger in ledgers)


def test_nothing_acknowledged_is_lost(weights: Path, tmp_path: Path) -> None:
    assert acknowledged(tmp_path, weights, times=3, seed=0) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_in_fifty_crashes(weights: Path, tmp_path: Path) -> None:
    assert acknowledged(tmp_path, weights, times=50, seed=1) > 0
