"""Sameness fitted and measured where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from model.reports.copies import Copies
from model.reports.known_pictures import fit, measure_sameness, measure_statistics


def made(seed: int, noise: int, pictures: int = 120) -> Copies:
    """Unrelated pictures, a third of them stand-ins, each with one copy ``noise`` bits away."""
    rng = np.random.default_rng(seed)
    n = pictures
    flips = np.array([rng.choice(63, noise, replace=False) for _ in range(n)], np.uint64)
    hashes = rng.integers(0, 2**63, n, dtype=np.uint64)
    changed = hashes ^ np.bitwise_or.reduce(np.uint64(1) << flips, axis=1)
    seen = rng.standard_normal((n, 64))
    again = seen + rng.standard_normal((n, 64)) * 0.2
    embeddings = np.concatenate([seen, again])
    is_standin = np.tile(np.arange(n) % 3 == 0, 2)
    held_out = np.tile(np.arange(n) % 2 == 0, 2)
    return Copies(
        original=np.tile(np.arange(n), 2),
        hashes=np.concatenate([hashes, changed]),
        embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(
            np.float32
        ),
        statistics=(rng.standard_normal((2 * n, 5)) + is_standin[:, None]).astype(np.float32),
        is_standin=is_standin,
        held_out=held_out,
        validation=np.zeros(2 * n, bool),
        group=np.tile(np.array([f"shop {i % 4}" for i in range(n)]), 2),
        kind=np.full(2 * n, "text"),
    )


def test_copies_are_found_and_strangers_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.reports.known_pictures._TASKS", 5)
    monkeypatch.setattr("model.reports.known_pictures._OTHERS", 5)
    copies = made(0, noise=3)
    expert = fit(copies, seed=0)
    assert min(expert.hash_alone) > 1
    assert min(np.add(expert.hash_beside, expert.cosine_beside)) > 1
    assert expert == fit(copies, seed=0)
    rows = measure_sameness(copies, expert, seed=0)
    for row in rows:
        assert row["alarms"]["estimate"] == 0
        assert row["mates"]["estimate"] == 0
        if "copies" in row:
            assert row["copies"]["estimate"] == 1
            assert row["copies"]["n"] == 20


def test_copies_that_are_strangers_by_hash_are_found_by_their_embedding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model.reports.known_pictures._TASKS", 5)
    monkeypatch.setattr("model.reports.known_pictures._OTHERS", 5)
    copies = made(1, noise=30)
    rows = measure_sameness(copies, fit(copies, seed=0), seed=0)
    shares = {r["compared"]: r["copies"]["estimate"] for r in rows if r["known"] == 5}
    assert shares == {"hash": 0, "hash and embedding": 1}


def test_statistics_that_differ_are_ranked() -> None:
    rows = measure_statistics(made(2, noise=3, pictures=400), seed=0)
    assert len({row["method"] for row in rows}) == 3
    for row in rows:
        assert 0.8 < row["AUROC"]["low"] <= row["AUROC"]["estimate"] <= 1
        assert 0 <= row["recall at 1 %"]["low"] <= row["recall at 1 %"]["high"] <= 1
