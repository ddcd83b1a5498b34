"""One category and its teacher: what is judged, what is learned, what is undone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.errors import SupportError
from model.learners.prior_mixture import PriorMixture
from model.learners.ridge import Ridge
from model.teacher.guesses import Guesses, Guessing
from model.teacher.learning import OnlineLearner, OnlineState, Outcome, Settings
from model.teacher.lessons import Lessons
from model.teacher.weights import OnlineWeights, tracking_bound

DIM = 6
LEARNER = Ridge(DIM)
seeds = st.integers(0, 10_000)


def pictures(count: int, seed: int, spread: float = 0.5) -> tuple[Tensor, Tensor]:
    """Unit rows around two opposite directions, and which of the two it is."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.rand(count, generator=rng) < 0.5
    middle = torch.zeros(DIM)
    middle[0] = 1.0
    rows = torch.where(label[:, None], middle, -middle)
    rows = rows + spread * torch.randn(count, DIM, generator=rng)
    return torch.nn.functional.normalize(rows, dim=1), label


def taught(
    learner: OnlineLearner, rows: Tensor, words: Tensor, state: OnlineState | None = None
) -> tuple[OnlineState, list[Outcome]]:
    state, outcomes = state or learner.start(), []
    first = len(state.lessons)
    for place, (row, word) in enumerate(zip(rows, words, strict=True)):
        outcomes.append(learner.corrected(state, f"picture {first + place}", row, bool(word)))
        state = outcomes[-1].state
    return state, outcomes


def same(one: OnlineState, other: OnlineState) -> None:
    assert one.lessons.keys == other.lessons.keys
    assert torch.equal(one.lessons.is_placeholder, other.lessons.is_placeholder)
    np.testing.assert_array_equal(one.weights.to_array(), other.weights.to_array())
    for mine, theirs in zip(one.heads, other.heads, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert torch.equal(mine.state, theirs.state)


def test_before_the_first_word_it_is_the_unadapted_model() -> None:
    learner = OnlineLearner(PriorMixture(DIM), Settings(absurd=0.1))
    rows, _ = pictures(5, 0)
    state = learner.start()
    nothing = torch.empty(0, dtype=torch.bool)
    expected = learner.learner.score(learner.learner.adapt(rows[:0], nothing), rows)
    np.testing.assert_allclose(learner.predict(state, rows), expected, atol=1e-7)
    assert state.weights.corrections == 0


@given(count=st.integers(1, 12), seed=seeds)
def test_the_same_words_give_the_same_state_and_change_no_other(count: int, seed: int) -> None:
    learner = OnlineLearner(LEARNER, Settings(windows=(3,), absurd=0.2))
    rows, words = pictures(count, seed)
    first, outcomes = taught(learner, rows, words)
    kept = [outcome.state.weights.to_array() for outcome in outcomes]
    again, _ = taught(learner, rows, words)
    same(first, again)
    for outcome, before in zip(outcomes, kept, strict=True):
        np.testing.assert_array_equal(outcome.state.weights.to_array(), before)
        assert outcome.effect == "added"


@given(count=st.integers(2, 12), seed=seeds)
def test_a_word_is_judged_on_what_was_said_before_it(count: int, seed: int) -> None:
    """The weights, done by hand from the answers that a client saw."""
    learner = OnlineLearner(LEARNER, Settings(windows=(3,)))
    rows, words = pictures(count, seed)
    state, weights, total = learner.start(), OnlineWeights.even(3), 0.0
    for place in range(count):
        given_now = learner.given(state, rows[place : place + 1])[0]
        label = bool(words[place])
        reward = weights.reward(given_now, label, 2)
        outcome = learner.corrected(state, f"picture {place}", rows[place], label)
        assert outcome.reward == pytest.approx(reward)
        weights = weights.updated(given_now, label)
        np.testing.assert_allclose(outcome.state.weights.log_weights, weights.log_weights)
        total += outcome.reward
        state = outcome.state
    assert total >= -tracking_bound(count, 0, 3, learner.settings.share) - 1e-9


@given(count=st.integers(2, 10), seed=seeds)
def test_the_candidates_are_what_they_are_called(count: int, seed: int) -> None:
    learner = OnlineLearner(LEARNER, Settings(windows=(3,)))
    rows, words = pictures(count, seed)
    state, _ = taught(learner, rows, words)
    said = learner.given(state, rows)
    for column, kept in enumerate((slice(None), slice(-3, None), slice(0, 0))):
        head = LEARNER.adapt(rows[kept], words[kept])
        np.testing.assert_allclose(said[:, column], LEARNER.score(head, rows), atol=1e-6)


@given(count=st.integers(1, 10), seed=seeds)
def test_the_same_word_again_changes_nothing(count: int, seed: int) -> None:
    learner = OnlineLearner(LEARNER)
    rows, words = pictures(count, seed)
    state, _ = taught(learner, rows, words)
    again = learner.corrected(state, "picture 0", rows[0], bool(words[0]))
    assert (again.effect, again.reward) == ("unchanged", 0.0)
    assert again.state is state


@given(count=st.integers(2, 10), which=st.integers(0, 9), seed=seeds)
def test_the_latest_word_stands_as_if_the_earlier_had_never_been_said(
    count: int, which: int, seed: int
) -> None:
    """Judged on what was given before either; weights and heads those of the words that stand."""
    learner = OnlineLearner(LEARNER, Settings(windows=(3,)))
    rows, words = pictures(count, seed)
    which %= count
    state, outcomes = taught(learner, rows, words)
    outcome = learner.corrected(state, f"picture {which}", rows[which], not words[which])
    assert outcome.effect == "relabelled"
    np.testing.assert_array_equal(outcome.given, outcomes[which].given)
    order = [i for i in range(count) if i != which] + [which]
    final = words.clone()
    final[which] = ~final[which]
    expected = learner.start()
    for i in order:
        expected = learner.corrected(
            expected, f"picture {i}", rows[i], bool(final[i]), outcomes[i].given
        ).state
    same(outcome.state, expected)


def test_a_late_word_is_judged_on_the_answer_it_is_about() -> None:
    learner = OnlineLearner(LEARNER)
    rows, words = pictures(9, 3)
    early, _ = taught(learner, rows[:2], words[:2])
    then = learner.given(early, rows[8:])[0]
    late, _ = taught(learner, rows[2:8], words[2:8], early)
    now = learner.given(late, rows[8:])[0]
    assert not np.allclose(then, now)
    outcome = learner.corrected(late, "late", rows[8], bool(words[8]), then)
    np.testing.assert_array_equal(outcome.given, then)
    expected = late.weights.updated(then, bool(words[8]))
    np.testing.assert_allclose(outcome.state.weights.log_weights, expected.log_weights)


def test_examples_that_nobody_judged_teach_and_earn_nothing() -> None:
    learner = OnlineLearner(LEARNER)
    rows, words = pictures(8, 1)
    state = learner.start(tuple(map(str, range(8))), rows, words)
    assert state.weights.corrections == 0
    np.testing.assert_allclose(
        learner.given(state, rows)[:, 0], LEARNER.score(LEARNER.adapt(rows, words), rows)
    )
    # The teacher contradicts an example: it is replaced, and there is nothing to judge it on.
    outcome = learner.corrected(state, "3", rows[3], not words[3])
    assert (outcome.effect, outcome.reward) == ("relabelled", 0.0)
    assert outcome.state.weights.corrections == 0
    assert outcome.state.lessons.label_of("3") is (not bool(words[3]))


def test_after_a_turn_the_newest_words_are_trusted() -> None:
    learner = OnlineLearner(LEARNER, Settings(windows=(12,)))
    rows, words = pictures(100, 5)
    words[60:] = ~words[60:]
    before, _ = taught(learner, rows[:60], words[:60])
    after, outcomes = taught(learner, rows[60:90], words[60:90], before)
    right = (learner.predict(after, rows[90:]) > 0.5) == words[90:].numpy()
    assert right.all()
    assert after.weights.weights.argmax() == learner.candidates.index("last 12")
    assert np.mean([outcome.reward for outcome in outcomes[15:]]) > 0


def test_a_slip_is_doubted_and_a_changed_mind_is_believed() -> None:
    learner = OnlineLearner(LEARNER, Settings(absurd=0.3))
    rows, words = pictures(40, 7, spread=0.2)
    state, _ = taught(learner, rows[:30], words[:30])
    assert not state.lessons.doubtful(state.said, 0.3).any()
    slip = learner.corrected(state, "slip", rows[30], not words[30]).state
    assert np.flatnonzero(slip.lessons.doubtful(slip.said, 0.3)).tolist() == [30]
    undoubted = learner.candidates.index("undoubted")
    kept = LEARNER.adapt(rows[:30], words[:30])
    head = slip.heads[undoubted]
    assert head is not None
    assert torch.equal(head.state, kept.state)
    # She says it of many that are alike: none of the later words is doubted any more.
    many = torch.nn.functional.normalize(rows[30] + 0.01 * torch.randn(6, DIM), dim=1)
    meant, _ = taught(learner, many, (~words[30:31]).expand(6), slip)
    assert not meant.lessons.doubtful(meant.said, 0.3)[30:].any()


def test_misuse_says_what_came() -> None:
    learner = OnlineLearner(LEARNER)
    state = learner.start()
    with pytest.raises(SupportError, match="6 finite numbers"):
        learner.corrected(state, "a", torch.zeros(DIM + 1), True)
    with pytest.raises(SupportError, match="6 finite numbers"):
        learner.corrected(state, "a", torch.full((DIM,), torch.nan), True, np.full(3, 0.5))
    with pytest.raises(SupportError, match="3 candidates"):
        learner.corrected(state, "a", torch.zeros(DIM), True, np.full(2, 0.5))
    with pytest.raises(SupportError, match="came twice"):
        learner.start(("a", "a"), torch.zeros(2, DIM), torch.zeros(2, dtype=torch.bool))
    with pytest.raises(SupportError, match="one length"):
        learner.start(("a",), torch.zeros(2, DIM), torch.zeros(2, dtype=torch.bool))
    with pytest.raises(SupportError, match="keys need"):
        learner.start(("a",))
    with pytest.raises(SupportError, match="at least one word"):
        Settings(windows=(0,))
    with pytest.raises(SupportError, match="absurd"):
        Settings(absurd=1.0)
    with pytest.raises(SupportError, match="slips"):
        Settings(slips=0.5)


GUESSING = Guessing(sure=0.7, most=4, patience=2.0, pause=3, words=2)


@given(seed=seeds)
@settings(max_examples=20)
def test_without_asking_for_it_no_answer_becomes_an_example(seed: int) -> None:
    learner = OnlineLearner(LEARNER)
    rows, words = pictures(12, seed)
    state, _ = taught(learner, rows[:8], words[:8])
    for place in range(8, 12):
        assert learner.undenied(state, str(place), rows[place]) is state
    assert "guessed" not in learner.candidates


def test_sure_answers_become_examples_and_the_teachers_word_takes_them_back() -> None:
    learner = OnlineLearner(LEARNER, Settings(guessing=GUESSING))
    rows, words = pictures(40, 2, spread=0.2)
    state = learner.start()
    assert learner.undenied(state, "early", rows[20]) is state  # no words yet
    state, _ = taught(learner, rows[:10], words[:10])
    assert np.isnan(learner.given(state, rows[:1])[0, -1])
    for place in range(10, 30):
        state = learner.undenied(state, f"guess {place}", rows[place])
    held = state.guesses
    assert 0 < len(held) <= 2 * GUESSING.most
    assert bool((held.is_placeholder == held.is_placeholder).all())
    key, at = held.keys[0], int(held.keys[0].split()[1])
    denied = learner.corrected(state, key, rows[at], not held.is_placeholder[0])
    assert key not in denied.state.guesses.keys
    assert denied.state.lessons.label_of(key) is (not bool(held.is_placeholder[0]))
    # Judged without the guess on that very picture.
    blind = held.without(key)
    every = LEARNER.adapt(
        torch.cat([rows[:10], blind.embeddings]), torch.cat([words[:10], blind.is_placeholder])
    )
    expected = float(LEARNER.score(every, rows[at : at + 1]))
    assert denied.given[-1] == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 200))
@settings(max_examples=15)
def test_a_poisoned_loop_is_noticed_undone_and_costs_no_more_than_the_bound(seed: int) -> None:
    """Guesses that are all wrong, as a loop that runs away makes them; then the teacher speaks."""
    learner = OnlineLearner(LEARNER, Settings(windows=(3,), guessing=GUESSING))
    rows, words = pictures(60, seed, spread=0.3)
    state, _ = taught(learner, rows[:6], words[:6])
    # Put there by force: the answers themselves would be right here.
    poison = Guesses(
        tuple(f"poison {i}" for i in range(20)), rows[40:], ~words[40:], len(state.lessons)
    )
    heads = (*state.heads[:-1], learner._guessed(state.lessons, poison))
    state = OnlineState(state.lessons, state.weights, state.said, heads, poison)
    noticed, lost, best = None, 0.0, 0.0
    for place in range(6, 40):
        label = bool(words[place])
        p = float(learner.predict(state, rows[place : place + 1])[0])
        outcome = learner.corrected(state, f"picture {place}", rows[place], label)
        lost -= np.log(p if label else 1 - p)
        alone = outcome.given[0]
        best -= np.log(alone if label else 1 - alone)
        state = outcome.state
        if noticed is None and not len(state.guesses):
            noticed = place
            assert np.isnan(learner.given(state, rows[:1])[0, -1])
            # For a while none is taken again.
            assert learner.undenied(state, "again", rows[39]) is state
    assert noticed is not None
    assert noticed < 20
    every = tracking_bound(40, 0, len(learner.candidates), learner.settings.share)
    assert lost <= best + every + 1e-9


def test_guesses_that_help_stay() -> None:
    learner = OnlineLearner(LEARNER, Settings(guessing=GUESSING))
    rows, words = pictures(80, 4, spread=0.2)
    state, _ = taught(learner, rows[:6], words[:6])
    for place in range(6, 20):
        state = learner.undenied(state, f"guess {place}", rows[place])
    assert len(state.guesses)
    state, _ = taught(learner, rows[20:60], words[20:60], state)
    assert len(state.guesses)


def test_lessons_are_each_picture_once() -> None:
    lessons = Lessons.none(DIM, 2).with_word("a", torch.ones(DIM), True, np.array([0.5, 0.5]))
    more = lessons.with_word("b", torch.ones(DIM), False, np.array([0.5, 0.5]))
    again = more.with_word("a", torch.ones(DIM), False, np.array([0.1, 0.2]))
    assert (lessons.keys, more.keys, again.keys) == (("a",), ("a", "b"), ("b", "a"))
    assert again.label_of("a") is False
    assert again.label_of("c") is None
    assert again.without("c") is again


@pytest.mark.parametrize(
    "numbers",
    [{"sure": 0.5}, {"sure": 1.0}, {"most": 0}, {"patience": 0.0}, {"pause": -1}, {"words": -1}],
)
def test_impossible_guessing_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(SupportError):
        Guessing(**numbers)  # type: ignore[arg-type]
