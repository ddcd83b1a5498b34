"""From a support set to what the store keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, roc_auc_score

from model import Model
from model.teacher.candidates import Lessons
from service.knowledge import Knowledge
from service.learning import Fitter
from service.metrics import Metrics
from service.store import Support, Trial


def support(seed: int, placeholder: int, real: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((placeholder + real, dim)).astype(np.float32)
    rows[:placeholder, 0] += 1.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, np.arange(placeholder + real) < placeholder


@given(st.integers(0, 99), st.integers(0, 6), st.integers(0, 6))
def test_the_state_is_the_learner_s_and_quality_is_leave_one_out(
    small_model: Model, seed: int, placeholder: int, real: int
) -> None:
    learner = small_model.learner
    x, y = support(seed, placeholder, real, learner.embedding_dim)
    x.flags.writeable = y.flags.writeable = False
    found = Fitter(small_model, Knowledge(small_model.ensemble), 100, Metrics())(Support(x, y))
    expected = learner.adapt(torch.tensor(x), torch.tensor(y))
    lessons = Lessons.from_bytes(found.state)
    assert found.learner == expected.learner  # these weights have no other experts
    assert lessons.recent is None
    torch.testing.assert_close(lessons.whole.heads["visual"], expected.state)
    assert found.model_sha256 == small_model.card.sha256
    if min(placeholder, real) < 2:
        assert found.quality is None
        return
    assert found.quality is not None
    # Each example under a head fitted to the others, by another road.
    left_out = []
    for index in range(len(y)):
        others = np.arange(len(y)) != index
        fitted = learner.adapt(torch.tensor(x[others]), torch.tensor(y[others]))
        left_out.append(float(learner.score(fitted, torch.tensor(x[[index]]))[0]))
    said = np.array(left_out) >= 0.5
    assert found.quality["examples"] == len(y)
    assert found.quality["accuracy"] == pytest.approx(accuracy_score(y, said), abs=1e-4)
    assert found.quality["auroc"] == pytest.approx(roc_auc_score(y, left_out), abs=1e-3)
    assert found.quality["missed_placeholders"] == int((~said & y).sum())
    assert found.quality["false_alarms"] == int((said & ~y).sum())


def test_guesses_teach_and_do_not_make_it_surer_of_itself(small_model: Model) -> None:
    x, y = support(3, 6, 6, small_model.learner.embedding_dim)
    guessed = np.arange(12) % 3 == 0
    fitter = Fitter(small_model, Knowledge(small_model.ensemble), 100, Metrics())
    found = fitter(Support(x, y, guessed=guessed))
    alone = Lessons.from_bytes(fitter(Support(x[~guessed], y[~guessed])).state)
    lessons = Lessons.from_bytes(found.state)
    everything = Lessons.from_bytes(fitter(Support(x, y)).state).whole.heads["visual"]
    torch.testing.assert_close(lessons.whole.heads["visual"], everything)
    # One candidate is without them, however few examples there are.
    assert lessons.recent is not None
    torch.testing.assert_close(lessons.recent.heads["visual"], alone.whole.heads["visual"])
    assert (lessons.whole.placeholder, lessons.whole.real) == (4, 4)
    assert found.quality is not None
    assert found.quality["examples"] == 8


def test_guesses_are_tried_on_words_by_what_the_teacher_s_examples_say(small_model: Model) -> None:
    d = small_model.learner.embedding_dim
    x, y = support(4, 6, 6, d)
    words, said = support(5, 3, 3, d)
    fitter = Fitter(small_model, Knowledge(small_model.ensemble), 100, Metrics())
    guessed = np.arange(12) % 2 == 0
    labels = np.where(guessed, ~y, y)
    trial = Trial(Support(x, labels, guessed=guessed), Support(words, said), 0.5)
    # By another road: the learner alone, which is all that these weights have.
    learner = small_model.learner
    p = [
        learner.score(
            learner.adapt(torch.tensor(x[r]), torch.tensor(labels[r])), torch.tensor(words)
        )
        .double()
        .numpy()
        for r in (np.ones(12, np.bool_), ~guessed)
    ]
    lost = 0.5
    for with_them, alone, is_placeholder in zip(*p, said, strict=True):
        right = (alone, with_them) if is_placeholder else (1 - alone, 1 - with_them)
        lost = max(0.0, lost + float(np.log(right[0]) - np.log(right[1])))
    assert lost > 0.5  # wrong guesses lose
    found = fitter(Support(x, labels, guessed=guessed, trial=trial))
    assert found.guess_loss == pytest.approx(lost, abs=1e-4)
    assert not found.drops_guesses
    much = replace(trial, lost=3.0)
    assert fitter(Support(x, labels, guessed=guessed, trial=much)).drops_guesses
    # Right ones earn, which pays for nothing later.
    right = Trial(Support(x, y, guessed=guessed), Support(words, said), 0.0)
    assert fitter.tried(right) < lost


def test_an_empty_set_gives_the_base_head(small_model: Model) -> None:
    found = Fitter(small_model, Knowledge(small_model.ensemble), 100, Metrics())(
        Support(np.zeros((0, 0), np.float32), np.zeros(0, np.bool_))
    )
    base = small_model.ensemble.base.heads["visual"]
    torch.testing.assert_close(Lessons.from_bytes(found.state).whole.heads["visual"], base)


def test_quality_is_left_out_of_large_categories(small_model: Model) -> None:
    x, y = support(0, 5, 5, small_model.learner.embedding_dim)
    assert (
        Fitter(small_model, Knowledge(small_model.ensemble), 9, Metrics())(Support(x, y)).quality
        is None
    )
    assert (
        Fitter(small_model, Knowledge(small_model.ensemble), 10, Metrics())(Support(x, y)).quality
        is not None
    )
