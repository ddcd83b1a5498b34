"""Sameness against brute force, and on pictures that shops have made anew."""

from __future__ import annotations

import dataclasses
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import images, standins
from model.errors import SupportError
from model.experts import sameness
from model.experts.hashing import distance, perceptual_hash
from model.experts.recurrence import recurrence
from model.experts.sameness import _FEW, BITS, COSINE, Sameness, nearness
from model.experts.signals import Signals

ANY = np.random.default_rng


def signals(hashes: np.ndarray, visual: np.ndarray | None = None) -> Signals:
    """Pictures of which nothing else is known."""
    n = len(hashes)
    return dataclasses.replace(
        Signals.empty(n, (0, 0, 4)),
        looked=np.ones(n, bool),
        hashes=hashes.astype(np.uint64),
        embedded=np.full(n, visual is not None),
        visual=np.zeros((n, 4), np.float32) if visual is None else visual.astype(np.float32),
    )


@st.composite
def categories(draw: st.DrawFn) -> tuple[Signals, Signals, np.ndarray]:
    """Queries and examples with many close pairs, and the examples' labels."""
    rng = ANY(draw(st.integers(0, 2**32 - 1)))
    q, m = draw(st.integers(0, 6)), draw(st.integers(0, 7))
    with_visual = draw(st.booleans())
    centres = rng.integers(0, 2**63, 2, dtype=np.uint64)
    axes = rng.standard_normal((2, 4))

    def several(n: int) -> Signals:
        of = rng.integers(0, 2, n)
        flips = rng.integers(0, 64, (n, 12)).astype(np.uint64)
        flips[:, int(rng.integers(0, 13)) :] = flips[:, :1]  # fewer bits at times
        mask = np.bitwise_or.reduce(np.uint64(1) << flips, axis=1) if n else flips[:, 0]
        visual = axes[of] + rng.standard_normal((n, 4)) * rng.uniform(0, 1, (n, 1))
        visual /= np.linalg.norm(visual, axis=1, keepdims=True)
        return signals(centres[of] ^ mask, visual if with_visual else None)

    return several(q), several(m), rng.random(m) < 0.5


@given(categories())
def test_nearness_agrees_with_one_pair_at_a_time(
    case: tuple[Signals, Signals, np.ndarray],
) -> None:
    queries, examples, label = case
    found = nearness(queries, examples, label)
    for i in range(len(queries)):
        for side, wanted in enumerate((True, False)):
            bits, cosine = [BITS], [COSINE]
            for j in np.flatnonzero(label == wanted):
                bits.append(int(distance(queries.hashes[i : i + 1], examples.hashes[j : j + 1])[0]))
                if queries.embedded[i] and examples.embedded[j]:
                    cosine.append(float(queries.visual[i] @ examples.visual[j]))
            assert found.hash[i, side] == pytest.approx(1 - min(bits) / BITS)
            assert found.cosine[i, side] == pytest.approx(
                (min(1, max(cosine)) - COSINE) / (1 - COSINE), abs=1e-5
            )


@given(categories(), st.integers(0, 2**32 - 1), st.booleans())
def test_categories_asked_at_once_answer_as_each_alone(
    case: tuple[Signals, Signals, np.ndarray], seed: int, shared_by_some: bool
) -> None:
    queries, examples, label = case
    rng = ANY(seed)
    # One has more than are compared together, one has none.
    many = rng.integers(0, len(examples), _FEW + 1) if len(examples) else np.zeros(0, np.int64)
    few = rng.permutation(len(examples))[: int(rng.integers(0, len(examples) + 1))]
    sets = [
        (examples, label),
        *((examples.take(rows), label[rows]) for rows in (many, few, few[:0])),
    ]
    of = rng.integers(0, len(sets), len(queries))
    shared = rng.integers(1, 30, len(queries)) if shared_by_some else np.ones(len(queries), int)
    with mock.patch.object(sameness, "_BLOCK", int(rng.choice([1, 2**20]))):
        found = Sameness().answer_each(queries, sets, of, shared)
    for i in range(len(queries)):
        one = slice(i, i + 1)
        alone = Sameness().answer(queries.take(one), *sets[of[i]], shared[one], by_hash=True)
        assert found.answered[i] == alone.answered[0]
        assert found.logit[i] == alone.logit[0]


@given(categories(), st.randoms())
def test_a_batch_equals_one_by_one_and_no_order_matters(
    case: tuple[Signals, Signals, np.ndarray], random: object
) -> None:
    queries, examples, label = case
    whole = Sameness().answer(queries, examples, label)
    assert whole.logit.dtype == np.float32
    assert np.isfinite(whole.logit).all()
    assert (whole.logit[~whole.answered] == 0).all()
    order = list(range(len(label)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = examples.take(np.array(order, np.int64))
    again = Sameness().answer(queries, mixed, label[order])
    np.testing.assert_allclose(again.logit, whole.logit, atol=1e-5)
    for i in range(len(queries)):
        one = Sameness().answer(queries.take(slice(i, i + 1)), examples, label)
        assert one.logit[0] == pytest.approx(float(whole.logit[i]), abs=1e-5)
        assert one.answered[0] == whole.answered[i]


@given(categories())
def test_blocks_do_not_show(case: tuple[Signals, Signals, np.ndarray]) -> None:
    queries, examples, label = case
    whole = nearness(queries, examples, label)
    before, sameness._BLOCK = sameness._BLOCK, 2
    try:
        blocks = nearness(queries, examples, label)
    finally:
        sameness._BLOCK = before
    np.testing.assert_array_equal(blocks.hash, whole.hash)
    np.testing.assert_allclose(blocks.cosine, whole.cosine, atol=1e-6)


@given(categories())
def test_leaving_one_out_is_being_without_it(case: tuple[Signals, Signals, np.ndarray]) -> None:
    _, examples, label = case
    m = len(label)
    found = Sameness().answer(examples, examples, label, itself=np.arange(m))
    for i in range(m):
        rest = np.arange(m) != i
        alone = Sameness().answer(examples.take(slice(i, i + 1)), examples.take(rest), label[rest])
        assert found.logit[i] == pytest.approx(float(alone.logit[0]), abs=1e-5)
        assert found.answered[i] == alone.answered[0]


@given(categories())
def test_labels_exchanged_is_the_answer_turned_around(
    case: tuple[Signals, Signals, np.ndarray],
) -> None:
    """With weights that are alike for both labels."""
    queries, examples, label = case
    even = Sameness((5.0, 5.0), (2.0, 2.0), (3.0, 3.0))
    one, other = even.answer(queries, examples, label), even.answer(queries, examples, ~label)
    np.testing.assert_allclose(one.logit, -other.logit, atol=1e-5)
    np.testing.assert_array_equal(one.answered, other.answered)


def test_the_same_picture_is_strong_evidence_for_its_label() -> None:
    hashes = ANY(0).integers(0, 2**63, 2, dtype=np.uint64)
    for visual in (None, np.eye(4)[:2]):
        both = signals(hashes, visual)
        found = Sameness().answer(both, both, np.array([True, False]))
        assert found.answered.all()
        assert found.logit[0] > 3
        assert found.logit[1] < -3


def test_a_picture_like_nothing_seen_is_not_answered() -> None:
    hashes = ANY(1).integers(0, 2**63, 9, dtype=np.uint64)
    queries, examples = signals(hashes[:4]), signals(hashes[4:])
    found = Sameness().answer(queries, examples, np.array([True, False, True, False, True]))
    assert not found.answered.any()
    assert not found.logit.any()
    none = Sameness().answer(queries, examples.take(slice(0, 0)), np.zeros(0, bool))
    assert not none.answered.any()


def before_the_encoder(seen: Signals) -> Signals:
    n = len(seen)
    return dataclasses.replace(
        seen, embedded=np.zeros(n, np.bool_), visual=np.zeros((n, 0), np.float32)
    )


def test_pictures_without_a_hash_or_an_embedding_are_not_compared_by_it() -> None:
    hashes = ANY(3).integers(0, 2**63, 2, dtype=np.uint64)
    both, label = signals(hashes, np.eye(4)[:2]), np.array([True, False])
    unseen = before_the_encoder(dataclasses.replace(both, looked=np.zeros(2, bool)))
    for queries, examples in ((both, unseen), (unseen, both)):
        assert not Sameness().answer(queries, examples, label).answered.any()
    by_hash = Sameness().answer(before_the_encoder(both), both, label)
    np.testing.assert_allclose(by_hash.logit, sameness.HASH_ALONE * np.array([1, -1]), atol=1e-5)
    whatever = Sameness().answer(both, both, label, by_hash=True)
    np.testing.assert_array_equal(whatever.logit, by_hash.logit)
    np.testing.assert_array_equal(whatever.answered, by_hash.answered)
    by_sight = Sameness().answer(both, dataclasses.replace(both, looked=np.zeros(2, bool)), label)
    np.testing.assert_allclose(by_sight.logit, sameness.COSINE_BESIDE * np.array([1, -1]), 1e-4)


def test_recurrence_speaks_where_nothing_is_known_and_adds_where_something_is() -> None:
    hashes = ANY(2).integers(0, 2**63, 3, dtype=np.uint64)
    queries, example = signals(hashes), signals(hashes[:1])
    shared = np.array([300, 300, 1])
    without = Sameness().answer(queries, example, np.array([True]))
    found = Sameness().answer(queries, example, np.array([True]), shared, catalogue=5000)
    ratio = recurrence(shared, 5000)[0]
    np.testing.assert_allclose(found.logit, without.logit + ratio, atol=1e-5)
    assert found.answered.tolist() == [True, True, False]
    # Nobody said how many items there are.
    guessed = Sameness().answer(queries, example, np.array([True]), np.array([20_000, 1, 1]))
    assert guessed.logit[0] > 8


def test_a_stand_in_is_found_again_after_shops_have_had_it() -> None:
    resources = standins.builtin_resources()
    drawn = [
        standins.draw(kind, ANY([7, i]), resources).image for i, kind in enumerate(standins.KINDS)
    ]
    goods = [
        standins.draw_product(family, ANY([8, i]), resources).image
        for i, family in enumerate(standins.PRODUCT_FAMILIES)
    ]

    def looked(pictures: list) -> Signals:  # type: ignore[type-arg]
        boxed = np.stack([images.letterbox(each, 224) for each in pictures])
        return signals(perceptual_hash(boxed, np.array([each.size for each in pictures])))

    examples = looked(drawn + goods)
    label = np.arange(len(drawn) + len(goods)) < len(drawn)
    smaller = [
        each.resize((max(1, each.width * 2 // 3), max(1, each.height * 2 // 3)))
        for each in drawn + goods
    ]
    found = Sameness().answer(looked(smaller), examples, label)
    assert found.answered.mean() > 0.8
    assert ((found.logit > 0) == label)[found.answered].all()


def test_impossible_shapes_are_refused() -> None:
    two = signals(np.array([1, 2]))
    with pytest.raises(SupportError, match="label for each of 2"):
        Sameness().answer(two, two, np.array([True]))
    with pytest.raises(SupportError, match="count for each of 2"):
        Sameness().answer(two, two, np.array([True, False]), np.array([1]))
    with pytest.raises(SupportError, match="row for each of 2"):
        Sameness().answer(two, two, np.array([True, False]), itself=np.array([0]))
