"""What is known of a category, against the record counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.learners.blended_prior import BlendedPrior
from model.metalearner.context import ADAPTED, CONTEXT, Record, describe, record, skill


def test_skill_is_one_less_the_loss_in_coins() -> None:
    sure = np.array([1 - 1e-6, 1e-6], np.float32)
    assert skill(sure, np.array([True, False])) == pytest.approx(1, abs=1e-4)
    assert skill(np.array([0.5, 0.5], np.float32), np.array([True, False])) == pytest.approx(
        0, abs=1e-6
    )
    assert skill(sure, np.array([False, True])) == -3  # as bad as is counted
    assert skill(sure[:0], np.zeros(0, np.bool_)) == 0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 6))
def test_every_number_of_a_context(seed: int, placeholder: int, real: int) -> None:
    torch.manual_seed(seed)
    learners = {name: BlendedPrior(8, 2).eval().requires_grad_(False) for name in ADAPTED}
    for learner in learners.values():
        torch.nn.init.normal_(learner.mean, std=0.5)
    n = placeholder + real
    x = torch.nn.functional.normalize(torch.randn(n, 8), dim=1)
    y = torch.arange(n) < placeholder
    # Words saw only every other example.
    support = {name: (x[::2], y[::2]) if name == "words" else (x, y) for name in ADAPTED}
    told = {}
    for name, (seen, labels) in support.items():
        learner = learners[name]
        base = learner.score(learner.adapt(x[:0], y[:0]), seen)
        left_out = learner.leave_one_out(seen, labels)
        told[name] = Record(left_out.numpy(), base.numpy(), labels.numpy())
    found = dict(zip(CONTEXT, describe(told, y.numpy()).tolist(), strict=True))
    assert found["log_placeholder"] == pytest.approx(math.log1p(placeholder))
    assert found["log_real"] == pytest.approx(math.log1p(real))
    assert found["both"] == (placeholder > 0 and real > 0)
    assert found["one_sided"] == ((placeholder == 0) != (real == 0))
    for name in ADAPTED:
        seen, labels = support[name]
        base = learners[name].adapt(x[:0], y[:0])
        expected = skill(learners[name].score(base, seen).numpy(), labels.numpy())
        assert found[f"{name}_base"] == pytest.approx(expected, abs=1e-5)
        if len(labels) < 3 or labels.all() or not labels.any():
            assert found[f"{name}_left_out"] == 0
            continue
        others = [torch.arange(len(labels)) != i for i in range(len(labels))]
        left_out = [
            learners[name].score(learners[name].adapt(seen[o], labels[o]), seen[[i]]).item()
            for i, o in enumerate(others)
        ]
        expected = skill(np.array(left_out, np.float32), labels.numpy())
        assert found[f"{name}_left_out"] == pytest.approx(expected, abs=2e-3)


def test_the_record_is_the_loss_gained_by_adapting() -> None:
    context = np.zeros((2, len(CONTEXT)), np.float32)
    context[1, CONTEXT.index("visual_left_out")] = 0.5
    context[1, CONTEXT.index("visual_base")] = -1.0
    np.testing.assert_allclose(record(context), [0, -1.5 * math.log(2)], rtol=1e-6)
