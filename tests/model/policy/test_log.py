"""The log of experts: what is kept, what is refused, and how it is parted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.policy.errors import LogError
from model.policy.log import Log


def drawn(n: int, episodes: int, experts: int, seed: int) -> Log:
    """Rows without meaning, but of the right form."""
    rng = np.random.default_rng(seed)
    episode = rng.integers(0, episodes, n)
    answered = rng.random((n, experts)) < 0.7
    sorts = rng.choice(["ordinary", "turning"], episodes)
    return Log(
        logits=np.where(answered, rng.standard_normal((n, experts)), 0).astype(np.float32),
        answered=answered,
        context=rng.standard_normal((episodes, 3)).astype(np.float32)[episode],
        label=rng.random(n) < 0.5,
        episode=episode,
        sort=sorts[episode],
        shots=rng.integers(0, 21, (episodes, 2))[episode],
        kind=rng.choice(["", "blank", "логотип"], n),
        context_names=("placeholders", "real", "record"),
    )


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32))
def test_saved_and_loaded_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, n: int, episodes: int, experts: int, seed: int
) -> None:
    log = drawn(n, episodes, experts, seed)
    path = tmp_path_factory.mktemp("log") / "deep" / "runs.npz"
    log.save(path)
    assert [each.name for each in path.parent.iterdir()] == ["runs.npz"]
    got = Log.load(path)
    for field in dataclasses.fields(Log):
        np.testing.assert_array_equal(getattr(got, field.name), getattr(log, field.name))
    assert got.logits.dtype == np.float32
    assert (len(got), got.experts) == (n, experts)


@given(
    st.integers(3, 200),
    st.integers(3, 60),
    st.lists(st.floats(0.1, 5), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_parts_share_no_episode_and_lose_no_row(
    n: int, episodes: int, shares: list[float], seed: int
) -> None:
    log = drawn(n, episodes, 2, seed)
    there = len(np.unique(log.episode))
    if there < len(shares):
        with pytest.raises(LogError, match="cannot be parted"):
            log.parted(tuple(shares), seed)
        return
    parts = log.parted(tuple(shares), seed)
    seen = [set(part.episode.tolist()) for part in parts]
    assert len(set().union(*seen)) == sum(map(len, seen)) == there
    assert sum(map(len, parts)) == n
    for share, episodes_of in zip(shares, seen, strict=True):
        fair = share / sum(shares) * (there - len(shares)) + 1
        assert abs(len(episodes_of) - fair) <= 1.0001


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": np.zeros(9, bool)}, r"label must have shape \(10,\)"),
        ({"label": np.zeros(10, np.int64)}, "kind 'b', got .* int64"),
        ({"context_names": ("a", "b")}, r"context must have shape \(10, 2\)"),
        ({"context_names": ("a", "b", "a")}, "occur twice"),
        ({"sort": np.array(["odd"] * 10)}, "got 'odd'"),
        ({"episode": np.full(10, -1)}, "numbered from 0"),
        ({"episode": np.zeros(10, np.int64)}, "must be the same in all rows"),
        ({"logits": np.full((10, 4), np.nan, np.float32)}, "must be finite"),
        ({"logits": np.ones((10, 4), np.float32)}, "abstained"),
        ({"logits": np.ones((0, 4), np.float32)}, "at least"),
    ],
)
def test_what_does_not_belong_together_is_refused(change: dict[str, object], said: str) -> None:
    log = drawn(10, 5, 4, 0)
    with pytest.raises(LogError, match=said):
        dataclasses.replace(log, **change)


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be read"):
        Log.load(tmp_path / "nowhere.npz")
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    with pytest.raises(LogError, match="not a log"):
        Log.load(text)
    lacking = tmp_path / "lacking.npz"
    np.savez(lacking, logits=np.zeros((1, 4), np.float32))
    with pytest.raises(LogError, match="not a log"):
        Log.load(lacking)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, logits=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(LogError, match="not a log"):
        Log.load(pickled)
    with pytest.raises(LogError, match="at least"):
        drawn(4, 2, 2, 0).rows(np.zeros(4, bool))
