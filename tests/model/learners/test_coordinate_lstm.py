"""The coordinate-wise LSTM: against torch.nn.LSTM a coordinate at a time, and by its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model.errors import SupportError
from model.learners.coordinate_lstm import CoordinateLSTM, State, detached, log_and_sign, unroll

seeds = st.integers(0, 10_000)


def of_the_paper(value: float, p: float = 10.0) -> tuple[float, float]:
    """Appendix A of arXiv:1606.04474, one number at a time, in double precision."""
    if abs(value) >= math.exp(-p):
        return math.log(abs(value)) / p, math.copysign(1.0, value)
    return -1.0, math.exp(p) * value


@given(
    st.lists(
        st.one_of(
            st.floats(-1e30, 1e30, allow_nan=False),
            st.floats(-1e-4, 1e-4, allow_nan=False),
            st.sampled_from([0.0, 1e-300, -1e-30, math.exp(-10), -math.exp(-10), 1.0]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_preprocessing_is_the_paper_s_formula(values: list[float]) -> None:
    found = log_and_sign(torch.tensor(values, dtype=torch.double))
    expected = [of_the_paper(value) for value in values]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


@given(sign=st.sampled_from([-1.0, 1.0]), p=st.floats(1.0, 20.0))
def test_preprocessing_has_no_jump_where_its_branches_meet(sign: float, p: float) -> None:
    edge = sign * math.exp(-p)
    around = torch.tensor([edge * (1 - 1e-6), edge, edge * (1 + 1e-6)], dtype=torch.double)
    found = log_and_sign(around, p)
    torch.testing.assert_close(found, found[1].expand(3, 2), atol=2e-6, rtol=0)


def test_preprocessing_has_a_finite_slope_everywhere() -> None:
    values = torch.tensor([0.0, 1e-38, -1e-12, math.exp(-10), 3.0, -1e30], requires_grad=True)
    (slope,) = torch.autograd.grad(log_and_sign(values).sum(), values)
    assert bool(torch.isfinite(slope).all())


def twin(optimiser: CoordinateLSTM) -> nn.LSTM:
    """torch's own LSTM with the same weights."""
    size = 2 if optimiser.preprocess else 1
    lstm = nn.LSTM(size, optimiser.units, optimiser.layers)
    for layer, cell in enumerate(optimiser.cells):
        for name, value in cell.named_parameters():
            getattr(lstm, f"{name}_l{layer}").data.copy_(value.data)
    return lstm


def alone(optimiser: CoordinateLSTM, gradients: Tensor) -> Tensor:
    """Updates (t,) of one coordinate whose gradients (t,) are known, by torch's LSTM."""
    read = gradients[:, None]
    if optimiser.preprocess:
        pairs = [of_the_paper(float(value)) for value in gradients]
        read = torch.tensor(pairs, dtype=torch.float)
    return optimiser.scale * optimiser.output(twin(optimiser)(read)[0])[:, 0]


def along(optimiser: CoordinateLSTM, gradients: Tensor) -> tuple[Tensor, State]:
    """Updates (t, b, p) for gradients (t, b, p), step by step."""
    state = optimiser.init_state(gradients[0])
    found = []
    for gradient in gradients:
        update, state = optimiser.step(gradient, state)
        found.append(update)
    return torch.stack(found), state


def made(seed: int, preprocess: bool, layers: int = 2) -> CoordinateLSTM:
    torch.manual_seed(seed)
    return CoordinateLSTM(8, layers, preprocess=preprocess, scale=0.1 if preprocess else 1.0)


def gradients_of(seed: int, *shape: int) -> Tensor:
    """Of many magnitudes, down to nothing."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.exp(12 * torch.rand(shape, generator=generator) - 10)
    return size * torch.randn(shape, generator=generator)


@torch.no_grad()
@given(seed=seeds, b=st.integers(1, 3), p=st.integers(1, 4), t=st.integers(1, 6))
@pytest.mark.parametrize(("preprocess", "layers"), [(True, 2), (False, 2), (True, 1), (False, 3)])
def test_every_coordinate_is_an_lstm_of_its_own(
    preprocess: bool, layers: int, seed: int, b: int, p: int, t: int
) -> None:
    optimiser = made(seed, preprocess, layers)
    gradients = gradients_of(seed, t, b, p)
    found, _ = along(optimiser, gradients)
    for i in range(b):
        for j in range(p):
            expected = alone(optimiser, gradients[:, i, j])
            torch.testing.assert_close(found[:, i, j], expected, atol=1e-6, rtol=1e-4)


@torch.no_grad()
@given(seed=seeds, p=st.integers(2, 12))
def test_coordinates_in_another_order_move_in_that_order(seed: int, p: int) -> None:
    optimiser = made(seed, preprocess=True)
    gradients = gradients_of(seed, 5, 2, p)
    order = torch.randperm(p, generator=torch.Generator().manual_seed(seed))
    one, _ = along(optimiser, gradients)
    other, _ = along(optimiser, gradients[..., order])
    torch.testing.assert_close(other, one[..., order], atol=1e-7, rtol=1e-5)


def test_a_step_leaves_its_arguments_alone() -> None:
    optimiser = made(0, preprocess=True)
    gradient = gradients_of(1, 2, 3)
    _, state = optimiser.step(gradient, optimiser.init_state(gradient))
    before = [value.clone() for pair in state for value in pair], gradient.clone()
    first, _ = optimiser.step(gradient, state)
    again, _ = optimiser.step(gradient, state)
    assert torch.equal(first, again)
    assert torch.equal(gradient, before[1])
    for value, kept in zip((v for pair in state for v in pair), before[0], strict=True):
        assert torch.equal(value, kept)


def test_the_outer_gradient_takes_the_inner_gradients_as_constants() -> None:
    """Replayed: gradients written down, torch's LSTM over the whole of them, theta as their sum."""
    optimiser = made(3, preprocess=False)
    target = torch.tensor([[1.0, -2.0, 0.5]])
    scale = torch.tensor([[1.0, 3.0, 0.3]])

    def loss_of(theta: Tensor) -> Tensor:
        return (scale * (theta - target)).square().sum(1)

    start = torch.zeros(1, 3)
    losses, end, _ = unroll(optimiser, loss_of, start, optimiser.init_state(start), 6)
    found = torch.autograd.grad(losses.sum(), list(optimiser.parameters()))

    path = torch.cat([start, end.detach()])
    with torch.no_grad():
        thetas = [start]
        state = optimiser.init_state(start)
        for _ in range(6):
            update, state = optimiser.step(2 * scale.square() * (thetas[-1] - target), state)
            thetas.append(thetas[-1] + update)
        torch.testing.assert_close(thetas[-1], path[1:])
        constants = torch.cat([2 * scale.square() * (theta - target) for theta in thetas[:-1]])
    lstm = twin(optimiser)
    updates = optimiser.output(lstm(constants[..., None])[0])[..., 0]  # coordinates as the batch
    replayed = loss_of(start + updates.cumsum(0))
    torch.testing.assert_close(losses[:, 0], replayed, atol=1e-5, rtol=1e-5)
    weights = [
        getattr(lstm, f"{name}_l{layer}")
        for layer, cell in enumerate(optimiser.cells)
        for name, _ in cell.named_parameters()
    ]
    expected = torch.autograd.grad(replayed.sum(), [*weights, *optimiser.output.parameters()])
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_unrolling_in_two_parts_goes_on_where_the_first_part_stopped() -> None:
    optimiser = made(4, preprocess=True)
    start = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))

    def loss_of(theta: Tensor) -> Tensor:
        return theta.square().sum(1)

    whole, end, _ = unroll(optimiser, loss_of, start, optimiser.init_state(start), 7)
    first, theta, state = unroll(optimiser, loss_of, start, optimiser.init_state(start), 3)
    # The second part with the gradient in closed form.
    second, last, _ = unroll(
        optimiser, loss_of, theta.detach(), detached(state), 4, lambda values: 2 * values
    )
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(last, end)


@pytest.mark.parametrize(("units", "layers"), [(0, 2), (20, 0)])
def test_an_lstm_of_nothing_is_refused(units: int, layers: int) -> None:
    with pytest.raises(SupportError, match="needs a unit and a layer"):
        CoordinateLSTM(units, layers)
