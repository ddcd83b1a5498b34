"""The learned optimiser: its gradient, its gates, its limits, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners.learned_optimiser import (
    GatedUpdate,
    LearnedOptimiser,
    adapt_heads,
    example_weights,
    head_loss_and_gradient,
)

seeds = st.integers(0, 10_000)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def labels(seed: int, b: int, n: int, c: int) -> Tensor:
    return torch.randint(c, (b, n), generator=torch.Generator().manual_seed(seed))


def one_hot_of(label: Tensor, c: int) -> Tensor:
    return functional.one_hot(label, c).double()


@given(seed=seeds, b=st.integers(1, 3), n=st.integers(1, 9), c=st.integers(2, 5))
def test_labels_that_are_there_weigh_the_same(seed: int, b: int, n: int, c: int) -> None:
    label = labels(seed, b, n, c)
    present = torch.rand(b, n, generator=torch.Generator().manual_seed(seed)) < 0.7
    weight = example_weights(one_hot_of(label, c), present)
    for i in range(b):
        here = label[i][present[i]]
        counts = np.bincount(here.numpy(), minlength=c)
        kinds = (counts > 0).sum()
        expected = [1 / (counts[k] * kinds) for k in here]
        np.testing.assert_allclose(weight[i][present[i]], expected)
        assert bool((weight[i][~present[i]] == 0).all())


@given(seed=seeds, b=st.integers(1, 3), n=st.integers(1, 6), c=st.integers(2, 5))
def test_the_head_s_loss_is_cross_entropy_and_its_gradient_autograd_s(
    seed: int, b: int, n: int, c: int
) -> None:
    label = labels(seed, b, n, c)
    inputs, theta = drawn(seed, b, n, 4), drawn(seed + 1, b, c, 4).requires_grad_()
    weight = example_weights(one_hot_of(label, c), torch.ones(b, n, dtype=torch.bool))
    loss, gradient = head_loss_and_gradient(theta, inputs, one_hot_of(label, c), weight)
    for i in range(b):
        logits = inputs[i] @ theta[i].T
        each = functional.cross_entropy(logits, label[i], reduction="none")
        expected = (each * weight[i]).sum()
        torch.testing.assert_close(loss[i], expected)
        (slope,) = torch.autograd.grad(expected, theta)
        torch.testing.assert_close(gradient[i], slope[i])


@given(seed=seeds, n=st.integers(1, 6))
def test_one_row_for_two_labels_is_the_logistic_head(seed: int, n: int) -> None:
    label = labels(seed, 1, n, 2)
    inputs, theta = drawn(seed, 1, n, 4), drawn(seed + 1, 1, 1, 4)
    weight = example_weights(one_hot_of(label, 2), torch.ones(1, n, dtype=torch.bool))
    loss, gradient = head_loss_and_gradient(theta, inputs, one_hot_of(label, 2), weight)
    logits = (inputs @ theta[0, 0])[0]
    each = functional.binary_cross_entropy_with_logits(
        logits, (label[0] == 0).double(), reduction="none"
    )
    torch.testing.assert_close(loss[0], (each * weight[0]).sum())
    residual = weight[0] * (torch.sigmoid(logits) - (label[0] == 0).double())
    torch.testing.assert_close(gradient[0, 0], residual @ inputs[0])


def fixed_rate(rate: float) -> GatedUpdate:
    """A rule whose gates say always the same: keep everything, follow at this rate."""
    rule = GatedUpdate(4).double()
    with torch.no_grad():
        for gate, bias in (
            (rule.forget_gate, 60.0),
            (rule.input_gate, math.log(rate / (1 - rate))),
        ):
            gate.weight.zero_()
            gate.bias.fill_(bias)
    return rule


@pytest.mark.parametrize("c", [2, 5])
def test_with_the_gates_held_it_is_gradient_descent(c: int) -> None:
    label, inputs, start = labels(0, 3, 8, c), drawn(1, 3, 8, 6), drawn(2, 3, c, 6)
    present = torch.ones(3, 8, dtype=torch.bool)
    present[0, 5:] = False
    found = adapt_heads(fixed_rate(0.3), start, inputs, one_hot_of(label, c), present, 7)
    for i in range(3):
        x, y = inputs[i][present[i]], label[i][present[i]]
        # torch's weighted mean over classes of equal weight is the balanced loss.
        count = torch.bincount(y, minlength=c).double()
        weight = torch.where(count > 0, 1 / count.clamp_min(1), torch.zeros_like(count))
        theta = start[i].clone().requires_grad_()
        descent = torch.optim.SGD([theta], lr=0.3)
        for _ in range(7):
            descent.zero_grad()
            torch.autograd.backward(functional.cross_entropy(x @ theta.T, y, weight=weight))
            descent.step()
        torch.testing.assert_close(found[i], theta.detach())


@torch.no_grad()
@given(seed=seeds, b=st.integers(1, 2), p=st.integers(1, 3))
def test_the_gates_are_those_of_the_paper_coordinate_by_coordinate(
    seed: int, b: int, p: int
) -> None:
    torch.manual_seed(seed)
    rule = GatedUpdate(5).double()
    for parameter in rule.parameters():
        parameter.add_(0.5 * torch.randn_like(parameter))
    theta, state = drawn(seed, b, p), rule.init_state(drawn(seed, b, p))
    gradients, losses = drawn(seed + 1, 4, b, p), drawn(seed + 2, 4, b).abs()
    # What is smaller is read another way, which has a test of its own.
    assume(min(float(gradients.abs().min()), float(losses.min())) > math.exp(-10))
    reader = torch.nn.LSTM(4, 5).double()
    for name, value in rule.reader.named_parameters():
        getattr(reader, f"{name}_l0").data.copy_(value)
    expected = theta.clone()
    for i in range(b):
        for j in range(p):
            read = [
                [math.log(abs(g)) / 10, math.copysign(1, g), math.log(v) / 10, 1.0]
                for g, v in zip(gradients[:, i, j].tolist(), losses[:, i].tolist(), strict=True)
            ]
            seen = reader(torch.tensor(read, dtype=torch.double))[0]
            at, follow, keep = theta[i, j], torch.zeros(1).double(), torch.zeros(1).double()
            for t in range(4):
                follow, keep = (
                    torch.sigmoid(
                        gate.weight[0] @ torch.cat([seen[t], at.view(1), last]) + gate.bias
                    )
                    for gate, last in ((rule.input_gate, follow), (rule.forget_gate, keep))
                )
                at = (keep * at - follow * gradients[t, i, j])[0]
            expected[i, j] = at
    for t in range(4):
        theta, state = rule.step(theta, losses[t], gradients[t], state)
    torch.testing.assert_close(theta, expected)


@torch.no_grad()
@settings(max_examples=40)
@given(seed=seeds, n=st.integers(0, 8), c=st.integers(2, 4))
def test_labels_and_coordinates_in_another_order_change_nothing_else(
    seed: int, n: int, c: int
) -> None:
    torch.manual_seed(seed)
    rule = GatedUpdate(6).double()
    rule.input_gate.bias.fill_(0.0)
    label, inputs, start = labels(seed, 2, n, c), drawn(seed, 2, n, 5), drawn(seed + 1, 2, c, 5)
    present = torch.ones(2, n, dtype=torch.bool)
    one_hot = one_hot_of(label, c)
    found = adapt_heads(rule, start, inputs, one_hot, present, 5)
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(c, generator=generator), torch.randperm(5, generator=generator)
    other = adapt_heads(
        rule, start[:, rows][..., columns], inputs[..., columns], one_hot[..., rows], present, 5
    )
    torch.testing.assert_close(other, found[:, rows][..., columns], atol=1e-8, rtol=1e-6)


def test_without_examples_the_answer_is_the_start() -> None:
    torch.manual_seed(0)
    learner = LearnedOptimiser(6)
    with torch.no_grad():
        learner.start.normal_()
    head = learner.adapt(torch.empty(0, 6), torch.empty(0, dtype=torch.bool)).state
    gain = learner.log_gain.exp()
    torch.testing.assert_close(head, torch.cat([gain * learner.start[:-1], learner.start[-1:]]))


@pytest.mark.parametrize("label", [True, False])
def test_examples_of_one_label_pull_towards_it(label: bool) -> None:
    torch.manual_seed(0)
    learner = LearnedOptimiser(6)
    x = functional.normalize(drawn(1, 4, 6).float(), dim=1)
    found = learner.score(learner.adapt(x, torch.full((4,), label)), x)
    assert bool(((found > 0.5) == label).all())


def quiet(learner: LearnedOptimiser) -> LearnedOptimiser:
    """Gates that see the parameter and the last gate, but not what is taken for a constant."""
    learner.double()
    with torch.no_grad():
        for gate in (learner.rule.input_gate, learner.rule.forget_gate):
            gate.weight.normal_(std=0.5)
            gate.weight[:, : learner.rule.units] = 0
        learner.rule.input_gate.bias.fill_(-1.0)
        learner.start.normal_()
    return learner


def test_to_second_order_the_outer_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(1)
    learner = quiet(LearnedOptimiser(4, steps=3, units=2, second_order=1))
    x = functional.normalize(drawn(2, 2, 5, 4), dim=-1).requires_grad_()
    y = torch.tensor([[True, False, True, False, False], [False, True, True, True, False]])
    present = torch.ones_like(y)
    present[1, 3:] = False
    probe = drawn(3, 2, 5)
    parameters = [learner.start, learner.log_gain, learner.rule.input_gate.weight]

    def outcome(embeddings: Tensor, *_: Tensor) -> Tensor:
        return (learner.fit_batch(embeddings, y, present) * probe).sum()

    assert torch.autograd.gradcheck(outcome, [x, *parameters], eps=1e-6, atol=1e-5)


def test_to_first_order_only_the_way_through_the_inner_gradient_is_left_out() -> None:
    """With nothing forgotten, d theta_T / d theta_0 is then exactly the identity."""
    start = drawn(0, 1, 2, 3).requires_grad_()
    inputs, label = drawn(1, 1, 6, 3), labels(2, 1, 6, 2)
    present = torch.ones(1, 6, dtype=torch.bool)
    probe = drawn(3, 1, 2, 3)
    found = {}
    for second_order in (False, True):
        theta = adapt_heads(
            fixed_rate(0.3),
            start,
            inputs,
            one_hot_of(label, 2),
            present,
            4,
            second_order=second_order,
        )
        (found[second_order],) = torch.autograd.grad((theta * probe).sum(), start)
    torch.testing.assert_close(found[False], probe)
    assert float((found[True] - probe).abs().max()) > 0.05


@pytest.mark.parametrize("second_order", [0, 1])
def test_the_outer_gradient_is_finite_at_the_edges(second_order: int) -> None:
    """A picture under both labels, one label alone, padding alone, a head long since sure."""
    torch.manual_seed(2)
    learner = LearnedOptimiser(8, steps=30, second_order=second_order)
    with torch.no_grad():
        learner.start.fill_(40.0)
        learner.rule.input_gate.bias.fill_(5.0)
    x = functional.normalize(torch.randn(4, 6, 8), dim=-1)
    x[0] = x[0, :1]
    x[1] = 1 / math.sqrt(8)
    x.requires_grad_()
    y = torch.tensor([[True, False] * 3, [True] * 6, [False, True] * 3, [True, False] * 3])
    present = torch.ones_like(y)
    present[2] = False
    states = learner.fit_batch(x, y, present)
    logits = learner.logits(states, x)
    loss = functional.binary_cross_entropy_with_logits(logits, y.float())
    gradients = torch.autograd.grad(loss, [x, *learner.parameters()])
    assert bool(torch.isfinite(states).all())
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def tasks(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Embeddings (count, 20, 12) and labels: every task has its own head, near a common one."""
    generator = torch.Generator().manual_seed(seed)
    common = functional.normalize(torch.ones(12), dim=0)
    own = torch.randn(count, 12, generator=generator) / math.sqrt(12)
    head = functional.normalize(common + 1.5 * own, dim=1)
    x = functional.normalize(torch.randn(count, 20, 12, generator=generator), dim=2)
    y = torch.arange(20) % 2 == 0
    x = functional.normalize(x + 0.5 * torch.where(y, 1.0, -1.0)[:, None] * head[:, None], dim=2)
    return x, y.expand(count, -1)


def outer_loss(learner: LearnedOptimiser, x: Tensor, y: Tensor, shots: int) -> Tensor:
    present = torch.ones(len(x), shots, dtype=torch.bool)
    states = learner.fit_batch(x[:, :shots], y[:, :shots], present)
    logits = learner.logits(states, x[:, 10:])
    return functional.binary_cross_entropy_with_logits(logits, y[:, 10:].float())


def test_a_hundred_batches_of_tasks_teach_it_a_start_and_a_rule() -> None:
    """Held-out tasks: better than before with examples and without, and examples still help."""
    torch.manual_seed(0)
    learner = LearnedOptimiser(12, steps=5)
    held = tasks(200, 1)
    with torch.no_grad():
        before = {shots: float(outer_loss(learner, *held, shots)) for shots in (0, 2, 10)}
    outer = torch.optim.Adam(learner.parameters(), lr=0.01)
    for step in range(120):
        outer.zero_grad()
        loss = outer_loss(learner, *tasks(24, 100 + step), (0, 2, 10)[step % 3])
        torch.autograd.backward(loss)
        outer.step()
    with torch.no_grad():
        after = {shots: float(outer_loss(learner, *held, shots)) for shots in (0, 2, 10)}
    assert all(after[shots] < before[shots] - 0.05 for shots in after)
    assert after[10] < after[2] - 0.05 < after[0] - 0.1


@pytest.mark.parametrize("options", [{"steps": 0}, {"units": 0}])
def test_a_rule_that_never_moves_or_sees_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(SupportError, match="needs a"):
        LearnedOptimiser(4, **options)
