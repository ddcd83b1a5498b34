"""One route through the experts: what must hold whatever they have learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.ensemble import Ensemble
from model.experts import ASKS, EXPERTS
from model.experts.glance import SHARE as GLANCE_SHARE
from model.experts.signals import Signals, unpack
from model.look import Look
from model.questions import Known, Question
from model.teacher.candidates import (
    BASE,
    CANDIDATES,
    SLIPS,
    START,
    Lessons,
    answer,
    first_weights,
    learn,
    slips,
    taught,
)
from model.teacher.weights import SHARE
from tests.model.experts_random import SIZE, random_ensemble

VISUAL = EXPERTS.index("visual")


@pytest.fixture(scope="module", params=[True, False], ids=["glances", "no glances"])
def ensemble(request: pytest.FixtureRequest) -> Ensemble:
    return random_ensemble(glances=request.param)


def looks(ensemble: Ensemble, seed: int, count: int) -> list[Look]:
    """Pictures of many sorts: noise, flat, halves, stripes."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        pixels = np.full((SIZE, SIZE, 3), rng.integers(256, size=3), np.uint8)
        sort = rng.integers(4)
        if sort == 1:
            pixels[:, : SIZE // 2] = rng.integers(256, size=3)
        elif sort == 2:
            pixels = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        elif sort == 3:
            pixels[:: rng.integers(2, 9)] = rng.integers(256, size=3)
        found.append(ensemble.look(pixels, 300, 300))
    return found


def category(ensemble: Ensemble, seed: int, examples: int) -> Known:
    signals = ensemble.examine(looks(ensemble, seed, examples))
    labels = np.random.default_rng(seed).random(examples) < 0.5
    return Known(ensemble.adapt(signals, labels), signals, labels)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_question_is_answered_alike_alone_and_among_others(
    ensemble: Ensemble, seed: int, count: int
) -> None:
    """Whoever else asks for the encoder: the same experts are asked, with the same answer."""
    categories = [category(ensemble, seed + k, n) for k, n in enumerate((0, 3, 7))]
    pictures = looks(ensemble, seed + 9, count)
    rng = np.random.default_rng(seed)
    questions = [
        Question(row, int(rng.integers(3)), int(rng.integers(1, 40)))
        for row in range(count)
        for _ in range(2)
    ]
    signals = ensemble.examine(pictures, categories, questions)
    together = ensemble.route(signals, categories, questions)
    assert (together.wants == -1).all()
    again, at_once = ensemble.examine_and_route(pictures, categories, questions)
    for name in ("read", "embedded", "visual", "words", "glanced", "glance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(signals, name))
    for name in ("asked", "answered", "wants"):
        np.testing.assert_array_equal(getattr(at_once, name), getattr(together, name))
    for name in ("logits", "combined", "weights"):
        np.testing.assert_allclose(getattr(at_once, name), getattr(together, name), atol=1e-5)
    whole = replace(
        ensemble.examine(pictures), glanced=signals.glanced.copy(), glance=signals.glance.copy()
    )
    everything = ensemble.route(whole, categories, questions)
    for i, question in enumerate(questions):
        alone = [Question(0, 0, question.shared)]
        mine = [categories[question.category]]
        one = ensemble.examine([pictures[question.row]], mine, alone)
        single = ensemble.route(one, mine, alone)
        np.testing.assert_array_equal(single.asked[0], together.asked[i])
        np.testing.assert_array_equal(single.asked[0], everything.asked[i])
        for other in (together, everything):
            np.testing.assert_allclose(single.combined[0], other.combined[i], atol=1e-4, rtol=1e-4)
        # No more was computed than was asked for.
        asked = dict(zip(ASKS, single.asked[0].tolist(), strict=False))
        assert bool(one.read[0]) == asked["words"]
        assert bool(one.embedded[0]) == asked["visual"]
        assert bool(one.glanced[0]) == asked.get("glance", False)
        # The visual expert answers by a whole look, by a glance, or by both.
        assert bool(single.answered[0, VISUAL]) == bool(one.embedded[0] or one.glanced[0])
        if single.answered[0, VISUAL]:
            head = mine[0].state.heads["visual"].numpy()[None]
            whole_, glance = (
                ensemble.learner.log_odds(head, x)[0] for x in (one.visual, one.glance)
            )
            share = (GLANCE_SHARE if one.embedded[0] else 1.0) if one.glanced[0] else 0.0
            said = share * glance + (1 - share) * whole_
            np.testing.assert_allclose(single.logits[0, VISUAL], said, atol=1e-4)


def test_without_a_policy_everyone_is_asked() -> None:
    ensemble = random_ensemble(1, policy=False)
    base = Known(ensemble.base, ensemble.nothing, np.zeros(0, np.bool_))
    pictures = looks(ensemble, 0, 3)
    questions = [Question(row, 0) for row in range(3)]
    signals = ensemble.examine(pictures, [base], questions)
    assert signals.read.all()
    assert signals.embedded.all()
    assert (ensemble.route(signals, [base], questions).wants == -1).all()
    unseen = Signals.empty(3, ensemble.widths)
    assert (ensemble.route(unseen, [base], questions).wants >= 0).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_signals_come_back_from_their_bytes(ensemble: Ensemble, seed: int, count: int) -> None:
    whole = ensemble.examine(looks(ensemble, seed, count))
    rng = np.random.default_rng(seed)
    signals = replace(
        whole,
        read=rng.random(count) < 0.5,
        embedded=rng.random(count) < 0.5,
        glanced=rng.random(count) < 0.5,
        glance=whole.visual[:, ::-1].copy(),
    )
    for name, seen in (("words", "read"), ("visual", "embedded"), ("glance", "glanced")):
        getattr(signals, name)[~getattr(signals, seen)] = 0
    signals.lettering[~signals.read] = 0
    packed = [signals.packed(row, ensemble.mark) for row in range(count)]
    closest, widths, mark = signals.closest, ensemble.widths, ensemble.mark
    found = unpack([*packed, None], np.concatenate([closest, closest[:1]]), widths, mark)
    for name in ("looked", "hashes", "read", "embedded", "glanced"):
        np.testing.assert_array_equal(getattr(found, name)[:-1], getattr(signals, name))
    for name in ("statistics", "words", "lettering", "visual", "glance"):
        was, now = getattr(signals, name), getattr(found, name)[:-1]
        np.testing.assert_allclose(now, was, atol=2e-3, rtol=2e-3)  # half precision
    # Of which nothing else was kept, of other experts, cut short, or with something behind it: the
    # embedding is left, and its neighbours are what they were.
    lit = closest.any(axis=1)
    strange = [
        ([*packed, None], widths, mark),
        ([*packed, packed[0][:-1]], widths, mark),
        ([*packed, packed[0] + b"\0"], widths, mark),
        ([*packed, packed[0][:3]], widths, mark),
    ]
    for rows, wide, named in strange:
        again = unpack(rows, np.concatenate([closest, closest[:1]]), wide, named)
        assert not again.looked[-1]
        assert not again.read[-1]
        assert not again.glanced[-1]
        assert again.embedded[-1] == lit[0]
        np.testing.assert_array_equal(again.visual[-1], closest[0])
        np.testing.assert_array_equal(again.statistics[:-1], found.statistics[:-1])
    for wide, named in ((widths, mark ^ 1), ((1, widths[1], widths[2]), mark)):
        other = unpack(packed, closest, wide, named)
        assert not other.looked.any()
        np.testing.assert_array_equal(other.embedded, lit)


def ask(
    ensemble: Ensemble, known: Known, lessons: Lessons, weights: object, pictures: Sequence[Look]
) -> np.ndarray:
    questions = [Question(row, 0) for row in range(len(pictures))]
    signals = ensemble.examine(pictures, [known], questions)
    return answer(
        ensemble,
        signals,
        [known],
        [lessons],
        [weights],  # type: ignore[list-item]
        questions,
    ).probability


def test_before_the_teacher_speaks_all_examples_answer_alone(ensemble: Ensemble) -> None:
    known = category(ensemble, 3, 40)
    lessons, _ = learn(ensemble, known.signals, known.is_placeholder)
    assert lessons.recent is not None
    pictures = looks(ensemble, 4, 5)
    questions = [Question(row, 0) for row in range(5)]
    signals = ensemble.examine(pictures, [known], questions)
    route = ensemble.route(signals, [known], questions)
    silent = ask(ensemble, known, lessons, None, pictures)
    np.testing.assert_allclose(silent, route.probability, rtol=1e-6)
    # With weights it is the candidates' mean, and a candidate that is always right takes over.
    found = answer(ensemble, signals, [known], [lessons], [first_weights()], questions)
    np.testing.assert_allclose(
        found.probability, found.given @ np.exp(first_weights().log_weights), rtol=1e-5
    )
    weights = first_weights()
    for _ in range(60):
        given = np.array([0.3, 0.3, 0.3, 0.9])
        weights = weights.updated(given, True)
    assert int(np.argmax(weights.log_weights)) == BASE


def test_what_a_category_learned_comes_back_from_its_bytes(ensemble: Ensemble) -> None:
    assert CANDIDATES[BASE] == "base"
    for count in (0, 5, 30):
        known = category(ensemble, count, count)
        lessons, _ = learn(ensemble, known.signals, known.is_placeholder)
        again = Lessons.from_bytes(lessons.to_bytes())
        assert (again.recent is None) == (count <= 24)
        assert (again.undoubted is None) == (lessons.undoubted is None)
        for name in ("whole", "recent", "undoubted"):
            was, now = getattr(lessons, name), getattr(again, name)
            if was is None or now is None:
                continue
            assert (now.placeholder, now.real) == (was.placeholder, was.real)
            np.testing.assert_array_equal(now.context, was.context)
            assert all(torch.equal(now.heads[name], was.heads[name]) for name in was.heads)


def test_unsure_follows_the_number_of_examples(ensemble: Ensemble) -> None:
    assert ensemble.unsure_below(0, 0) == pytest.approx(0.1)
    assert ensemble.unsure_below(3, 0) == pytest.approx(0.5)
    assert ensemble.unsure_below(1, 1) < ensemble.unsure_below(20, 20)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 120))
def test_no_teacher_can_make_it_worse_than_any_candidate_by_more_than_its_first_weight(
    seed: int, words: int
) -> None:
    """The bound for the start and the share of this page: an adversary picks the labels."""
    rng = np.random.default_rng(seed)
    weights = None
    own, theirs = 0.0, np.zeros(len(CANDIDATES))
    for _ in range(words):
        given = rng.uniform(1e-6, 1 - 1e-6, len(CANDIDATES))
        soft = SLIPS + (1 - 2 * SLIPS) * given
        said = (weights or first_weights()).predict(soft)
        label = bool(said < 0.5)  # whatever hurts more
        own -= float(np.log(said if label else 1 - said))
        theirs -= np.log(soft if label else 1 - soft)
        weights = taught(weights, given, label)
    stay = words * -np.log(1 - SHARE + SHARE / len(CANDIDATES))
    assert (own <= theirs - np.log(START) + stay + 1e-6).all()


def test_a_slip_is_doubted_and_a_turned_category_is_not(ensemble: Ensemble) -> None:
    rng = np.random.default_rng(5)
    d = ensemble.widths[2]
    rows = rng.normal(size=(24, d)).astype(np.float32) * 0.3
    labels = np.arange(24) % 2 == 0
    rows[labels, 0] += 1
    rows[~labels, 0] -= 1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    signals = replace(
        Signals.empty(24, ensemble.widths), visual=rows, embedded=np.ones(24, np.bool_)
    )

    def doubted(signals: Signals, labels: np.ndarray) -> np.ndarray:
        _, left_out = ensemble.study(signals, labels)
        return slips(left_out.numpy(), signals.embedded, labels)

    assert not doubted(signals, labels).any()
    wrong = labels.copy()
    wrong[7] = not wrong[7]
    assert np.flatnonzero(doubted(signals, wrong)).tolist() == [7]
    assert learn(ensemble, signals, wrong)[0].undoubted is not None
    # Never more than a quarter: then it is the category that has turned.
    for seed in range(20):
        anything = np.random.default_rng(seed).random(24) < 0.5
        assert doubted(signals, anything).mean() <= 0.25
    assert not doubted(signals.take(slice(0, 7)), wrong[:7]).any()
