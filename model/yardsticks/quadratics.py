"""Random quadratics: the first yardstick of learned optimisers.

Andrychowicz et al. 2016 (arXiv:1606.04474), section 3.1 and the left panel of figure 4: minimise

    f(theta) = |W theta - y|^2,    theta of 10 numbers, entries of W and y independent N(0, 1)

An optimiser that is trained on such functions is measured on new ones, beside SGD, RMSprop, Adam
and Nesterov's accelerated gradient (NAG) with the learning rate that is best for this family. The
least value of f is 0 (W is invertible almost surely), and theta starts at independent N(0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from model.learners.coordinate_lstm import CoordinateLSTM, unroll

DIM = 10
RATES: tuple[float, ...] = tuple(10 ** (-3 + k / 8) for k in range(29))
"""Learning rates to choose from: 0.001 to 3.2, eight to a factor of ten."""


@dataclass(frozen=True, eq=False)
class Quadratics:
    """b functions f(theta) = |W theta - y|^2 and the points that they are minimised from.

    Attributes:
        matrix: W, shape (b, d, d).
        target: y, shape (b, d).
        start: theta_0, shape (b, d).
    """

    matrix: Tensor
    target: Tensor
    start: Tensor

    @classmethod
    def draw(cls, count: int, generator: torch.Generator, dim: int = DIM) -> Quadratics:
        """Independent functions with standard normal W, y and start."""
        return cls(
            torch.randn(count, dim, dim, generator=generator),
            torch.randn(count, dim, generator=generator),
            torch.randn(count, dim, generator=generator),
        )

    def loss(self, theta: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """f of every row under its own function."""
        return self._residual(theta).square().sum(1)

    def gradient(self, theta: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """2 W^T (W theta - y)."""
        return 2 * torch.einsum("bij,bi->bj", self.matrix, self._residual(theta))

    def _residual(self, theta: Tensor) -> Tensor:
        return torch.einsum("bij,bj->bi", self.matrix, theta) - self.target


Factory = Callable[[Sequence[Tensor], float], torch.optim.Optimizer]
BASELINES: Mapping[str, Factory] = {
    "SGD": lambda theta, rate: torch.optim.SGD(theta, lr=rate),
    "RMSprop": lambda theta, rate: torch.optim.RMSprop(theta, lr=rate),
    "Adam": lambda theta, rate: torch.optim.Adam(theta, lr=rate),
    "NAG": lambda theta, rate: torch.optim.SGD(theta, lr=rate, momentum=0.9, nesterov=True),
}
"""By name; constants other than the rate are the defaults, as in the paper (0.9 for momentum)."""


def run_baseline(
    make: Factory, rate: float, functions: Quadratics, steps: int
) -> Float[Tensor, "steps_plus_1 b"]:
    """Losses at the start and after each step.

    All of these optimisers treat each number apart, so b functions are minimised at once.
    """
    theta = functions.start.clone()
    optimiser = make([theta], rate)
    losses = [functions.loss(theta)]
    for _ in range(steps):
        theta.grad = functions.gradient(theta)
        optimiser.step()
        losses.append(functions.loss(theta))
    return torch.stack(losses)


def tune(
    make: Factory, functions: Quadratics, steps: int, rates: Sequence[float] = RATES
) -> tuple[float, dict[float, float]]:
    """The rate with the least mean loss after the last step, and that loss for every rate.

    A rate at which any function runs away to infinity or NaN counts as infinitely bad.
    """
    found = {}
    for rate in rates:
        final = run_baseline(make, rate, functions, steps)[-1].mean()
        found[rate] = float(final.nan_to_num(nan=torch.inf))
    return min(found, key=lambda rate: found[rate]), found


@torch.no_grad()
def run_learned(
    optimiser: CoordinateLSTM, functions: Quadratics, steps: int
) -> Float[Tensor, "steps_plus_1 b"]:
    """Losses at the start and after each step of a learned optimiser."""
    start = functions.start
    state = optimiser.init_state(start)
    losses, _, _ = unroll(optimiser, functions.loss, start, state, steps, functions.gradient)
    return torch.cat([functions.loss(start)[None], losses])
