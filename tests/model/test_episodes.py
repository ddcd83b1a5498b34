"""Tasks are what they say they are, and impossible ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.episodes import EpisodeSampler, Shots, Sort, Traits, draw_shots
from model.errors import EpisodeError

KINDS = {"text": "lettering", "icon": "icon", "logo": "logo", "blank": "swatch", "spinner": ""}
POOL = [
    *(Traits(True, "", kind, look) for kind, look in KINDS.items() for _ in range(30)),
    *(Traits(False, c, "", "") for c in ("shoes", "hats") for _ in range(40)),
    *(Traits(False, "paint", "", "swatch") for _ in range(10)),
]
SAMPLER = EpisodeSampler(POOL, queries=8)

shots = st.builds(Shots, st.integers(0, 20), st.integers(0, 20))
sorts = st.sampled_from(["ordinary", "turning"])


@given(sort=sorts, shots=shots, seed=st.integers(0, 10_000))
def test_support_and_query_are_apart_and_labelled(sort: Sort, shots: Shots, seed: int) -> None:
    task = SAMPLER.sample(sort, shots, np.random.default_rng(seed))
    assert len(np.unique(np.concatenate([task.support, task.query]))) == len(task.support) + len(
        task.query
    )
    assert task.support_is_placeholder.sum() == shots.placeholder
    assert (~task.support_is_placeholder).sum() == shots.real
    assert task.query_is_placeholder.any()
    assert not task.query_is_placeholder.all()
    positions = np.concatenate([task.support, task.query])
    labels = np.concatenate([task.support_is_placeholder, task.query_is_placeholder])
    for position, is_placeholder in zip(positions, labels, strict=True):
        traits = POOL[position]
        if is_placeholder:
            assert traits.is_standin
            assert sort == "ordinary" or traits.look != task.subject
        elif sort == "ordinary":
            assert traits.category == task.subject
        else:
            assert traits.look == task.subject


@given(sort=sorts, shots=shots, seed=st.integers(0, 10_000))
def test_the_same_seed_gives_the_same_task(sort: Sort, shots: Shots, seed: int) -> None:
    one = SAMPLER.sample(sort, shots, np.random.default_rng(seed))
    two = SAMPLER.sample(sort, shots, np.random.default_rng(seed))
    assert np.array_equal(one.support, two.support)
    assert np.array_equal(one.query, two.query)
    assert one.subject == two.subject


def test_a_turning_task_turns_what_an_ordinary_one_calls_a_standin() -> None:
    task = SAMPLER.sample("turning", Shots(5, 5), np.random.default_rng(0), subject="logo")
    real = task.query[~task.query_is_placeholder]
    assert all(POOL[p].is_standin and POOL[p].kind == "logo" for p in real)


def test_an_impossible_task_is_refused_with_both_numbers() -> None:
    with pytest.raises(EpisodeError, match=r"50 real shots.*largest subject has 40"):
        SAMPLER.sample("ordinary", Shots(1, 50), np.random.default_rng(0))
    with pytest.raises(EpisodeError, match="hats"):
        SAMPLER.sample("ordinary", Shots(1, 38), np.random.default_rng(0), subject="hats")
    with pytest.raises(EpisodeError, match="negative"):
        Shots(-1, 0)
    with pytest.raises(EpisodeError, match="0 stand-ins and 1 products"):
        EpisodeSampler([Traits(False, "a", "", "")])


def test_shots_are_drawn_as_people_upload() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_shots(rng) for _ in range(4_000)]
    assert 0.09 < np.mean([s == Shots(0, 0) for s in drawn]) < 0.16
    assert 0.20 < np.mean([(s.placeholder == 0) != (s.real == 0) for s in drawn]) < 0.30
    assert max(s.placeholder for s in drawn) == 20
    assert any(s.placeholder != s.real and s.placeholder and s.real for s in drawn)
