"""Navigation: the estimator's two derivatives, the world, and a short meta-training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import jacrev

from model.errors import WeightsError
from model.yardsticks import navigation_report
from model.yardsticks.navigation import (
    NEAR,
    REACH,
    SIDE,
    Paths,
    Policy,
    adapt,
    advantages,
    draw_goals,
    log_density,
    roll_out,
    spread,
    surrogate,
)
from model.yardsticks.navigation_training import METHODS, NavigationConfig, measure, train

QUICK = NavigationConfig(
    steps=30, tasks=10, trajectories=10, horizon=25, hidden=32, outer_rate=0.01, seed=1
)


def paths(tasks: int, trajectories: int, horizon: int, seed: int, told: bool = False) -> Paths:
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    policy = Policy(8, told)
    return roll_out(
        policy,
        spread(policy, tasks),
        draw_goals(tasks, generator),
        trajectories=trajectories,
        horizon=horizon,
        squared=False,
        generator=generator,
    )


class Constant(Policy):
    """A policy of one move, whose mean does not depend on what it sees."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.middle = nn.Parameter(torch.tensor([0.3, -0.2]).double())
        self.log_scale = nn.Parameter(torch.tensor([-0.3, 0.2]).double())

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        return self.middle.expand(*seen.shape[:-1], 2), self.log_scale


def test_the_surrogate_has_the_gradient_and_the_hessian_of_what_is_earned() -> None:
    """Reward -|a - g|^2 has mean -|m - g|^2 - |s|^2: gradient and Hessian in closed form.

    The log probability times the reward has that gradient too, and the wrong Hessian.
    """
    policy, goal = Constant(), torch.tensor([1.0, 0.5]).double()
    n = 200_000
    noise = torch.randn(n, 2, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    noise = (noise - noise.mean(0)) / noise.std(0)
    middle, log_scale = policy.middle.detach(), policy.log_scale.detach()
    action = middle + log_scale.exp() * noise
    reward = -(action - goal).square().sum(1)
    reward = reward - reward.mean()
    old = log_density(action, middle, log_scale)
    seen, alive = torch.zeros(n, 1, 2).double(), torch.ones(n, 1, dtype=torch.bool)

    def ratio(flat: Tensor) -> Tensor:
        params = {"middle": flat[:2], "log_scale": flat[2:]}
        return surrogate(
            policy, seen, action[:, None], old[:, None], reward[:, None], alive, params
        )

    def likelihood(flat: Tensor) -> Tensor:
        return -(log_density(action, flat[:2], flat[2:]) * reward).mean()

    here = torch.cat([middle, log_scale])
    variance = (2 * log_scale).exp()
    slope = torch.cat([2 * (middle - goal), 2 * variance])
    curvature = torch.diag(torch.cat([torch.full((2,), 2.0).double(), 4 * variance]))
    torch.testing.assert_close(jacrev(ratio)(here), slope, atol=0.05, rtol=0.02)
    torch.testing.assert_close(jacrev(likelihood)(here), slope, atol=0.05, rtol=0.02)
    torch.testing.assert_close(jacrev(jacrev(ratio))(here), curvature, atol=0.25, rtol=0.05)
    assert (jacrev(jacrev(likelihood))(here) - curvature).abs().max() > 1


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), horizon=st.integers(1, 20), told=st.booleans())
def test_the_world_written_out_move_by_move(seed: int, horizon: int, told: bool) -> None:
    made = paths(2, 3, horizon, seed, told)
    goals = draw_goals(2, torch.Generator().manual_seed(seed)).double().numpy()
    for b in range(2):
        for n in range(3):
            place, ended = np.zeros(2), False
            for t in range(horizon):
                assert bool(made.alive[b, n, t]) == (not ended)
                np.testing.assert_allclose(made.seen[b, n, t, :2], place, atol=1e-5)
                if ended:
                    assert made.reward[b, n, t] == 0
                    continue
                place = place + REACH * np.clip(made.action[b, n, t].double().numpy(), -1, 1)
                apart = np.linalg.norm(place - goals[b])
                assert float(made.reward[b, n, t]) == pytest.approx(-apart, abs=1e-5)
                ended = bool((np.abs(place - goals[b]) < NEAR).all())


class Straight(Policy):
    """Told the goal, goes there."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.told = True
        self.log_scale = nn.Parameter(torch.full((2,), -12.0))

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        return (seen[..., 2:] - seen[..., :2]) / REACH, self.log_scale


def test_who_goes_straight_arrives_and_the_episode_ends() -> None:
    policy, goals = Straight(), torch.tensor([[0.35, -0.12], [0.0, 0.5], [0.001, 0.0]])
    generator = torch.Generator().manual_seed(0)
    made = roll_out(
        policy,
        spread(policy, 3),
        goals,
        trajectories=2,
        horizon=30,
        squared=True,
        generator=generator,
    )
    # 0.35 takes 4 moves of 0.1, 0.5 takes 5 (the last may be within reach or not), and one is near.
    assert made.alive.sum(-1)[:, 0].tolist() == [4, 5, 1]
    # The first: after the moves 0.25, 0.15, 0.05 and 0 are left of x, 0.02 and 0 of y.
    first = -(0.25**2 + 0.02**2 + 0.15**2 + 0.05**2)
    assert float(made.returns()[0]) == pytest.approx(first, abs=1e-4)


@given(seed=st.integers(0, 1000))
def test_advantages_are_what_a_textbook_regression_leaves(seed: int) -> None:
    made, discount = paths(2, 4, 12, seed), 0.9
    found = advantages(made, discount).double().numpy()
    for b in range(2):
        rows, target, places = [], [], []
        for n in range(4):
            rewards = made.reward[b, n].double().numpy()
            for t in range(12):
                if not made.alive[b, n, t]:
                    assert found[b, n, t] == 0
                    continue
                x = made.seen[b, n, t].double().numpy()
                rows.append([*x, *x**2, t / 100, (t / 100) ** 2, (t / 100) ** 3, 1])
                target.append(sum(rewards[k] * discount ** (k - t) for k in range(t, 12)))
                places.append((n, t))
        design, y = np.array(rows), np.array(target)
        root = np.sqrt(1e-5 * len(y)) * np.eye(8)
        weights = np.linalg.lstsq(np.vstack([design, root]), np.append(y, np.zeros(8)), rcond=None)[
            0
        ]
        left = y - design @ weights
        expected = (left - left.mean()) / left.std()
        got = np.array([found[b, n, t] for n, t in places])
        np.testing.assert_allclose(got, expected, atol=5e-3)


def test_every_task_adapts_alone_and_the_start_receives_a_gradient() -> None:
    torch.manual_seed(0)
    policy = Policy(8)
    generator = torch.Generator().manual_seed(1)
    goals = draw_goals(3, generator)
    params = spread(policy, 3)
    made = roll_out(
        policy, params, goals, trajectories=5, horizon=10, squared=False, generator=generator
    )
    together = adapt(policy, params, made, rate=0.5, discount=0.99)
    for b in range(3):
        one = Paths(*(getattr(made, f)[b : b + 1] for f in made.__dataclass_fields__))
        alone = adapt(policy, spread(policy, 1), one, rate=0.5, discount=0.99)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][b], value[0], atol=1e-5, rtol=1e-4)
    torch.autograd.backward(sum(v.square().sum() for v in together.values()))
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in policy.parameters())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    folder = tmp_path_factory.mktemp("navigation")
    return {method: train(method, QUICK, folder) for method in METHODS}


def test_a_short_meta_training_learns_to_adapt(trained: dict[str, Policy]) -> None:
    gains = {
        method: np.diff(
            measure(trained[method], QUICK, rate=0.5, steps=1, count=60, stream=1), axis=1
        )[:, 0]
        for method in ("maml", "random")
    }
    # Going to the goal instead of standing at the origin: 25 moves of 0.38 are -9.6.
    assert gains["maml"].mean() > 1.5
    more = gains["maml"] - gains["random"]
    assert more.mean() > 3 * more.std() / np.sqrt(len(more))
    oracle = measure(trained["oracle"], QUICK, rate=0.5, steps=0, count=60, stream=1)[:, 0]
    random = measure(trained["random"], QUICK, rate=0.5, steps=0, count=60, stream=1)[:, 0]
    assert oracle.mean() > random.mean() + 1


def test_a_training_that_was_stopped_goes_on_to_the_same_policy(tmp_path: Path) -> None:
    config = replace(QUICK, steps=25, tasks=2, trajectories=3, horizon=4)
    whole = train("maml", config, tmp_path / "whole")
    seen = []

    def stop(done: int, total: int, words: str) -> None:
        seen.append(done)
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("maml", config, tmp_path / "parts", stop)
    parts = train("maml", config, tmp_path / "parts", lambda done, total, words: seen.append(done))
    assert seen == [0, 20, 20, 25]
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(WeightsError, match="another configuration"):
        train("maml", replace(config, steps=26), tmp_path / "parts")


def test_the_page_gets_its_figures(trained: dict[str, Policy], tmp_path: Path) -> None:
    measured = navigation_report.measure_all(trained, replace(QUICK, trajectories=3, horizon=5), 8)
    page = navigation_report.write(measured, QUICK, tmp_path)
    last = measured.returns["maml"][:, 3].mean()
    row = next(line for line in page.read_text().splitlines() if line.startswith("| MAML |"))
    assert f"{last:.2f} ±" in row
    assert (tmp_path / "navigation.svg").read_bytes().startswith(b"<?xml")


def test_goals_lie_in_the_square_and_standing_still_earns_the_mean_distance() -> None:
    goals = draw_goals(20_000, torch.Generator().manual_seed(0))
    assert SIDE * 0.99 < goals.abs().max() <= SIDE
    # Mean distance from the centre of a unit square: (sqrt 2 + ln(1 + sqrt 2)) / 6.
    mean = (np.sqrt(2) + np.log(1 + np.sqrt(2))) / 6
    assert navigation_report.standing_still(NavigationConfig()) == pytest.approx(
        -100 * mean, abs=0.2
    )
    squared = NavigationConfig(squared=True)
    assert navigation_report.standing_still(squared) == pytest.approx(-100 / 6, abs=0.2)


def test_trajectories_that_run_away_or_diverge_stop_nothing() -> None:
    made = paths(1, 2, 30, seed=3)
    away = replace(made, seen=torch.full_like(made.seen, 10.0))
    assert bool(torch.isfinite(advantages(away, 0.99)).all())
    diverged = replace(made, seen=torch.full_like(made.seen, torch.nan))
    assert bool(advantages(diverged, 0.99).isnan().all())
