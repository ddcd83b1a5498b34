"""A point that has to find a goal nobody names (Finn et al. 2017, arXiv:1703.03400, section 5.3).

A task is a goal in the square [-0.5, 0.5]^2. The point starts at the origin, sees where it is,
moves by at most 0.1 along each axis, and is rewarded by how near the goal it then stands; an
episode ends within 0.01 of the goal along both axes, or after 100 moves. What there is to learn a
goal from is what trajectories earned: one inner step of policy gradient (REINFORCE, Williams 1992,
with a linear baseline of features) on 20 of them, by the inner loop that adapts a category's head.

Both gradients are those of a surrogate: mean of ratio x advantage, the ratio of an action's
probability to what it was when the action was drawn. It is 1, its gradient is that of the log
probability, and its second derivative holds the term that says how trajectories change with the
policy, which the log probability itself loses (Foerster et al. 2018, arXiv:1802.05098; Rothfuss et
al. 2019, arXiv:1810.06784, the low-variance estimator for each move).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call

from model.learners.inner_loop import Parameters, adapt_parameters

REACH = 0.1
NEAR = 0.01
SIDE = 0.5


class Policy(nn.Module):
    """Gaussian over actions, its mean from two hidden layers of rectifiers.

    An action of 1 is a move of ``REACH``; what exceeds 1 is cut when the move is made.

    Args:
        hidden: width of both layers.
        told: whether it sees the goal beside its position: the oracle.
    """

    def __init__(self, hidden: int, told: bool = False) -> None:
        super().__init__()
        self.told = told
        self.mean = nn.Sequential(
            nn.Linear(4 if told else 2, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2),
        )
        self.log_scale = nn.Parameter(torch.zeros(2))

    def forward(self, seen: Float[Tensor, "*n i"]) -> tuple[Tensor, Tensor]:
        """Mean of the action (*n, 2), and log of its standard deviation (2,)."""
        return self.mean(seen), self.log_scale


@dataclass(frozen=True, eq=False)
class Paths:
    """n trajectories of up to h moves in each of b tasks.

    Attributes:
        seen: what the policy saw before each move.
        action: as drawn, before it is cut.
        log_probability: of the action, under the policy that drew it; a constant.
        reward: after the move; 0 where the episode had ended.
        alive: whether the move was made.
    """

    seen: Float[Tensor, "b n h i"]
    action: Float[Tensor, "b n h 2"]
    log_probability: Float[Tensor, "b n h"]
    reward: Float[Tensor, "b n h"]
    alive: Bool[Tensor, "b n h"]

    def returns(self) -> Float[Tensor, " b"]:
        """Sum of rewards of an episode, undiscounted, mean over a task's trajectories."""
        return self.reward.sum(-1).mean(-1)


def log_density(action: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log N(action; mean, scale), summed over the two axes."""
    z = (action - mean) * torch.exp(-log_scale)
    return -(0.5 * z.square() + log_scale + 0.5 * math.log(2 * math.pi)).sum(-1)


def draw_goals(count: int, generator: torch.Generator) -> Float[Tensor, "b 2"]:
    """Uniform in the square."""
    return (torch.rand(count, 2, generator=generator) * 2 - 1) * SIDE


@torch.no_grad()
def roll_out(
    policy: Policy,
    params: Mapping[str, Tensor],
    goals: Float[Tensor, "b 2"],
    *,
    trajectories: int,
    horizon: int,
    squared: bool,
    generator: torch.Generator,
) -> Paths:
    """Trajectories in every task, each task under parameters of its own.

    Args:
        params: every tensor with a first axis of b tasks.
        squared: reward is minus the squared distance, else minus the distance.
    """
    b, n = len(goals), trajectories
    noise = torch.randn(horizon, b, n, 2, generator=generator)
    act = torch.vmap(lambda p, x: functional_call(policy, p, (x,)))
    position = torch.zeros(b, n, 2)
    goal = goals[:, None].expand(-1, n, -1)
    alive = torch.ones(b, n, dtype=torch.bool)
    steps = []
    for drawn in noise:
        seen = torch.cat([position, goal], dim=-1) if policy.told else position
        mean, log_scale = act(dict(params), seen)
        log_scale = log_scale[:, None]
        action = mean + log_scale.exp() * drawn
        log_probability = log_density(action, mean, log_scale)
        position = position + REACH * action.clamp(-1, 1) * alive[..., None]
        apart = position - goal
        reward = -apart.square().sum(-1)
        reward = (reward if squared else -(-reward).sqrt()) * alive
        steps.append((seen, action, log_probability, reward, alive))
        alive = alive & ~(apart.abs() < NEAR).all(-1)
    seen, action, log_probability, reward, was_alive = (
        torch.stack(column, dim=2) for column in zip(*steps, strict=True)
    )
    return Paths(seen, action, log_probability, reward, was_alive)


def advantages(paths: Paths, discount: float) -> Float[Tensor, "b n h"]:
    """Discounted rewards to come less a baseline, of mean 0 and deviation 1 within each task.

    The baseline is linear in (x, x^2, t, t^2, t^3, 1), t in hundreds of moves, by ridge regression
    on the same trajectories (Duan et al. 2016, arXiv:1604.06778). Moves not made count 0.
    """
    to_come = torch.zeros_like(paths.reward)
    ahead = torch.zeros_like(paths.reward[..., 0])
    horizon = paths.reward.shape[-1]
    for t in reversed(range(horizon)):
        ahead = paths.reward[..., t] + discount * ahead
        to_come[..., t] = ahead
    time = (torch.arange(horizon) / 100)[:, None].expand(*paths.reward.shape, 1)
    one = torch.ones_like(time)
    features = [paths.seen, paths.seen.square(), time, time**2, time**3, one]
    here = paths.alive.flatten(1).to(to_come.dtype)[..., None]
    # In double: squares of positions up to 10 beside a ridge of 1e-5 are singular in single.
    design = (torch.cat(features, dim=-1).flatten(1, 2) * here).double()
    target = (to_come.flatten(1)[..., None] * here).double()
    ridge = 1e-5 * here.double().sum(1, keepdim=True)
    gram = design.mT @ design + ridge * torch.eye(design.shape[-1]).double()
    # Unchecked: a policy that diverged under too long a step has NaN for an answer, not an error.
    weights = torch.linalg.solve_ex(gram, design.mT @ target).result
    residual = (target - design @ weights)[..., 0].to(to_come.dtype)
    count = here[..., 0].sum(1, keepdim=True)
    centred = (residual - residual.sum(1, keepdim=True) / count) * here[..., 0]
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    scaled: Tensor = (centred / (deviation + 1e-8)).view_as(paths.reward)
    return scaled


def surrogate(
    policy: Policy,
    seen: Float[Tensor, "n h i"],
    action: Float[Tensor, "n h 2"],
    old: Float[Tensor, "n h"],
    advantage: Float[Tensor, "n h"],
    alive: Bool[Tensor, "n h"],
    params: Parameters,
) -> Float[Tensor, ""]:
    """Minus the mean over one task's moves of probability ratio x advantage."""
    mean, log_scale = functional_call(policy, params, (seen,))
    ratio = torch.exp(log_density(action, mean, log_scale) - old)
    return -(ratio * advantage * alive).sum() / alive.sum()


def task_losses(
    policy: Policy, params: Parameters, paths: Paths, discount: float
) -> Float[Tensor, " b"]:
    """``surrogate`` of every task, under parameters with a first axis of tasks."""
    found: Tensor = torch.vmap(partial(surrogate, policy))(
        paths.seen,
        paths.action,
        paths.log_probability,
        advantages(paths, discount),
        paths.alive,
        params,
    )
    return found


def adapt(
    policy: Policy, params: Parameters, paths: Paths, *, rate: float, discount: float
) -> Parameters:
    """One step of policy gradient in every task; differentiable with respect to ``params``.

    Args:
        params: every tensor with a first axis of tasks, and so is what comes back.
        paths: drawn under ``params``.
    """
    # No task's loss holds another task's parameters, so the sum's gradient is each one's own.
    return adapt_parameters(
        lambda moving: task_losses(policy, moving, paths, discount).sum(),
        params,
        steps=1,
        rate=rate,
    )


def spread(module: nn.Module, tasks: int) -> Parameters:
    """The module's parameters once for each task, without copying; gradients add up."""
    return {k: v.expand(tasks, *v.shape) for k, v in module.named_parameters()}
