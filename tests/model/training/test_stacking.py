"""Trust is fitted to pictures that the priors have not seen, and to nothing else."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from model.episodes import EpisodeSampler, Traits
from model.learners.blended_prior import BlendedPrior
from model.training.config import LearnerStageConfig
from model.training.objective import EpisodeBatch, task_losses
from model.training.pools import draw_tasks
from model.training.sources import ViewLabel
from model.training.stacking import FOLDS, LeftOut, fit_stacking, fold_of

DIM = 8


def view(role: str, category: str, fine: str) -> ViewLabel:
    return ViewLabel(not category, category, "", "", fine, "", role, False)  # type: ignore[arg-type]


@given(name=st.text(min_size=1, max_size=12), fine=st.text(max_size=8))
def test_only_what_the_encoder_has_not_seen_has_a_fold_and_a_category_has_one(
    name: str, fine: str
) -> None:
    assert fold_of(view("encoder", name, fine)) is None
    assert fold_of(view("validation", name, fine)) is None
    fold = fold_of(view("learner", name, fine))
    assert fold in range(FOLDS)
    assert fold == fold_of(view("learner", name, "something else"))


def left_out(seed: int) -> LeftOut:
    """Tasks in which the prior is sure and wrong: what it calls a stand-in is the product."""
    generator = torch.Generator().manual_seed(seed)
    centre = 2 * functional.one_hot(torch.tensor([0, 1] * 30), DIM)
    x = functional.normalize(torch.randn(60, DIM, generator=generator) * 0.5 + centre, dim=1)
    traits = [Traits(i % 2 == 0, "" if i % 2 == 0 else "shoes", "text", "") for i in range(60)]
    torch.manual_seed(seed)
    learner = BlendedPrior(DIM, 2)
    with torch.no_grad():
        learner.mean[:, 0], learner.mean[:, 1] = -3.0, 3.0
        learner.log_width.fill_(-4.0)
    return LeftOut(learner, x, traits)


def test_a_prior_that_is_wrong_elsewhere_is_trusted_less() -> None:
    parts = [left_out(0), left_out(1)]
    learner = BlendedPrior(DIM, 2)
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    priors = parts[0].learner.mean.clone()
    config = LearnerStageConfig(stacking_steps=40, tasks=8, queries=6, learning_rate=0.05)

    def loss() -> float:
        part = parts[0]
        sampler = EpisodeSampler(part.traits, queries=6)
        tasks = draw_tasks(sampler, 60, np.random.default_rng(5), 8)
        both = [t for t in tasks if 0 < t.support_is_placeholder.sum() < len(t.support)]
        batch = EpisodeBatch.of(both)
        return float(task_losses(part.learner, part.embeddings, batch).mean().detach())

    at_first = loss()
    fit_stacking(learner, parts, config, seed=0)
    assert loss() < 0.7 * at_first
    assert parts[0].learner.trust is learner.trust
    assert torch.equal(parts[0].learner.mean, priors)
    changed = {key for key, value in learner.state_dict().items() if not value.equal(before[key])}
    assert changed
    assert all(key.startswith(("trust.", "calibrate.")) for key in changed)


def test_folds_without_tasks_change_nothing() -> None:
    part = left_out(0)
    alone = LeftOut(part.learner, part.embeddings[:8], [Traits(True, "", "text", "")] * 8)
    learner = BlendedPrior(DIM, 2)
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    fit_stacking(learner, [alone], LearnerStageConfig(stacking_steps=5), seed=0)
    assert all(value.equal(before[key]) for key, value in learner.state_dict().items())
    fit_stacking(learner, [alone, part], LearnerStageConfig(stacking_steps=2, queries=6), seed=0)
    assert not all(value.equal(before[key]) for key, value in learner.state_dict().items())
