"""The blended prior: its regression against scikit-learn, its average, its leave-one-out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from model.errors import SupportError
from model.learners.blended_prior import REFITTED, BlendedPrior, study_together
from model.learners.dual_logistic import dual_logistic
from model.learners.meta import MetaLearner
from model.learners.prior_mixture import PriorMixture

DIM = 6


def made(seed: int = 0) -> BlendedPrior:
    torch.manual_seed(seed)
    learner = BlendedPrior(DIM, 3)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return learner


def task(n: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=1)
    y = torch.rand(n, generator=generator) < 0.5
    y[0], y[1] = True, False
    return x, y


@given(n=st.integers(2, 25), seed=st.integers(0, 5000), c=st.sampled_from([0.1, 1.0, 100.0]))
def test_the_regression_is_scikit_learns(n: int, seed: int, c: float) -> None:
    x, y = (value.numpy() for value in task(n, seed))
    design = np.hstack([x, np.full((n, 1), np.sqrt(10.0))]).astype(np.float64)
    peer = LogisticRegression(C=c, fit_intercept=False, tol=1e-10, max_iter=10_000)
    expected = peer.fit(design, y).decision_function(design)
    kernel = torch.from_numpy(c * design @ design.T)[None]
    present = torch.ones(1, n, dtype=torch.bool)
    dual = dual_logistic(kernel, torch.from_numpy(y).double()[None], present)
    got = (kernel @ dual[..., None])[0, :, 0].numpy()
    np.testing.assert_allclose(got, expected, atol=2e-3 * max(1.0, np.abs(expected).max()))


@settings(max_examples=15)
@given(n=st.integers(2, 8), seed=st.integers(0, 500))
def test_the_gradient_is_that_of_the_optimum(n: int, seed: int) -> None:
    x, y = task(n, seed)
    present = torch.ones(1, n, dtype=torch.bool)

    def fitted(x: Tensor) -> Tensor:
        dual = dual_logistic(5.0 * (x @ x.mT + 1), y.double()[None], present)
        return torch.einsum("bn,bnd->bd", dual, x)

    assert torch.autograd.gradcheck(fitted, (x.double()[None].requires_grad_(),), atol=1e-5)


@given(n=st.integers(2, 12), extra=st.integers(1, 5), seed=st.integers(0, 500))
def test_padding_changes_nothing(n: int, extra: int, seed: int) -> None:
    x, y = task(n, seed)
    learner = made(seed)
    padded = torch.cat([x, torch.randn(extra, DIM)])[None]
    labels = torch.cat([y, torch.ones(extra, dtype=torch.bool)])[None]
    present = torch.arange(n + extra)[None] < n
    torch.testing.assert_close(
        learner.fit_batch(padded, labels, present)[0], learner.fit(x, y), atol=1e-4, rtol=1e-3
    )


def test_one_label_only_is_answered_by_the_mixture_alone() -> None:
    learner = made()
    twin = PriorMixture(DIM, 3)
    own = learner.state_dict()
    twin.load_state_dict({key: own[key] for key in twin.state_dict()})
    x, _ = task(4, 1)
    for label in (True, False):
        y = torch.full((4,), label)
        torch.testing.assert_close(learner.fit(x, y), twin.fit(x, y))
    x, y = task(4, 1)
    assert not torch.allclose(learner.fit(x, y), twin.fit(x, y), atol=1e-2)


def test_many_examples_are_left_out_by_one_step_and_agree_with_refitting() -> None:
    n = REFITTED + 6
    x, _ = task(n, 3)
    y = (x[:, 0] + 0.5 * torch.randn(n, generator=torch.Generator().manual_seed(1))) > 0
    learner = made(2)
    expected = MetaLearner.leave_one_out(learner, x, y)
    torch.testing.assert_close(learner.leave_one_out(x, y), expected, atol=0.02, rtol=0.02)


@given(
    st.lists(st.sampled_from([0, 1, 2, 9, REFITTED + 2]), min_size=1, max_size=4),
    st.integers(0, 5000),
)
def test_learners_that_study_together_learn_what_each_learns_alone(
    sizes: list[int], seed: int
) -> None:
    supports: list[tuple[MetaLearner, Tensor, Tensor]] = []
    for number, n in enumerate(sizes):
        x, y = task(max(n, 2), seed + n)  # of one size, one set of labels
        x = torch.roll(x, number, 0)
        learner = PriorMixture(DIM, 2) if number == 3 else made(seed + number)
        supports.append((learner, x[:n], y[:n]))
    for (learner, x, y), found in zip(supports, study_together(supports), strict=True):
        alone = learner.study(x, y)
        assert found.head.learner == learner.name
        # Double precision beside single.
        torch.testing.assert_close(found.head.state, alone.head.state, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.left_out, alone.left_out, atol=1e-5, rtol=1e-4)


def test_a_support_that_cannot_be_is_refused_together_as_alone() -> None:
    x, y = task(4, 1)
    with pytest.raises(SupportError, match="must have shape"):
        study_together([(made(), x, y), (made(1), x[:, 1:], y)])


def test_a_penalty_that_is_none_is_refused() -> None:
    with pytest.raises(SupportError, match="above 0"):
        BlendedPrior(DIM, 3, 0.0)
    with pytest.raises(SupportError, match="at least 0"):
        BlendedPrior(DIM, 3, doubt=-1.0)


def test_doubt_moves_the_answer_towards_the_regression() -> None:
    x, y = task(10, 4)
    learner = made(1)
    with torch.no_grad():
        learner.trust[2].weight.zero_()
        learner.trust[2].bias.zero_()
    trusting = learner.fit(x, y)
    learner.doubt = 50.0  # r = 1: nothing but the regression is left
    regression = learner.fit(x, y)
    learner.doubt = 1.0
    rarer = min(int(y.sum()), int((~y).sum()))
    share = (1 + rarer) / (2 + rarer)  # odds 1 : 1 become 1 + rarer : 1
    mixture = 2 * trusting - regression
    torch.testing.assert_close(
        learner.fit(x, y), (1 - share) * mixture + share * regression, atol=1e-4, rtol=1e-4
    )
