"""The teacher's words against a real server: what was acknowledged survives ``kill -9``."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.crashes import crash_and_check, kept, scoring_version, sha256
from tests.e2e.server import Server
from tests.service.harness import files
from tests.service.pictures import product, standin

TEACHERS = 3


@dataclass(frozen=True)
class Said:
    """One request: score ids with labels, its key, and which examples it should make."""

    words: list[tuple[str, str]]
    key: str
    examples: dict[str, str]


@dataclass
class Ledger:
    """What a teacher was told, and the one request that may have had no answer."""

    category: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    """Score ids by the picture that they are about; they survive too."""
    version: int = 0
    unanswered: Said | None = None


def score_two(client: httpx.Client, ledger: Ledger, seed: int) -> dict[str, str]:
    """New pictures by hash, with the ids of their scores."""
    pictures = [standin(seed), product(seed)]
    answer = client.post(f"/v1/score?category={ledger.category}", files=files("images", *pictures))
    assert answer.status_code == 200, answer.text
    ids = [result["score_id"] for result in answer.json()["results"]]
    found = dict(zip(map(sha256, pictures), ids, strict=True))
    ledger.given |= found
    return found


def say(client: httpx.Client, ledger: Ledger, said: Said) -> None:
    """Teach; noted once it is acknowledged."""
    ledger.unanswered = said
    answer = client.post(
        "/v1/feedback",
        json={"items": [{"score_id": one, "label": label} for one, label in said.words]},
        headers={"Idempotency-Key": f'"{said.key}"'},
    )
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [one["score_id"] for one in results] == [one for one, _ in said.words]
    assert {one["status"] for one in results} <= {"added", "relabelled"}
    (version,) = {one["version"] for one in results}
    assert version == ledger.version + 1
    ledger.unanswered = None
    ledger.version = version
    ledger.acknowledged |= said.examples


def teach_until_it_dies(url: str, ledger: Ledger, seeds: itertools.count[int], seed: int) -> None:
    rng = random.Random(seed)
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            while True:
                number = next(seeds)
                examples = dict.fromkeys(score_two(client, ledger, number), "real")
                # And a change of mind about something said before.
                if ledger.acknowledged and rng.random() < 0.5:
                    picture = rng.choice(sorted(ledger.acknowledged))
                    before = ledger.acknowledged[picture]
                    examples[picture] = "real" if before == "placeholder" else "placeholder"
                words = [(ledger.given[picture], label) for picture, label in examples.items()]
                say(client, ledger, Said(words, f"{ledger.category}-{number}", examples))
        except httpx.TransportError:
            return


def check(server: Server, ledger: Ledger) -> None:
    """Nothing acknowledged is lost, and what was cut off is there whole or not at all."""
    now = kept(server.client, ledger.category)
    said = ledger.unanswered
    if said is not None and now == ledger.acknowledged | said.examples:
        say(server.client, ledger, said)  # the answer that nobody heard is given again
    ledger.unanswered = None
    assert now == ledger.acknowledged
    if not ledger.version:
        return
    path = f"/v1/categories/{ledger.category}"
    history = server.client.get(f"{path}/versions").json()["items"]
    assert [one["number"] for one in history] == list(range(ledger.version, 0, -1))
    assert {one["cause"] for one in history} == {"feedback"}
    listed = server.client.get(f"{path}/examples", params={"limit": 1000}).json()["items"]
    assert {one["origin"] for one in listed} == {"teacher"}
    assert scoring_version(server.client, ledger.category) == ledger.version


def acknowledged(folder: Path, weights: Path, times: int, seed: int) -> int:
    """How many examples were, in spite of so many crashes."""
    rng = random.Random(seed)
    ledgers = [Ledger(f"taught-{index}") for index in range(TEACHERS)]
    seeds = itertools.count(1)

    def teacher(url: str, ledger: Ledger) -> Callable[[], None]:
        return partial(teach_until_it_dies, url, ledger, seeds, rng.randrange(2**32))

    crash_and_check(folder, weights, ledgers, check, teacher, times, rng)
    return sum(len(ledger.acknowledged) for ledger in ledgers)


def test_no_word_that_was_acknowledged_is_lost(weights: Path, tmp_path: Path) -> None:
    assert acknowledged(tmp_path, weights, times=3, seed=0) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_word_is_lost_in_fifty_crashes(weights: Path, tmp_path: Path) -> None:
    assert acknowledged(tmp_path, weights, times=50, seed=1) > 0
