"""MAML, first-order MAML, ANIL and fine-tuning: arithmetic, labels, and what is learned."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners import LEARNERS
from model.learners.anil import Anil
from model.learners.fine_tuning import FineTuning
from model.learners.first_order_maml import FirstOrderMaml
from model.learners.maml import Maml, balanced_weights

DIM = 4
seeds = st.integers(0, 10_000)


def task(n: int, seed: int, dim: int = DIM) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = functional.normalize(torch.randn(n, dim, generator=generator).double(), dim=1)
    return x, torch.rand(n, generator=generator) < 0.5


def learner(kind: type[Maml], seed: int = 0, **options: float) -> Maml:
    torch.manual_seed(seed)
    return kind(DIM, hidden=3, **options).double()  # type: ignore[arg-type]


@given(positive=st.integers(0, 6), negative=st.integers(0, 6), padding=st.integers(0, 4))
def test_both_labels_weigh_the_same(positive: int, negative: int, padding: int) -> None:
    label = torch.tensor([True] * positive + [False] * negative + [True] * padding).bool()
    present = torch.arange(len(label)) < positive + negative
    weight = balanced_weights(label, present)
    assert weight[~present].eq(0).all()
    on, off = weight[present & label].sum().item(), weight[present & ~label].sum().item()
    assert on + off == pytest.approx(1.0 if positive + negative else 0.0)
    if positive and negative:
        assert on == pytest.approx(off)


def numpy_maml(made: Maml, x: Tensor, label: Tensor, queries: Tensor) -> np.ndarray:
    """The same network adapted by gradients written out by hand, and its logits."""
    w, b, v, c = (p.detach().numpy().copy() for p in made.network.parameters())
    rate = dict(zip(made.adapted, made.log_rate.exp().tolist(), strict=True))
    inputs, y = x.numpy(), label.numpy()
    side = [max(1, int((y == value).sum())) for value in (False, True)]
    weight = np.where(y, 1 / side[1], 1 / side[0]) / len(set(y.tolist()))
    for _ in range(made.steps):
        hidden = np.tanh(inputs @ w.T + b)
        error = weight * (1 / (1 + np.exp(-(hidden @ v[0] + c[0]))) - y)
        back = error[:, None] * v * (1 - hidden**2)
        slopes = (back.T @ inputs, back.sum(0), (error @ hidden)[None], error.sum()[None])
        names = ("0.weight", "0.bias", "2.weight", "2.bias")
        for name, value, slope in zip(names, (w, b, v, c), slopes, strict=True):
            value -= rate.get(name, 0.0) * slope
    return np.tanh(queries.numpy() @ w.T + b) @ v[0] + c[0]


@pytest.mark.parametrize("kind", [Maml, FirstOrderMaml, Anil])
@given(n=st.integers(1, 9), seed=seeds, steps=st.integers(0, 4))
def test_adapting_is_the_chain_rule_written_out(
    kind: type[Maml], n: int, seed: int, steps: int
) -> None:
    made = learner(kind, seed, steps=steps)
    (x, label), (queries, _) = task(n, seed), task(5, seed + 1)
    state = made.fit_batch(x[None], label[None], torch.ones(1, n, dtype=torch.bool))
    found = made.logits(state, queries[None])[0].detach().numpy()
    np.testing.assert_allclose(found, numpy_maml(made, x, label, queries), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [Maml, Anil])
@settings(max_examples=4)
@given(seed=seeds)
def test_meta_gradients_are_those_of_finite_differences(kind: type[Maml], seed: int) -> None:
    made = learner(kind, seed, steps=2)
    (x, label), (queries, asked) = task(5, seed), task(4, seed + 1)
    names, values = zip(*made.named_parameters(), strict=True)

    def meta(*leaves: Tensor) -> Tensor:
        with torch.nn.utils.stateless._reparametrize_module(
            made, dict(zip(names, leaves, strict=True))
        ):
            state = made.fit_batch(x[None], label[None], torch.ones(1, 5, dtype=torch.bool))
            logits = made.logits(state, queries[None])[0]
        return functional.binary_cross_entropy_with_logits(logits, asked.double())

    leaves = [value.detach().clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(meta, leaves, eps=1e-6, atol=1e-6)


def test_first_order_answers_as_maml_and_learns_otherwise() -> None:
    x, label = task(6, 1)
    gradients = []
    answers = []
    for kind in (Maml, FirstOrderMaml):
        made = learner(kind)
        state = made.fit_batch(x[None], label[None], torch.ones(1, 6, dtype=torch.bool))
        answer = made.logits(state, x[None])
        torch.autograd.backward(answer.square().sum())
        answers.append(answer.detach())
        gradients.append(made.network[0].weight.grad)
    torch.testing.assert_close(answers[0], answers[1])
    assert (gradients[0] - gradients[1]).abs().max() > 1e-3


def test_anil_keeps_a_head_alone() -> None:
    assert Anil(DIM, hidden=7).state_size == 8
    assert Maml(DIM, hidden=7).state_size == 7 * DIM + 7 + 8


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil", "fine-tuning"])
def test_empty_support_is_the_starting_point(name: str) -> None:
    made = LEARNERS[name](DIM)
    x, _ = task(5, 3)
    none = made.adapt(torch.zeros(0, DIM), torch.zeros(0, dtype=torch.bool))
    if isinstance(made, Maml):
        started = torch.sigmoid(made.network(x.float())[:, 0])
    else:
        started = torch.full((5,), 0.5)
    torch.testing.assert_close(made.score(none, x.float()), started)


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil", "fine-tuning"])
def test_one_label_only_moves_the_answer_towards_it(name: str) -> None:
    torch.manual_seed(0)
    made = LEARNERS[name](DIM)
    x = task(4, 3)[0].float()
    before = made.score(made.adapt(x[:0], torch.zeros(0, dtype=torch.bool)), x)
    up = made.score(made.adapt(x, torch.ones(4, dtype=torch.bool)), x)
    down = made.score(made.adapt(x, torch.zeros(4, dtype=torch.bool)), x)
    assert bool((up > before).all())
    assert bool((down < before).all())


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil", "fine-tuning"])
@given(repeats=st.integers(2, 6))
def test_more_of_the_same_of_one_label_changes_nothing(name: str, repeats: int) -> None:
    torch.manual_seed(0)
    made = LEARNERS[name](DIM)
    x = task(2, 3)[0].float()
    label = torch.tensor([True, False])
    more = torch.cat([x[:1].expand(repeats, -1), x[1:]])
    unbalanced = made.adapt(more, torch.tensor([True] * repeats + [False]))
    torch.testing.assert_close(
        made.score(unbalanced, x), made.score(made.adapt(x, label), x), atol=1e-5, rtol=1e-5
    )


@given(n=st.integers(1, 12), seed=seeds, steps=st.integers(0, 30))
def test_fine_tuning_is_gradient_descent_from_the_set_head(n: int, seed: int, steps: int) -> None:
    x, label = task(n, seed)
    made = FineTuning(DIM, steps=steps, rate=1.5).double()
    start = torch.randn(DIM + 1, generator=torch.Generator().manual_seed(seed)).double()
    made.set_zero_shot(start)
    present = torch.ones(1, n, dtype=torch.bool)
    found = made.fit_batch(x[None], label[None], present)[0].numpy()
    weight = balanced_weights(label[None], present)[0].numpy()
    design, head = np.column_stack([x.numpy(), np.ones(n)]), start.numpy().copy()
    for _ in range(steps):
        wrong = 1 / (1 + np.exp(-design @ head)) - label.numpy()
        head -= 1.5 * design.T @ (weight * wrong)
    np.testing.assert_allclose(found, head, rtol=1e-6, atol=1e-6)


def test_fine_tuning_for_long_ends_at_the_minimum_that_scipy_finds() -> None:
    # Labels by chance part nothing, so the minimum is finite; all directions are well filled.
    x, label = task(60, 5)
    weight = balanced_weights(label, torch.ones(60, dtype=torch.bool)).numpy()
    design, y = np.column_stack([x.numpy(), np.ones(60)]), label.numpy()

    def loss(head: np.ndarray) -> float:
        margin = design @ head
        return float((weight * (np.logaddexp(0, margin) - y * margin)).sum())

    made = FineTuning(DIM, steps=300, rate=3.0).double()
    state = made.fit_batch(x[None], label[None], torch.ones(1, 60, dtype=torch.bool))
    best = minimize(loss, np.zeros(DIM + 1), method="BFGS", tol=1e-10)
    assert loss(state[0].numpy()) == pytest.approx(best.fun, abs=1e-6)


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil"])
def test_meta_training_finds_which_way_the_labels_point(name: str) -> None:
    """Tasks where the sign of one direction in four decides, and nobody says which sign."""
    torch.manual_seed(0)
    made = LEARNERS[name](DIM, hidden=8, steps=2)
    optimiser = torch.optim.Adam(made.parameters(), 0.03)

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = functional.normalize(torch.randn(16, 10, DIM, generator=generator), dim=-1)
        turned = torch.rand(16, 1, generator=generator) < 0.5
        return x, (x[..., 0] > 0) ^ turned

    def losses(seed: int) -> Tensor:
        x, label = draw(seed)
        state = made.fit_batch(x[:, :4], label[:, :4], torch.ones(16, 4, dtype=torch.bool))
        logits = made.logits(state, x[:, 4:])
        return functional.binary_cross_entropy_with_logits(logits, label[:, 4:].float())

    with torch.no_grad():
        before = torch.stack([losses(10_000 + i) for i in range(5)]).mean()
    for step in range(150):
        optimiser.zero_grad()
        torch.autograd.backward(losses(step))
        optimiser.step()
    with torch.no_grad():
        after = torch.stack([losses(10_000 + i) for i in range(5)]).mean()
    # Without adapting, nothing is better than log 2: every picture is either label half the time.
    assert after < min(before.item(), math.log(2)) - 0.15


def test_impossible_options_are_refused() -> None:
    with pytest.raises(SupportError, match=r"got 0, 5 and 0\.5"):
        Maml(DIM, hidden=0)
    with pytest.raises(SupportError, match=r"got 128, 5 and -1\.0"):
        Anil(DIM, rate=-1.0)
    with pytest.raises(SupportError, match=r"got -1 and 3\.0"):
        FineTuning(DIM, steps=-1)


def test_rates_that_are_not_learned_stay() -> None:
    assert "log_rate" not in [
        n for n, p in Maml(DIM, learned_rates=0).named_parameters() if p.requires_grad
    ]
    assert Maml(DIM).log_rate.requires_grad
