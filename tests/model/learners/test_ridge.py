"""The ridge head against least squares by another road."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.learners.ridge import MIN_PENALTY, Ridge, ridge_weights

seeds = st.integers(0, 9999)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@given(
    n=st.integers(0, 20),
    d=st.integers(1, 24),
    c=st.integers(1, 5),
    penalty=st.floats(1e-3, 1e2),
    with_prior=st.booleans(),
    seed=seeds,
)
def test_it_is_the_least_squares_minimum(
    n: int, d: int, c: int, penalty: float, with_prior: bool, seed: int
) -> None:
    x, y, prior = drawn(seed, n, d), drawn(seed + 1, n, c), drawn(seed + 2, d, c)
    present = torch.ones(1, n, dtype=torch.bool)
    got = ridge_weights(x[None], y[None], present, penalty, prior if with_prior else None)[0]
    # The penalty as d more rows: sqrt(penalty) I w = sqrt(penalty) w_0.
    root = penalty**0.5 * torch.eye(d, dtype=torch.double)
    target = root @ prior if with_prior else torch.zeros(d, c, dtype=torch.double)
    expected = torch.linalg.lstsq(torch.cat([x, root]), torch.cat([y, target])).solution
    torch.testing.assert_close(got, expected, atol=1e-8, rtol=1e-7)


@given(n=st.integers(1, 12), d=st.integers(1, 12), penalty=st.floats(1e-2, 1e2), seed=seeds)
def test_the_small_system_has_the_answer_of_the_large_one(
    n: int, d: int, penalty: float, seed: int
) -> None:
    """Woodbury: X^T (X X^T + penalty I)^-1 = (X^T X + penalty I)^-1 X^T."""
    x, y = drawn(seed, n, d), drawn(seed + 1, n, 2)
    got = ridge_weights(x[None], y[None], torch.ones(1, n, dtype=torch.bool), penalty)[0]
    normal = x.T @ x + penalty * torch.eye(d, dtype=torch.double)
    torch.testing.assert_close(got, torch.linalg.solve(normal, x.T @ y), atol=1e-9, rtol=1e-8)


@given(n=st.integers(1, 9), seed=seeds)
def test_padding_changes_nothing(n: int, seed: int) -> None:
    x, y, prior = drawn(seed, 1, n, 4), drawn(seed + 1, 1, n, 2), drawn(seed + 2, 4, 2)
    present = torch.rand(1, n, generator=torch.Generator().manual_seed(seed)) < 0.6
    padded = ridge_weights(x, y, present, 0.3, prior)
    here = present[0]
    alone = ridge_weights(x[:, here], y[:, here], present[:, here], 0.3, prior)
    torch.testing.assert_close(padded, alone)


@given(n=st.integers(0, 9), width=st.integers(1, 5), seed=seeds)
def test_the_head_is_the_scaled_regression_on_signs(n: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    learner = Ridge(5, width).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    x, y, queries = drawn(seed, n, 5), drawn(seed + 1, n) > 0, drawn(seed + 2, 3, 5)
    with torch.no_grad():
        got = learner.logits(learner.fit(x, y)[None], queries[None])[0]
        a, prior = learner.projection, learner.prior
        root = (learner.log_penalty.exp() + MIN_PENALTY).sqrt()
        ones = torch.ones(max(n, 3), 1, dtype=torch.double)
        design = torch.cat([x @ a.T, ones[:n]], dim=1)
        stacked = torch.cat([design, root * torch.eye(width + 1, dtype=torch.double)])
        target = torch.cat([torch.where(y, 1.0, -1.0).double(), root * prior])
        w = torch.linalg.lstsq(stacked, target[:, None]).solution
        answer = torch.cat([queries @ a.T, ones[:3]], dim=1) @ w
        expected = learner.log_scale.exp() * answer[:, 0] + learner.shift
    torch.testing.assert_close(got, expected, atol=1e-8, rtol=1e-7)


def test_without_examples_the_prior_answers_and_one_label_moves_it() -> None:
    learner = Ridge(3)
    nothing = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    assert learner.score(nothing, torch.eye(3)).tolist() == [0.5, 0.5, 0.5]
    with torch.no_grad():
        learner.prior.copy_(torch.tensor([1.0, -1.0, 0.0, 0.0]))
    nothing = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    first, second, third = learner.score(nothing, torch.eye(3)).tolist()
    assert first > third == 0.5 > second
    one = learner.adapt(torch.eye(3)[1:2], torch.tensor([True]))
    assert learner.score(one, torch.eye(3))[1] > second
