"""Tasks of one alphabet each, one person's support and other people's queries, by seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import EpisodeError
from model.yardsticks.omniglot.episodes import QUARTERS, Background
from model.yardsticks.omniglot.glyphs import Wobble, render, shrink
from tests.model.yardsticks.omniglot import made_glyphs as made

ALPHABETS = (made.alphabet("Dalet", 4, 5), made.alphabet("He", 7, 6))
BACKGROUND = Background(ALPHABETS, ways=5, queries=2)
STILL = Wobble(turn=0.0, shear=0.0, stretch=0.0, shift=0.0, bend=0.0)


@given(st.integers(0))
def test_a_task_is_of_one_alphabet_and_of_people_apart(seed: int) -> None:
    place = BACKGROUND.place(np.random.default_rng(seed))
    characters, drawers = ALPHABETS[place.alphabet].ink.shape[:2]
    assert len(place.characters) == min(5, characters)
    assert len(set(place.characters)) == len(place.characters)
    assert set(place.characters) <= set(range(characters))
    assert 0 <= place.support < drawers
    assert place.query.shape == (len(place.characters), 2)
    for people in place.query:
        assert len({place.support, *people}) == 3
        assert set(people) <= set(range(drawers))


@given(st.integers(0))
def test_an_episode_shows_the_drawings_of_its_place(seed: int) -> None:
    place = BACKGROUND.place(np.random.default_rng(seed))
    episode = BACKGROUND.draw(np.random.default_rng(seed), STILL)
    ink = ALPHABETS[place.alphabet].ink[place.characters]

    def seen(drawings: np.ndarray) -> torch.Tensor:
        return render(torch.rot90(shrink(drawings), place.quarters, (1, 2)))

    torch.testing.assert_close(episode.support, seen(ink[:, place.support]), atol=1e-5, rtol=0)
    asked = np.concatenate([ink[i, people] for i, people in enumerate(place.query)])
    torch.testing.assert_close(episode.query, seen(asked), atol=1e-5, rtol=0)
    assert episode.answer.tolist() == [i for i in range(len(ink)) for _ in range(2)]


@given(st.integers(0))
def test_single_drawings_have_the_class_of_character_and_turn(seed: int) -> None:
    pictures, answer = BACKGROUND.draw_labelled(6, np.random.default_rng(seed), STILL)
    drawings = [ink for a in ALPHABETS for ink in a.ink]  # by character, all alphabets
    assert BACKGROUND.classes == len(drawings) * QUARTERS
    for picture, label in zip(pictures, answer.tolist(), strict=True):
        character, quarters = divmod(label, QUARTERS)
        same = render(torch.rot90(shrink(drawings[character]), quarters, (1, 2)))
        assert float((same - picture).abs().amax((1, 2, 3)).min()) < 1e-5


def test_the_seed_decides_the_episode() -> None:
    one, again, other = (
        BACKGROUND.draw(np.random.default_rng(seed), Wobble()) for seed in (1, 1, 2)
    )
    assert torch.equal(one.query, again.query)
    assert one.query.shape != other.query.shape or not torch.equal(one.query, other.query)


def test_alphabets_come_up_as_often_as_they_have_characters() -> None:
    rng = np.random.default_rng(0)
    share = np.mean([BACKGROUND.place(rng).alphabet for _ in range(2000)])
    assert share == pytest.approx(7 / 11, abs=0.05)


def test_the_fingerprint_is_of_what_tasks_are_made_of() -> None:
    marks = {
        BACKGROUND.fingerprint,
        Background(ALPHABETS, ways=4, queries=2).fingerprint,
        Background(ALPHABETS, ways=5, queries=1).fingerprint,
        Background(ALPHABETS[:1], ways=5, queries=2).fingerprint,
        Background(ALPHABETS[::-1], ways=5, queries=2).fingerprint,
    }
    assert len(marks) == 5
    assert Background(ALPHABETS, ways=5, queries=2).fingerprint == BACKGROUND.fingerprint


def test_impossible_tasks_are_refused_with_the_numbers() -> None:
    with pytest.raises(EpisodeError, match="at least one alphabet"):
        Background([])
    with pytest.raises(EpisodeError, match="got 1, 2"):
        Background(ALPHABETS, ways=1)
    with pytest.raises(EpisodeError, match="got 5, 0"):
        Background(ALPHABETS, ways=5, queries=0)
    with pytest.raises(EpisodeError, match=r"Dalet has 4 characters by 5 people.*6 people"):
        Background(ALPHABETS, queries=5)
