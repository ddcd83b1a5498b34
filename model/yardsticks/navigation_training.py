"""Meta-trains navigation policies, and measures what they earn by gradient step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from model.learners.inner_loop import Parameters
from model.yardsticks.navigation import (
    Paths,
    Policy,
    adapt,
    draw_goals,
    roll_out,
    spread,
    task_losses,
)
from model.yardsticks.outer_loop import OuterLoop, Tell, fingerprint, silence

METHODS = {
    "maml": "MAML",
    "pretrained": "pretrained",
    "random": "random start",
    "oracle": "oracle",
}
RATES = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Among which the first step sizes of the pretrained and the random policy are chosen."""


@dataclass(frozen=True)
class NavigationConfig:
    """What decides a training run.

    Attributes:
        steps: of the outer loop.
        tasks: goals in each of them.
        trajectories: for an inner step, and again for the outer loss.
        horizon: moves of an episode at most.
        inner_rate: step size of the inner policy gradient.
        outer_rate: Adam's at the start; it falls along a cosine.
        hidden: width of the policy's two layers.
        discount: of rewards to come, in advantages alone.
        squared: reward by squared distance, as the paper words it, else by distance, as its code
            has it.
        seed: of everything that is drawn.
    """

    steps: int = 300
    tasks: int = 20
    trajectories: int = 20
    horizon: int = 100
    inner_rate: float = 0.5
    outer_rate: float = 0.005
    hidden: int = 64
    discount: float = 0.99
    squared: bool = False
    seed: int = 0

    def roll_out(
        self, policy: Policy, params: Parameters, goals: Tensor, generator: torch.Generator
    ) -> Paths:
        """Trajectories as this configuration has them."""
        return roll_out(
            policy,
            params,
            goals,
            trajectories=self.trajectories,
            horizon=self.horizon,
            squared=self.squared,
            generator=generator,
        )


def train(method: str, config: NavigationConfig, folder: Path, tell: Tell = silence) -> Policy:
    """Train one of ``METHODS``, going on from a checkpoint in the folder.

    ``maml`` learns a start for one inner step; ``pretrained`` and ``oracle`` learn by plain policy
    gradient over all goals; ``random`` stays as it was drawn.

    Raises:
        WeightsError: the checkpoint belongs to another configuration.
    """
    torch.manual_seed(config.seed)
    policy = Policy(config.hidden, told=method == "oracle")
    if method == "random":
        return policy

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        generator = _generator(config.seed, 0, step)
        goals = draw_goals(config.tasks, generator)
        params = spread(policy, config.tasks)
        paths = config.roll_out(policy, params, goals, generator)
        words = {"return": paths.returns().mean().item()}
        if method == "maml":
            params = adapt(policy, params, paths, rate=config.inner_rate, discount=config.discount)
            paths = config.roll_out(policy, params, goals, generator)
            words["adapted"] = paths.returns().mean().item()
        return task_losses(policy, params, paths, config.discount).mean(), words

    outer = OuterLoop(
        steps=config.steps,
        rate=config.outer_rate,
        checkpoint=folder / f"{method}.safetensors",
        mark=fingerprint("navigation", method, config),
        decay=1.0,
        clip=1.0,
        save_every=20,
    )
    outer.run(policy, loss, tell)
    return policy


@torch.no_grad()
def returns_by_step(
    policy: Policy,
    config: NavigationConfig,
    goals: Float[Tensor, "b 2"],
    *,
    rate: float,
    steps: int,
    generator: torch.Generator,
) -> Float[np.ndarray, "b steps_plus_1"]:
    """What each task's trajectories earn after 0, 1, ... gradient steps, undiscounted.

    Args:
        rate: of the first step; later ones take half of it, as the authors' code has it.
    """
    params = spread(policy, len(goals))
    found = []
    for step in range(steps + 1):
        paths = config.roll_out(policy, params, goals, generator)
        found.append(paths.returns())
        size = rate if step == 0 else rate / 2
        if step < steps:
            params = adapt(policy, params, paths, rate=size, discount=config.discount)
    return torch.stack(found, dim=1).double().numpy()


def measure(
    policy: Policy,
    config: NavigationConfig,
    *,
    rate: float,
    steps: int,
    count: int,
    stream: int,
    block: int = 40,
) -> Float[np.ndarray, "b steps_plus_1"]:
    """``returns_by_step`` on goals of a stream, in blocks that fit into little memory.

    Args:
        count: of goals.
        stream: 1 to test, 2 to choose a step size; training has others.
    """
    goals = draw_goals(count, _generator(config.seed, stream, 0))
    parts = [
        returns_by_step(
            policy,
            config,
            part,
            rate=rate,
            steps=steps,
            generator=_generator(config.seed, stream, 1 + number),
        )
        for number, part in enumerate(torch.split(goals, block))
    ]
    return np.concatenate(parts)


def best_rate(policy: Policy, config: NavigationConfig, *, steps: int, count: int = 20) -> float:
    """The step size of ``RATES`` that earns most after the last step, on goals of its own."""
    earned = {
        rate: measure(policy, config, rate=rate, steps=steps, count=count, stream=2)[:, -1].mean()
        for rate in RATES
    }
    return max(earned, key=lambda rate: float(np.nan_to_num(earned[rate], nan=-np.inf)))


def _generator(seed: int, stream: int, number: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, stream, number]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))
