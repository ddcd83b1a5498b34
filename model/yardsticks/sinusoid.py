"""Few-shot regression of sinusoids (Finn et al. 2017, arXiv:1703.03400, section 5.1).

A task is a wave y = A sin(x + p), amplitude A in [0.1, 5], phase p in [0, pi]; K points with x in
[-5, 5] are given, and the wave is asked for. A network 1-40-40-1 of rectifiers learns by one inner
step of rate 0.01 on K = 10 points, 25 tasks in an outer step of Adam at 0.001 (the sizes of the
batch and of Adam's rate stand in the authors' code, the others in the paper), and is tested with
as many steps and points as one likes. Beside it stand a network pretrained on all tasks and then
fine-tuned, and an oracle that is told A and p.

Before adapting, no network can do better than ``least_error_unadapted``: it has to answer with the
mean of all waves, 2 E[A] cos(x) / pi.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from model.learners.inner_loop import Parameters, adapt_parameters
from model.yardsticks.outer_loop import OuterLoop, Tell, fingerprint, silence

METHODS = {
    "maml": "MAML",
    "fomaml": "first-order MAML",
    "pretrained": "pretrained, fine-tuned",
    "oracle": "oracle",
}
LEAST_AMPLITUDE, MOST_AMPLITUDE, MOST_X = 0.1, 5.0, 5.0
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Among which the pretrained network's step size is chosen, as the paper tunes it."""


@dataclass(frozen=True)
class SinusoidConfig:
    """What decides a training run.

    Attributes:
        steps: of the outer loop; the authors' code takes 70,000.
        tasks: in each of them.
        shots: K in training, for the inner step and again for the outer loss.
        inner_rate: step size of the inner loop, in training and, of MAML, in testing.
        outer_rate: Adam's.
        hidden: width of both hidden layers.
        seed: of everything that is drawn.
    """

    steps: int = 20_000
    tasks: int = 25
    shots: int = 10
    inner_rate: float = 0.01
    outer_rate: float = 0.001
    hidden: int = 40
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Waves:
    """Tasks: y = amplitude sin(x + phase)."""

    amplitude: Float[Tensor, " b"]
    phase: Float[Tensor, " b"]

    @classmethod
    def draw(cls, count: int, rng: np.random.Generator) -> Waves:
        """Uniform amplitudes and phases."""
        amplitude = rng.uniform(LEAST_AMPLITUDE, MOST_AMPLITUDE, count)
        phase = rng.uniform(0, math.pi, count)
        return cls(torch.from_numpy(amplitude).float(), torch.from_numpy(phase).float())

    def at(self, x: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """y."""
        return self.amplitude[:, None] * torch.sin(x + self.phase[:, None])

    def inputs(self, x: Float[Tensor, "b n"], told: bool) -> Float[Tensor, "b n i"]:
        """What a network sees: x, and amplitude and phase where it is told."""
        if not told:
            return x[..., None]
        known = torch.stack([self.amplitude, self.phase], dim=-1)
        return torch.cat([x[..., None], known[:, None].expand(-1, x.shape[1], -1)], dim=-1)


def least_error_unadapted() -> float:
    """Mean squared error of the mean of all waves: E[A^2] / 2 - (2 E[A] / pi)^2 E[cos(x)^2]."""
    low, high = LEAST_AMPLITUDE, MOST_AMPLITUDE
    mean = (low + high) / 2
    mean_square = (high**3 - low**3) / (3 * (high - low))
    cosine = 0.5 + math.sin(2 * MOST_X) / (4 * MOST_X)
    return mean_square / 2 - (2 * mean / math.pi) ** 2 * cosine


def network(hidden: int, told: bool) -> nn.Module:
    """Two hidden layers of rectifiers, from torch's current random state."""
    return nn.Sequential(
        nn.Linear(3 if told else 1, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 1),
    )


def squared_error(
    net: nn.Module, x: Float[Tensor, "n i"], y: Float[Tensor, " n"], params: Parameters
) -> Float[Tensor, ""]:
    """Mean over the points of one task."""
    found: Tensor = functional_call(net, params, (x,))[:, 0]
    return (found - y).square().mean()


def train(method: str, config: SinusoidConfig, folder: Path, tell: Tell = silence) -> nn.Module:
    """Train one of ``METHODS``, going on from a checkpoint in the folder.

    Raises:
        WeightsError: the checkpoint belongs to another configuration.
    """
    torch.manual_seed(config.seed)
    told = method == "oracle"
    net = network(config.hidden, told)
    adapts = method in ("maml", "fomaml")

    def task_loss(x: Tensor, y: Tensor, x_after: Tensor, y_after: Tensor) -> Tensor:
        params: Parameters = dict(net.named_parameters())
        params = adapt_parameters(
            partial(squared_error, net, x, y),
            params,
            steps=int(adapts),
            rate=config.inner_rate,
            first_order=method == "fomaml",
        )
        return squared_error(net, x_after, y_after, params)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([config.seed, 0, step])
        waves = Waves.draw(config.tasks, rng)
        x = rng.uniform(-MOST_X, MOST_X, (2, config.tasks, config.shots))
        before, after = torch.from_numpy(x).float()
        losses = torch.vmap(task_loss)(
            waves.inputs(before, told),
            waves.at(before),
            waves.inputs(after, told),
            waves.at(after),
        )
        mean = losses.mean()
        return mean, {"mean squared error": mean.item()}

    # The rate is constant, so more steps go on from where fewer ended: they are not in the mark.
    mark = fingerprint("sinusoid", method, replace(config, steps=0))
    outer = OuterLoop(
        steps=config.steps,
        rate=config.outer_rate,
        checkpoint=folder / f"{method}.safetensors",
        mark=mark,
        save_every=2000,
    )
    outer.run(net, loss, tell)
    return net


@torch.no_grad()
def errors_by_step(
    net: nn.Module,
    waves: Waves,
    given: Float[Tensor, "b k"],
    *,
    told: bool,
    rate: float,
    steps: int,
    points: int = 100,
) -> Float[np.ndarray, "b steps_plus_1"]:
    """Mean squared error of each task over [-5, 5] after 0, 1, ... gradient steps on its K points.

    Args:
        given: x of the K points.
        points: evenly spaced, on which the error is measured.
    """
    x = torch.linspace(-MOST_X, MOST_X, points).expand(len(given), -1)

    def task(x_given: Tensor, y_given: Tensor, x_asked: Tensor, y_asked: Tensor) -> Tensor:
        params: Parameters = dict(net.named_parameters())
        errors = [squared_error(net, x_asked, y_asked, params)]
        for _ in range(steps):
            inner = partial(squared_error, net, x_given, y_given)
            params = adapt_parameters(inner, params, steps=1, rate=rate)
            errors.append(squared_error(net, x_asked, y_asked, params))
        return torch.stack(errors)

    found: Tensor = torch.vmap(task)(
        waves.inputs(given, told), waves.at(given), waves.inputs(x, told), waves.at(x)
    )
    return found.double().numpy()


def draw_test(count: int, shots: int, seed: int, stream: int) -> tuple[Waves, Float[Tensor, "b k"]]:
    """Tasks and the x of their points; streams do not overlap with each other or with training.

    Args:
        stream: 1 to test, 2 to choose a step size.
    """
    rng = np.random.default_rng([seed, stream, shots])
    waves = Waves.draw(count, rng)
    return waves, torch.from_numpy(rng.uniform(-MOST_X, MOST_X, (count, shots))).float()


def best_rate(net: nn.Module, shots: int, seed: int, *, count: int = 200, steps: int = 10) -> float:
    """The step size of ``RATES`` with the least error after the last step, on tasks of its own."""
    waves, given = draw_test(count, shots, seed, stream=2)
    errors = {
        rate: errors_by_step(net, waves, given, told=False, rate=rate, steps=steps)[:, -1].mean()
        for rate in RATES
    }
    # A rate at which descent diverges gives infinity or NaN, and is not chosen.
    return min(errors, key=lambda rate: float(np.nan_to_num(errors[rate], nan=np.inf)))
