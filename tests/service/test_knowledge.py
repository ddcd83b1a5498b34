"""What a category knows, from what the store keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.ensemble import Ensemble
from model.questions import Known, Question
from model.teacher.candidates import answer, first_weights, learn
from service.knowledge import Knowledge, weights_of
from service.store import ActiveHead, ExampleMatrix
from tests.model.experts_random import random_ensemble
from tests.model.test_ensemble import looks


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return random_ensemble(2)


def kept(ensemble: Ensemble, count: int) -> tuple[ActiveHead, ExampleMatrix]:
    """A category as the store has it after an upload of so many pictures."""
    signals = ensemble.examine(looks(ensemble, 1, count))
    labels = np.arange(count) % 2 == 0
    matrix = ExampleMatrix(
        tuple(f"{i:032x}" for i in range(count)),
        tuple("placeholder" if label else "real" for label in labels),
        signals.visual,
        tuple(signals.packed(row, ensemble.mark) for row in range(count)),
    )
    knowledge = Knowledge(ensemble)
    lessons, _ = learn(ensemble, knowledge.signals(matrix.embeddings, matrix.signals), labels)
    head = ActiveHead(
        category="shoes",
        known=True,
        version=1,
        state=lessons.to_bytes(),
        learner=ensemble.name,
        model_sha256="1" * 64,
        threshold=None,
        unsure_band=None,
        placeholder_count=int(labels.sum()),
        real_count=int((~labels).sum()),
        etag=None,
        category_id="2" * 32,
        online=first_weights().to_array().astype("<f8").tobytes(),
    )
    return head, matrix


def test_a_state_of_other_experts_is_made_again_from_the_examples(ensemble: Ensemble) -> None:
    head, matrix = kept(ensemble, 9)
    own = Knowledge(ensemble).category(head, matrix)
    for strange in (
        replace(head, learner="blended-prior+000000000000"),
        replace(head, state=head.state[:40] if head.state else None),
    ):
        again = Knowledge(ensemble).category(strange, matrix)
        for name, state in own.known.state.heads.items():
            torch.testing.assert_close(again.known.state.heads[name], state, atol=1e-5, rtol=1e-5)
    assert own.online is not None
    np.testing.assert_allclose(own.online.log_weights, first_weights().log_weights)


def test_what_is_sent_answers_alike_and_mostly_without_embeddings(ensemble: Ensemble) -> None:
    """Whichever way it was kept: as this release's own, or to be learned again where it is read."""
    head, matrix = kept(ensemble, 9)
    strange = replace(head, learner="blended-prior+000000000000")
    seen = ensemble.examine(looks(ensemble, 1, 6))  # its own examples among them
    questions = [Question(row, 0, 1 + row % 2) for row in range(len(seen))]
    for one in (head, strange):
        mine = Knowledge(ensemble).category(one, matrix)
        data = mine.kept.to_bytes()
        assert (matrix.embeddings.tobytes() in data) == (one is strange)
        there = Knowledge(ensemble).sent(data)
        assert there.counts == mine.counts == (5, 4)
        given = [
            answer(ensemble, seen, [each.known], [each.lessons], [each.online], questions)
            for each in (mine, there)
        ]
        np.testing.assert_array_equal(given[0].probability, given[1].probability)
        # As whoever has all of the examples at hand would answer.
        signals = Knowledge(ensemble).signals(matrix.embeddings, matrix.signals)
        whole = Known(mine.known.state, signals, matrix.is_placeholder)
        full = answer(ensemble, seen, [whole], [mine.lessons], [mine.online], questions)
        np.testing.assert_array_equal(full.probability, given[0].probability)
        assert full.route.answered[:, 1].any()  # sameness: it takes the examples' hashes


def test_signals_of_other_experts_count_as_never_seen(ensemble: Ensemble) -> None:
    _, matrix = kept(ensemble, 4)
    other = [
        None if data is None else data[:6] + b"\0\0\0\0" + data[10:] for data in matrix.signals
    ]
    signals = Knowledge(ensemble).signals(matrix.embeddings, other)
    assert not signals.looked.any()
    assert not signals.read.any()
    assert signals.embedded.all()
    # A row of zeros says that the encoder was not asked.
    dark = Knowledge(ensemble).signals(np.zeros_like(matrix.embeddings), matrix.signals)
    assert not dark.embedded.any()
    assert dark.looked.all()


def test_a_category_without_a_state_is_the_base_model(ensemble: Ensemble) -> None:
    head, matrix = kept(ensemble, 4)
    for bare in (replace(head, state=None), replace(head, category_id=None)):
        found = Knowledge(ensemble).category(bare, matrix)
        assert found.known.state is ensemble.base
        assert found.online is None


@pytest.mark.parametrize("data", [None, b"", b"123", np.zeros(9).tobytes(), b"\xff" * 48])
def test_weights_that_cannot_be_used_are_none(data: bytes | None) -> None:
    assert weights_of(data) is None


def test_a_glance_teaches_as_an_example_and_stays_a_glance_as_a_picture(ensemble: Ensemble) -> None:
    """Of a picture that a glance settled nothing else is there for the teacher's word to teach."""
    whole = ensemble.examine(looks(ensemble, 3, 3))
    rows = ensemble.examine(looks(ensemble, 4, 3)).visual
    seen = replace(
        whole,
        embedded=np.array([False, True, True]),
        visual=whole.visual * np.array([[0], [1], [1]], np.float32),
        glanced=np.array([True, True, False]),
        glance=rows * np.array([[1], [1], [0]], np.float32),
    )
    packed = [seen.packed(row, ensemble.mark) for row in range(3)]
    closest = seen.closest
    np.testing.assert_array_equal(closest, np.stack([rows[0], whole.visual[1], whole.visual[2]]))
    knowledge = Knowledge(ensemble)
    examples = knowledge.signals(closest, packed)
    assert examples.embedded.all()
    assert examples.looked.all()
    np.testing.assert_array_equal(examples.visual, closest)
    again = knowledge.as_seen(closest, packed)
    for name in ("looked", "read", "embedded", "glanced"):
        np.testing.assert_array_equal(getattr(again, name), getattr(seen, name))
    for name in ("visual", "glance"):
        np.testing.assert_allclose(getattr(again, name), getattr(seen, name), atol=1e-3)
    # Of other experts the embedding is left, whichever it was.
    strange = [data[:6] + b"\0\0\0\0" + data[10:] for data in packed]
    left = knowledge.as_seen(closest, strange)
    assert left.embedded.all()
    assert not left.looked.any()


def test_what_nobody_looked_at_takes_no_memory(ensemble: Ensemble) -> None:
    whole = ensemble.examine(looks(ensemble, 5, 2))
    small = whole.one(0)
    assert small.glance.strides == (0, 0)
    assert small.visual.base is None  # a view would keep all of the others
    for name in ("hashes", "statistics", "visual", "glance"):
        np.testing.assert_array_equal(getattr(small, name), getattr(whole, name)[:1])
