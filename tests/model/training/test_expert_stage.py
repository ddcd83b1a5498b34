"""The experts' stage on made-up categories where the right answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from model.errors import SupportError
from model.experts.signal_expert import SignalExpert
from model.metalearner.conformal import ONE_SIDED
from model.metalearner.context import CONTEXT
from model.metrics import auroc
from model.policy.log import Log
from model.training.config import LearnerStageConfig
from model.training.expert_log import joined
from model.training.expert_stage import (
    draw_logged_tasks,
    fit_unsure,
    row_weights,
    train_combination,
    train_signal_expert,
)
from model.training.sources import ViewLabel

CONFIG = LearnerStageConfig(
    components=2, steps=40, stacking_steps=10, tasks=8, most_shots=4, queries=6
)


def views(rng: np.random.Generator) -> tuple[torch.Tensor, list[ViewLabel]]:
    """Stand-ins lie on the other side of one of the numbers than products of any category."""
    labels, rows = [], []
    for group in range(12):
        for _ in range(14):
            is_standin = group % 2 == 0
            signal = rng.normal(size=6)
            signal[0] += 2 if is_standin else -2
            signal[1 + group % 5] += 1.5
            rows.append(signal)
            labels.append(
                ViewLabel(
                    is_standin=is_standin,
                    category="" if is_standin else f"goods {group}",
                    kind=f"kind {group}" if is_standin else "",
                    look="",
                    fine=f"family {group}" if is_standin else f"product:goods {group}",
                    hardtag="",
                    role="learner",
                    drawn=False,
                )
            )
    return torch.tensor(np.array(rows), dtype=torch.float32), labels


def test_an_expert_learns_what_tells_stand_ins_apart(tmp_path: Path) -> None:
    signals, labels = views(np.random.default_rng(0))
    fitted = train_signal_expert(signals, labels, CONFIG, 5, tmp_path, "f" * 64, hidden=16)
    assert len(fitted.folds) == 2
    fresh, truth = views(np.random.default_rng(1))
    y = np.array([label.is_standin for label in truth])
    for expert in (fitted.whole, *fitted.folds):
        x = torch.from_numpy(expert.embed(fresh.numpy()))
        base = expert.learner.adapt(x[:0], torch.zeros(0, dtype=torch.bool))
        said = expert.learner.score(base, x).numpy()
        assert auroc(said, y) > 0.93
    again = train_signal_expert(signals, labels, CONFIG, 5, tmp_path, "f" * 64, hidden=16)
    for key, value in fitted.whole.state_dict().items():
        assert torch.equal(value, again.whole.state_dict()[key]), key


def made_log(rng: np.random.Generator, tasks: int, rows: int = 16) -> Log:
    """The fourth expert is right where the first of the context is high, and noise elsewhere."""
    good = np.repeat(rng.random(tasks) < 0.5, rows)
    label = np.tile(np.arange(rows) < rows // 2, tasks)
    sign = np.where(label, 1.0, -1.0)
    logits = rng.normal(size=(tasks * rows, 4))
    logits[:, 0] += 0.7 * sign
    logits[:, 3] = np.where(good, 3 * sign, 0) + 1.5 * logits[:, 3]
    context = np.zeros((tasks * rows, len(CONTEXT)), np.float32)
    context[:, 0] = good
    shots = np.repeat(rng.integers(0, 6, size=(tasks, 2)), rows, axis=0)
    return Log(
        logits=logits.astype(np.float32),
        answered=np.ones((tasks * rows, 4), np.bool_),
        context=context,
        label=label,
        episode=np.repeat(np.arange(tasks), rows),
        sort=np.full(tasks * rows, "ordinary"),
        shots=shots,
        kind=np.full(tasks * rows, "text"),
        context_names=CONTEXT,
    )


def loss(log: Log, z: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(log.label, -z, z)).mean())


def test_the_top_level_believes_whom_the_context_speaks_for() -> None:
    rng = np.random.default_rng(2)
    log, fresh = made_log(rng, 300), made_log(rng, 300)
    combination = train_combination(log, 0, steps=400)
    spoke, context = torch.from_numpy(fresh.answered), torch.from_numpy(fresh.context)
    z = combination(torch.from_numpy(fresh.logits), spoke, context).numpy()
    alone = [loss(fresh, fresh.logits[:, i]) for i in range(4)]
    average = loss(fresh, fresh.logits.mean(axis=1))
    assert loss(fresh, z) < 0.8 * min(*alone, average)
    weights, _ = combination.weights(spoke, context)
    good = fresh.context[:, 0] > 0
    assert weights[good, 3].mean() > 2 * weights[~good, 3].mean()


def test_tasks_weigh_the_same_and_stand_ins_are_rare_before_any_example() -> None:
    log = made_log(np.random.default_rng(3), 50)
    weight = row_weights(log)
    for episode in range(50):
        rows = log.episode == episode
        assert weight[rows].sum() == pytest.approx(1, abs=1e-5)
        share = 0.5 if log.shots[rows].any() else 0.1
        assert weight[rows & log.label].sum() == pytest.approx(share, abs=1e-5)


def test_unsure_is_wider_for_a_stricter_promise_and_logs_join() -> None:
    rng = np.random.default_rng(4)
    parts = [made_log(rng, 200), made_log(rng, 100)]
    log = joined(parts)
    assert len(np.unique(log.episode)) == 300
    assert len(log) == sum(len(part) for part in parts)
    combination = train_combination(log, 0, steps=200)
    strict, loose = (fit_unsure(log, combination, alpha) for alpha in (0.05, 0.2))
    assert len(strict) == ONE_SIDED + 1
    assert all(0 <= s <= t <= 0.5 for s, t in zip(strict, loose, strict=True))
    assert sum(strict) < sum(loose)


def test_logged_tasks_are_the_same_for_the_same_seed() -> None:
    _, labels = views(np.random.default_rng(0))
    labels = [replace(label, look="logo" if label.is_standin else "") for label in labels]
    one, same, other = (draw_logged_tasks(labels, 20, seed, queries=5) for seed in (1, 1, 2))
    assert all(np.array_equal(a.support, b.support) for a, b in zip(one, same, strict=True))
    assert any(not np.array_equal(a.query, b.query) for a, b in zip(one, other, strict=True))


def test_what_is_asked_in_arrays_is_what_was_trained_in_tensors() -> None:
    rng = np.random.default_rng(7)
    x = torch.tensor(rng.normal(size=(200, 5)), dtype=torch.float32) * 3
    for hidden in (0, 32):
        expert = SignalExpert(5, 2, hidden=hidden)
        expert.standardise(x)
        expected = expert.embed_pooled(expert.scaled(x)).detach().numpy()
        np.testing.assert_allclose(expert.embed(x.numpy()), expected, atol=2e-6)
        alone = np.concatenate([expert.embed(x.numpy()[i : i + 1]) for i in range(len(x))])
        np.testing.assert_allclose(alone, expected, atol=2e-6)
    with pytest.raises(SupportError, match=r"shape \(n, 5\), got \(2, 4\)"):
        expert.embed(np.zeros((2, 4), np.float32))


def test_random_features_let_a_linear_head_tell_inside_from_outside() -> None:
    """Stand-ins lie within a ball, goods outside: no plane parts them."""
    rng = np.random.default_rng(6)
    x = torch.tensor(rng.normal(size=(800, 4)), dtype=torch.float32)
    y = (x.square().sum(1) < 3.36).numpy()  # the median of chi-square with four degrees
    found = []
    for hidden in (0, 128):
        expert = SignalExpert(4, 2, hidden=hidden)
        expert.standardise(x)
        features = expert.scaled(x).numpy()
        torch.testing.assert_close(expert.scaled(x).norm(dim=1), torch.ones(800), atol=1e-5, rtol=0)
        head = LogisticRegression(C=1000, max_iter=2000).fit(features[:400], y[:400])
        found.append(auroc(head.decision_function(features[400:]), y[400:]))
    assert found[0] < 0.65
    assert found[1] > 0.9
