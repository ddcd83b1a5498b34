"""One point: measured as the service would answer, kept and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.episodes import EpisodeSampler, Shots, Traits
from model.learners.blended_prior import BlendedPrior
from model.metrics import auroc
from model.reports.few_shot import Condition, draw_episodes
from model.reports.learning_curve_points import HeldOut, Outcome, measure

DIM = 6


def _held() -> HeldOut:
    rng = np.random.default_rng(0)
    traits = [
        Traits(
            is_standin=i % 2 == 0,
            category="" if i % 2 == 0 else "shoes",
            kind=("text", "blank", "logo")[i % 3] if i % 2 == 0 else "",
            look=("", "lettering", "icon")[i % 3] if i % 2 == 0 else "",
        )
        for i in range(120)
    ]
    rows = torch.from_numpy(rng.normal(size=(120, DIM)).astype(np.float32))
    rows = torch.nn.functional.normalize(rows, dim=1)
    return HeldOut(rows, np.array([t.is_standin for t in traits]), EpisodeSampler(traits))


def _learner() -> BlendedPrior:
    torch.manual_seed(0)
    learner = BlendedPrior(DIM, 2, doubt=0.8)
    torch.nn.init.normal_(learner.mean, std=0.5)
    learner.set_zero_shot(torch.randn(DIM + 1))
    return learner.eval()


def test_many_tasks_at_once_are_answered_as_one_by_one() -> None:
    held, learner = _held(), _learner()
    figures, zero_shot = measure(lambda rows: rows, learner, held, episodes=60, seed=3)
    condition = Condition("real", "ordinary", Shots(5, 5))
    expected = []
    for task in draw_episodes(held.sampler, condition, 60, 3):
        y = torch.from_numpy(task.support_is_placeholder)
        state = learner.adapt(held.pooled[task.support], y)
        said = learner.score(state, held.pooled[task.query]).numpy() > 0.5
        expected.append((said == task.query_is_placeholder).mean())
    assert figures["ordinary accuracy 5"].tolist() == pytest.approx(expected)
    expected = []
    for look in ("icon", "lettering"):  # the tasks are shared among the looks
        for task in draw_episodes(
            held.sampler, Condition("real", "turning", Shots(1, 1), look), 30, 3
        ):
            y = torch.from_numpy(task.support_is_placeholder)
            state = learner.adapt(held.pooled[task.support], y)
            said = learner.score(state, held.pooled[task.query]).numpy()
            expected.append(auroc(said, task.query_is_placeholder))
    assert figures["turning auroc 1"].tolist() == pytest.approx(expected, abs=1e-6)
    nothing = learner.adapt(held.pooled[:0], torch.zeros(0, dtype=torch.bool))
    assert np.allclose(zero_shot, learner.score(nothing, held.pooled).numpy())


def test_an_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = Outcome({"turning auroc 5": rng.random(7)}, rng.random(4), 50, 6)
    written.save(tmp_path / "deeper" / "point.npz")
    found = Outcome.load(tmp_path / "deeper" / "point.npz")
    assert np.array_equal(found.figures["turning auroc 5"], written.figures["turning auroc 5"])
    assert np.array_equal(found.zero_shot, written.zero_shot)
    assert (found.views, found.names) == (50, 6)
