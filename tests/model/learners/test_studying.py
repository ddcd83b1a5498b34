"""The study of a support set in NumPy, beside the learner's own in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.learners.dual_logistic import dual_logistic as in_torch
from model.learners.studying import dual_logistic, regressions, study
from tests.model.learners.test_blended_prior import DIM, made, task


@given(
    n=st.integers(2, 24),
    seed=st.integers(0, 5000),
    labels=st.sampled_from(["both", "placeholder", "real"]),
    twice=st.booleans(),
    doubt=st.sampled_from([0.0, 0.7]),
)
def test_it_finds_what_torch_finds_in_double_precision(
    n: int, seed: int, labels: str, twice: bool, doubt: float
) -> None:
    x, y = task(n, seed)
    if labels != "both":
        y = torch.full((n,), labels == "placeholder")
    if twice:  # the same picture, and under another label if it comes so
        x[-1] = x[0]
    learner = made(seed)
    learner.doubt = doubt
    (found,) = study([(learner, x.numpy())], y.numpy())
    with torch.no_grad():
        expected = learner.double()._studied(x.double(), y)
    assert found.head.dtype == found.left_out.dtype == np.float32
    np.testing.assert_allclose(found.head, expected.head.state, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.left_out, expected.left_out, rtol=1e-6, atol=1e-7)
    assert ((found.left_out > 0) & (found.left_out < 1)).all()


@given(b=st.integers(1, 5), n=st.integers(1, 12), seed=st.integers(0, 5000))
def test_regressions_are_those_of_torch(b: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(b, n, 3)) * 10 ** rng.uniform(-1, 1.5)  # weak and hard penalties
    kernel = x @ x.swapaxes(1, 2) + 10
    target = rng.integers(0, 2, n).astype(np.float64)
    here = (rng.random((b, n)) < 0.8).astype(np.float64)
    found = dual_logistic(kernel * here[:, :, None] * here[:, None, :], target, here)
    expected = in_torch(
        torch.from_numpy(kernel),
        torch.from_numpy(np.tile(target, (b, 1))),
        torch.from_numpy(here > 0),
    )
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-7)
    assert (found[here == 0] == 0).all()


def test_a_regression_without_an_example_is_that_of_the_others() -> None:
    x, y = (each.numpy() for each in task(7, 3))
    kernel = 50 * (x.astype(np.float64) @ x.T.astype(np.float64) + 10)
    duals, left_out = regressions(kernel[None], y)
    for i in range(7):
        others = np.arange(7) != i
        (dual,), _ = regressions(kernel[None][:, others][:, :, others], y[others])
        assert left_out[0, i] == pytest.approx(float(kernel[i, others] @ dual), rel=1e-6)
    f = kernel @ duals[0]  # at the optimum each dual coefficient is what its example lacks
    np.testing.assert_allclose(duals[0], y - 1 / (1 + np.exp(-f)), atol=1e-6)


def test_what_it_is_given_stays_as_it_was() -> None:
    x, y = (each.numpy() for each in task(6, 9))
    learner = made(1)
    before = x.copy(), y.copy(), {k: v.clone() for k, v in learner.state_dict().items()}
    study([(learner, x), (made(2), x[:, ::-1].copy())], y)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    for name, value in learner.state_dict().items():
        assert torch.equal(value, before[2][name])
    assert x.shape == (6, DIM)
