"""An optimiser that is a recurrent network: one LSTM for every coordinate of the parameters.

Andrychowicz, Denil, Gómez, Hoffman, Pfau, Schaul, Shillingford and de Freitas 2016, "Learning to
learn by gradient descent by gradient descent", NeurIPS, arXiv:1606.04474. In place of a rule such
as theta - rate * gradient, a two-layer LSTM with few hidden units reads a coordinate's gradient and
says how far that coordinate moves:

    (g_t, h_{t+1}) = m(grad f(theta_t), h_t, phi),    theta_{t+1} = theta_t + g_t

The weights phi are shared by all coordinates, the state h is each coordinate's own, so the same few
thousand numbers drive any parameter vector, of any length and in any order. Nothing here knows what
is being optimised.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.errors import SupportError

LOG_RANGE = 10.0  # p of the paper's appendix A
State = tuple[tuple[Tensor, Tensor], ...]
"""Of each layer (hidden, cell), shape (b * p, units) each: a row for each coordinate."""


def log_and_sign(
    values: Float[Tensor, "*shape"], log_range: float = LOG_RANGE
) -> Float[Tensor, "*shape 2"]:
    """Gradients of any magnitude as two numbers of moderate size (appendix A of the paper).

        (log|v| / p, sign v)    where |v| >= exp(-p)
        (-1, exp(p) v)          elsewhere

    Between 1e-4 and 1e4 and beyond, magnitude and sign stay readable; below exp(-p) the second
    number goes on linearly, so that it is continuous and 0 stays 0.

    Args:
        log_range: p, above 0.
    """
    magnitude = values.abs()
    large = magnitude >= math.exp(-log_range)
    # Clamped in the branch that is not taken, too: log 0 would leave a NaN in its gradient.
    logs = magnitude.clamp_min(math.exp(-log_range)).log() / log_range
    first = torch.where(large, logs, torch.full_like(values, -1.0))
    second = torch.where(large, values.sign(), math.exp(log_range) * values)
    return torch.stack([first, second], dim=-1)


class CoordinateLSTM(nn.Module):
    """The learned update rule m, with its weights phi.

    Args:
        units: hidden units of each layer; the paper has 20.
        layers: of the LSTM; the paper has 2.
        preprocess: whether gradients go in by ``log_and_sign`` (appendix A), or as they are (the
            paper's quadratics).
        scale: what the output is multiplied by: 0.1 in the paper's networks, 1 in its quadratics.
    """

    def __init__(
        self, units: int = 20, layers: int = 2, *, preprocess: bool = True, scale: float = 0.1
    ) -> None:
        super().__init__()
        if units < 1 or layers < 1:
            raise SupportError(f"an LSTM needs a unit and a layer, got {units} and {layers}")
        self.units, self.layers = units, layers
        self.preprocess, self.scale = preprocess, scale
        inputs = [2 if preprocess else 1] + [units] * (layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(size, units) for size in inputs)
        self.output = nn.Linear(units, 1)

    def init_state(self, theta: Float[Tensor, "b p"]) -> State:
        """The state before the first step, zeros, for b parameter vectors of length p."""
        zeros = theta.new_zeros(theta.numel(), self.units)
        return tuple((zeros, zeros) for _ in range(self.layers))

    def step(
        self, gradient: Float[Tensor, "b p"], state: State
    ) -> tuple[Float[Tensor, "b p"], State]:
        """What to add to the parameters, and the state after it; neither argument changes."""
        read = log_and_sign(gradient) if self.preprocess else gradient[..., None]
        flow = read.flatten(0, 1)
        after = []
        for cell, (hidden, memory) in zip(self.cells, state, strict=True):
            flow, memory = cell(flow, (hidden, memory))
            after.append((flow, memory))
        update = self.scale * self.output(flow).view_as(gradient)
        return update, tuple(after)


def detached(state: State) -> State:
    """The same state, cut off from how it came about: where back-propagation is truncated."""
    return tuple((hidden.detach(), memory.detach()) for hidden, memory in state)


def unroll(
    optimiser: CoordinateLSTM,
    loss_of: Callable[[Tensor], Tensor],
    theta: Float[Tensor, "b p"],
    state: State,
    steps: int,
    gradient_of: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Float[Tensor, "t b"], Float[Tensor, "b p"], State]:
    """Take steps with the learned optimiser; differentiable in its weights.

    As in the paper, the gradient that the optimiser reads counts as a constant (its figure 2, the
    dashed edges), so that no second derivative of the loss is needed: the outer gradient flows
    through the sum of the updates and through the optimiser's own state.

    Args:
        loss_of: parameters (b, p) to losses (b,), each row's own; differentiable.
        theta: where each of the b problems starts.
        state: the optimiser's, from ``init_state`` or an earlier call.
        gradient_of: parameters (b, p) to gradients (b, p), where they are known in closed form;
            otherwise ``torch.func.grad`` of ``loss_of``.
    Returns:
        The losses *after* each step, shape (steps, b); the parameters; the state.
    """

    def total(values: Tensor) -> Tensor:
        return loss_of(values).sum()

    slope = gradient_of or torch.func.grad(total)
    losses = []
    for _ in range(steps):
        update, state = optimiser.step(slope(theta.detach()).detach(), state)
        theta = theta + update
        losses.append(loss_of(theta))
    return torch.stack(losses), theta, state
