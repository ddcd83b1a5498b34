"""Gradients through gradient descent, against closed forms and finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, grad

from model.errors import SupportError
from model.learners.inner_loop import Parameters, adapt_parameters

seeds = st.integers(0, 10_000)
dims = st.integers(1, 6)
rates = st.floats(0.01, 0.5)


def quadratic(dim: int, seed: int) -> tuple[Tensor, Tensor, Callable[[Parameters], Tensor]]:
    """A symmetric H, a b, and the loss w . H w / 2 - b . w."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(dim, dim, dtype=torch.double, generator=generator)
    h, b = root @ root.T / dim, torch.randn(dim, dtype=torch.double, generator=generator)
    return h, b, lambda p: p["w"] @ h @ p["w"] / 2 - b @ p["w"]


@given(dim=dims, seed=seeds, rate=rates, steps=st.integers(0, 6))
def test_descent_on_a_quadratic_is_a_matrix_power(
    dim: int, seed: int, rate: float, steps: int
) -> None:
    h, b, loss = quadratic(dim, seed)
    start = torch.randn(dim, dtype=torch.double, generator=torch.Generator().manual_seed(seed + 1))
    found = adapt_parameters(loss, {"w": start}, steps=steps, rate=rate)["w"]
    # With w* = H^-1 b: w_k - w* = (I - a H)^k (w_0 - w*); pinv, since H may be near singular.
    shrink = torch.linalg.matrix_power(torch.eye(dim).double() - rate * h, steps)
    minimum = torch.linalg.solve(h, b)
    expected = minimum + shrink @ (start - minimum)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * minimum.norm().item())


@given(dim=dims, seed=seeds, rate=rates)
def test_one_step_has_the_meta_gradient_of_the_paper(dim: int, seed: int, rate: float) -> None:
    """(I - a H) grad L'(theta') in full, grad L'(theta') to first order; L' another quadratic."""
    h, b, inner = quadratic(dim, seed)
    outer_h, outer_b, outer = quadratic(dim, seed + 1)
    start = torch.ones(dim, dtype=torch.double)
    adapted = start - rate * (h @ start - b)
    at_adapted = outer_h @ adapted - outer_b

    def meta(first_order: bool) -> Callable[[Tensor], Tensor]:
        return lambda w: outer(
            adapt_parameters(inner, {"w": w}, steps=1, rate=rate, first_order=first_order)
        )

    full = at_adapted - rate * h @ at_adapted
    torch.testing.assert_close(grad(meta(False))(start), full)
    torch.testing.assert_close(grad(meta(True))(start), at_adapted)
    # The same by backward(), the outer loop of most callers.
    for first_order, expected in ((False, full), (True, at_adapted)):
        leaf = start.clone().requires_grad_()
        meta(first_order)(leaf).backward()
        torch.testing.assert_close(leaf.grad, expected)


@given(dim=dims, seed=seeds, rate=rates)
def test_the_rate_has_a_gradient_too(dim: int, seed: int, rate: float) -> None:
    """d L'(w - a g) / d a = -g . grad L'(w'), to first order as well."""
    h, b, inner = quadratic(dim, seed)
    outer_h, outer_b, outer = quadratic(dim, seed + 1)
    start = torch.ones(dim, dtype=torch.double)
    slope = h @ start - b
    expected = -slope @ (outer_h @ (start - rate * slope) - outer_b)
    for first_order in (False, True):
        found = grad(
            lambda a, first_order=first_order: outer(
                adapt_parameters(inner, {"w": start}, steps=1, rate=a, first_order=first_order)
            )
        )(torch.tensor(rate, dtype=torch.double))
        torch.testing.assert_close(found, expected)


def network() -> tuple[nn.Module, Parameters]:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    return made, {name: value.detach() for name, value in made.named_parameters()}


def squared(made: nn.Module, x: Tensor, y: Tensor) -> Callable[[Parameters], Tensor]:
    return lambda params: (functional_call(made, params, (x,)) - y).square().mean()


@settings(max_examples=5)
@given(seed=seeds, steps=st.integers(1, 3))
def test_meta_gradients_of_a_network_are_those_of_finite_differences(seed: int, steps: int) -> None:
    made, params = network()
    generator = torch.Generator().manual_seed(seed)
    x, y, x2, y2 = (
        torch.randn(4, n, dtype=torch.double, generator=generator) for n in (3, 2, 3, 2)
    )
    rates = {name: torch.tensor(0.1 * (i + 1)).double() for i, name in enumerate(params)}

    def meta(*leaves: Tensor) -> Tensor:
        start = dict(zip(params, leaves, strict=False))
        rate = dict(zip(params, leaves[len(params) :], strict=True))
        return squared(made, x2, y2)(
            adapt_parameters(squared(made, x, y), start, steps=steps, rate=rate)
        )

    leaves = [value.clone().requires_grad_() for value in (*params.values(), *rates.values())]
    assert torch.autograd.gradcheck(meta, leaves)


def test_the_hessian_matters_and_the_first_order_leaves_it_out() -> None:
    made, params = network()
    x, y = torch.randn(4, 3).double(), torch.randn(4, 2).double()

    def meta_gradient(first_order: bool, rate: float) -> Parameters:
        loss = squared(made, x, y)
        return grad(
            lambda p: loss(adapt_parameters(loss, p, steps=1, rate=rate, first_order=first_order))
        )(params)

    for name in params:
        apart = (meta_gradient(False, 0.5)[name] - meta_gradient(True, 0.5)[name]).abs().max()
        assert apart > 1e-3
        # Both become the plain gradient as the rate goes to 0.
        near = (meta_gradient(False, 1e-7)[name] - meta_gradient(True, 1e-7)[name]).abs().max()
        assert near < 1e-5


@given(seed=seeds, first_order=st.booleans())
def test_many_tasks_at_once_are_each_task_alone(seed: int, first_order: bool) -> None:
    made, params = network()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 4, 3, dtype=torch.double, generator=generator)
    y = torch.randn(3, 4, 2, dtype=torch.double, generator=generator)

    def adapt(x: Tensor, y: Tensor) -> Parameters:
        loss = squared(made, x, y)
        return adapt_parameters(loss, params, steps=2, rate=0.1, first_order=first_order)

    together = torch.vmap(adapt)(x, y)
    for i in range(3):
        for name, value in adapt(x[i], y[i]).items():
            torch.testing.assert_close(together[name][i], value)


def test_only_the_named_move_and_the_others_still_receive_gradients() -> None:
    made, params = network()
    x, y = torch.randn(4, 3).double(), torch.randn(4, 2).double()
    loss = squared(made, x, y)
    head = ["2.weight", "2.bias"]
    adapted = adapt_parameters(loss, params, steps=2, rate=0.1, only=head)
    assert list(adapted) == list(params)
    for name, value in params.items():
        assert torch.equal(adapted[name], value) == (name not in head)
    found = grad(lambda p: loss(adapt_parameters(loss, p, steps=2, rate=0.1, only=head)))(params)
    assert all(bool(value.abs().max() > 1e-6) for value in found.values())


def test_it_adapts_where_no_gradient_is_recorded_and_leaves_its_start_alone() -> None:
    made, params = network()
    before = {name: value.clone() for name, value in params.items()}
    x, y = torch.randn(4, 3).double(), torch.randn(4, 2).double()
    loss = squared(made, x, y)
    outside = adapt_parameters(loss, params, steps=3, rate=0.1)
    with torch.no_grad():
        inside = adapt_parameters(loss, params, steps=3, rate=0.1)
    assert loss(inside) < loss(params)
    for name, value in params.items():
        torch.testing.assert_close(inside[name], outside[name])
        assert not inside[name].requires_grad
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("steps", "rate", "only", "said"),
    [
        (-1, 0.1, None, "0 or more, got -1"),
        (1, 0.1, ["nobody"], "no parameter 'nobody' to adapt; known: w"),
        (1, {}, None, "parameter 'w' is adapted, and has no inner rate"),
    ],
)
def test_what_cannot_be_is_refused(
    steps: int, rate: float | dict[str, float], only: list[str] | None, said: str
) -> None:
    with pytest.raises(SupportError, match=said):
        adapt_parameters(
            lambda p: p["w"].sum(), {"w": torch.ones(2)}, steps=steps, rate=rate, only=only
        )
