"""The rules that every learner of the yardstick keeps, whatever its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.yardsticks.omniglot.episodes import Background
from model.yardsticks.omniglot.glyphs import Wobble
from model.yardsticks.omniglot.learners import LEARNERS, UnknownLearner, build
from tests.model.yardsticks.omniglot import made_glyphs as made

WAYS = 5
BACKGROUND = Background([made.alphabet("Waw", 6, 4)], ways=WAYS, queries=2)
EPISODE = BACKGROUND.draw(np.random.default_rng(0), Wobble())
every_learner = pytest.mark.parametrize("name", LEARNERS)


def moved(name: str) -> torch.nn.Module:
    """A learner a step away from its start, where symmetries of the start are gone."""
    learner = build(name, WAYS, BACKGROUND.classes, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in learner.parameters():
            value += 0.02 * torch.randn(value.shape, generator=generator)
    return learner


@every_learner
@torch.no_grad()
def test_a_trial_looks_at_no_other_trial(name: str) -> None:
    learner = moved(name)
    together = learner.logits(EPISODE.support, EPISODE.query)
    assert together.shape == (len(EPISODE.query), WAYS)
    alone = [learner.logits(EPISODE.support, q[None]) for q in EPISODE.query[:3]]
    torch.testing.assert_close(torch.cat(alone), together[:3], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", sorted(set(LEARNERS) - {"memory-augmented"}))
@torch.no_grad()
def test_renaming_the_classes_renames_the_answers(name: str) -> None:
    """All but the memory, to which a class is the number of an output."""
    learner = moved(name)
    order = torch.tensor([3, 0, 4, 2, 1])
    plain = learner.logits(EPISODE.support, EPISODE.query)
    renamed = learner.logits(EPISODE.support[order], EPISODE.query)
    torch.testing.assert_close(renamed, plain[:, order], atol=1e-3, rtol=1e-3)


@every_learner
def test_fewer_classes_are_answered_too_and_every_parameter_learns(name: str) -> None:
    learner = moved(name)
    assert learner.logits(EPISODE.support[:3], EPISODE.query[:2]).shape == (2, 3)
    loss = learner.loss(BACKGROUND, np.random.default_rng(1), Wobble())
    assert bool(torch.isfinite(loss))
    loss.backward()
    still = [n for n, p in learner.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@every_learner
def test_the_seed_decides_the_start_and_nobody_elses_chance(name: str) -> None:
    before = torch.get_rng_state()
    one, again, other = (build(name, WAYS, BACKGROUND.classes, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    starts = zip(one.parameters(), again.parameters(), other.parameters(), strict=True)
    differ = False
    for a, b, c in starts:
        assert torch.equal(a, b)
        differ |= not torch.equal(a, c)
    assert differ


def test_an_unknown_learner_is_refused_by_name() -> None:
    with pytest.raises(UnknownLearner, match=r"'prototypcal'.*there are convnet"):
        build("prototypcal", WAYS, BACKGROUND.classes, 0)
