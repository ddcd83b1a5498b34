"""K-shot measuring: the same episodes for all, answers kept, constants chosen fairly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from model.episodes import EpisodeSampler, Shots, Traits
from model.errors import EpisodeError, MetricError
from model.reports.baselines import PlainLogistic, fit_zero_shot
from model.reports.few_shot import (
    Answers,
    Condition,
    Method,
    answer_all,
    choose_penalty,
    draw_episodes,
)


def pool(number: int = 40) -> list[Traits]:
    """Two categories of products; text and icons as stand-ins."""
    return [
        traits
        for i in range(number)
        for traits in (
            Traits(False, f"goods {i % 2}", "", "swatch" if i % 4 == 0 else ""),
            Traits(True, "", ("text", "icon")[i % 2], ("lettering", "icon")[i % 2]),
        )
    ]


@dataclass(frozen=True)
class Oracle:
    """Knows the truth of a feature: above 0 is a stand-in; says so with a given sureness."""

    sure: float

    def answer(
        self, support: np.ndarray, is_placeholder: np.ndarray, queries: np.ndarray
    ) -> np.ndarray:
        del support, is_placeholder
        return np.where(queries[:, 0] > 0, self.sure, 1 - self.sure)


def truth(traits: Sequence[Traits]) -> np.ndarray:
    return np.array([[1.0 if t.is_standin else -1.0] for t in traits], dtype=np.float32)


CONDITION = Condition("real", "ordinary", Shots(2, 2))


def test_episodes_depend_on_condition_and_seed_alone() -> None:
    sampler = EpisodeSampler(pool())
    first, again = (draw_episodes(sampler, CONDITION, 5, 3) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.support, b.support)
        np.testing.assert_array_equal(a.query, b.query)
    # More episodes begin with the same ones: a longer run refines a shorter one.
    longer = draw_episodes(sampler, CONDITION, 8, 3)
    np.testing.assert_array_equal(longer[4].query, first[4].query)
    other = draw_episodes(sampler, CONDITION, 5, 4)
    assert any(a.query.tolist() != b.query.tolist() for a, b in zip(first, other, strict=True))


def test_every_method_gets_the_same_queries_at_their_places_in_the_pool() -> None:
    traits = pool()
    episodes = draw_episodes(EpisodeSampler(traits), CONDITION, 6, 0)
    # The sampler's pool is the second half of the features: positions must be followed.
    features = np.concatenate([np.full((len(traits), 1), np.nan, np.float32), truth(traits)])
    positions = range(len(traits), 2 * len(traits))
    methods = [Method(n, n, features, Oracle(s)) for n, s in (("sure", 0.99), ("shy", 0.6))]
    told: list[int] = []
    answers = answer_all(methods, episodes, positions, told.append)
    assert told == [1, 2, 3, 4, 5, 6]
    asked = ~np.isnan(answers.probabilities["sure"])
    assert asked.sum() == sum(len(e.query) for e in episodes)
    for name in ("sure", "shy"):
        called = answers.probabilities[name] > 0.5
        np.testing.assert_array_equal(called[asked], answers.is_placeholder[asked])


def test_answers_are_kept_whole(tmp_path: Path) -> None:
    traits = pool()
    episodes = draw_episodes(EpisodeSampler(traits), CONDITION, 4, 0)
    answers = answer_all(
        [Method("a b", "A", truth(traits), Oracle(0.9))], episodes, range(len(traits))
    )
    answers.save(tmp_path / "deep" / "one.npz")
    back = Answers.load(tmp_path / "deep" / "one.npz")
    np.testing.assert_array_equal(back.probabilities["a b"], answers.probabilities["a b"])
    np.testing.assert_array_equal(back.is_placeholder, answers.is_placeholder)
    assert back.subjects == answers.subjects
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["one.npz"]


def test_an_answer_that_is_no_probability_is_refused() -> None:
    traits = pool()
    episodes = draw_episodes(EpisodeSampler(traits), CONDITION, 1, 0)
    method = Method("wild", "Wild", truth(traits), Oracle(1.5))
    with pytest.raises(MetricError, match="wild gave no probabilities for episode 0"):
        answer_all([method], episodes, range(len(traits)))
    with pytest.raises(MetricError, match="0 methods"):
        answer_all([], episodes, range(len(traits)))


def test_the_chosen_penalty_has_the_least_loss() -> None:
    traits = pool(60)
    rng = np.random.default_rng(0)
    features = np.concatenate(
        [truth(traits), rng.standard_normal((len(traits), 7)).astype(np.float32)], axis=1
    )
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    is_standin = np.array([t.is_standin for t in traits])
    prior = fit_zero_shot(features, is_standin, [str(i % 7) for i in range(len(traits))])
    found = choose_penalty(
        PlainLogistic, prior, features, EpisodeSampler(traits), episodes=6, seed=0
    )
    name = f"C={found.penalty:g}{', standardised' if found.standardised else ''}"
    assert found.tried[name] == min(found.tried.values())
    assert len(found.tried) > 5
    with pytest.raises(EpisodeError, match="too small"):
        choose_penalty(
            PlainLogistic, prior, features, EpisodeSampler(traits[:6]), episodes=6, seed=0
        )


def test_names_of_conditions_are_unique() -> None:
    names = {
        Condition(p, sort, Shots(a, b), subject).name
        for p in ("real", "drawn")
        for sort in ("ordinary", "turning")
        for a in (0, 1, 10)
        for b in (0, 1, 10)
        for subject in (None, "logo")
    }
    assert len(names) == 2 * 2 * 9 * 2


def test_answers_of_several_methods_stand_side_by_side_only_for_the_same_episodes() -> None:
    traits = pool()
    sampler = EpisodeSampler(traits)
    methods = [Method(n, n, truth(traits), Oracle(s)) for n, s in (("sure", 0.99), ("shy", 0.6))]
    episodes, others = (draw_episodes(sampler, CONDITION, 5, seed) for seed in (0, 1))
    both = answer_all(methods, episodes, range(len(traits)))
    joined = Answers.joined([both.only("sure"), both.only("shy")])
    assert list(joined.probabilities) == ["sure", "shy"]
    np.testing.assert_array_equal(joined.probabilities["shy"], both.probabilities["shy"])
    strange = answer_all(methods[:1], others[:4], range(len(traits)))
    with pytest.raises(MetricError, match="different episodes"):
        Answers.joined([both.only("shy"), strange])
