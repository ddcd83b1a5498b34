"""Q-learning, Double Q-learning and value iteration: against each other and against the exact."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.policy.errors import PolicyError
from model.policy.mdp import Grid, Independent, Reward, bin_edges, unfold
from model.policy.policy import greedy
from model.policy.q_learning import (
    METHODS,
    LogWorld,
    MdpWorld,
    Method,
    Schedule,
    Tables,
    learn,
)
from model.policy.value_iteration import ENDED, Mdp, empirical, value_iteration, values_of
from tests.model.policy.synthetic import COSTS, binary_log, gaussian_log, visual_record


def random_mdp(seed: int, states: int, actions: int, discount: float) -> Mdp:
    """Every action legal, three ways to go on and one to end."""
    rng = np.random.default_rng(seed)
    state, action, way = (each.ravel() for each in np.mgrid[0:states, 0:actions, 0:4])
    after = np.where(way == 3, ENDED, rng.integers(0, states, len(way)))
    probability = rng.dirichlet(np.ones(4), states * actions).ravel()
    reward = rng.normal(size=(states, actions))[state, action]
    legal = np.ones((states, actions), bool)
    return Mdp(legal, state, action, after, probability, reward, discount)


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3), st.floats(0, 0.9))
@settings(max_examples=30)
def test_value_iteration_is_the_best_of_all_policies(
    seed: int, states: int, actions: int, discount: float
) -> None:
    mdp = random_mdp(seed, states, actions, discount)
    got = values_of(value_iteration(mdp))
    # Another road: every deterministic policy, each solved as a system of linear equations.
    best = np.full(states, -np.inf)
    for policy in itertools.product(range(actions), repeat=states):
        taken = mdp.action == np.array(policy)[mdp.state]
        moves, earned = np.zeros((states, states)), np.zeros(states)
        stays = taken & (mdp.after != ENDED)
        np.add.at(moves, (mdp.state[stays], mdp.after[stays]), mdp.probability[stays])
        np.add.at(earned, mdp.state[taken], (mdp.probability * mdp.reward)[taken])
        best = np.maximum(best, np.linalg.solve(np.eye(states) - discount * moves, earned))
    np.testing.assert_allclose(got, best, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [1, 64])
def test_learned_tables_are_those_of_value_iteration(method: Method, batch: int) -> None:
    mdp = random_mdp(3, 5, 3, 0.8)
    schedule = Schedule(walks=2_500 if batch == 1 else 30_000, batch=batch, seed=1)
    got = learn(MdpWorld(mdp), method, schedule).answer(mdp.legal)
    exact = value_iteration(mdp)
    np.testing.assert_allclose(got, exact, atol=0.25 if batch == 1 else 0.08)
    assert (got.argmax(1) == exact.argmax(1)).all()


def test_a_batch_of_one_is_the_textbooks_algorithm() -> None:
    mdp = random_mdp(5, 4, 2, 0.9)
    world, schedule = MdpWorld(mdp), Schedule(walks=200, batch=1, decay=0.7, seed=9)
    tables = learn(world, "q-learning", schedule)
    # Watkins, line by line, on the same random numbers.
    q, visits = np.zeros((4, 2)), np.zeros((4, 2))
    for number in range(schedule.walks):
        rng = np.random.default_rng([schedule.seed, number])
        state = int(world.begin(1, rng)[0])
        for _ in range(schedule.horizon):
            action = int(rng.random((1, 2)).argmax())
            reward, place = world.step(np.array([state]), np.array([action]), rng)
            rng.integers(1, size=1)
            following = int(place[0])
            ahead = 0.0 if following == ENDED else q[following].max()
            visits[state, action] += 1
            rate = visits[state, action] ** -0.7
            q[state, action] += rate * (reward[0] + 0.9 * ahead - q[state, action])
            state = following
            if state == ENDED:
                break
    np.testing.assert_allclose(tables.q[0], q, atol=1e-12)
    np.testing.assert_array_equal(tables.visits[0], visits)


def test_double_q_learning_does_not_overestimate_as_q_learning_does() -> None:
    # The chain of van Hasselt (2010) and of Sutton & Barto's figure 6.5: at the start, end for
    # nothing or go to a state of ten actions, each of which ends with noise of mean -0.1.
    arms, noise = 10, np.array([-3.1, -1.1, 0.9, 2.9])
    legal = np.zeros((2, arms), bool)
    legal[0, :2] = legal[1] = True
    arm, drawn = (each.ravel() for each in np.mgrid[0:arms, 0:4])
    mdp = Mdp(
        legal,
        np.append([0, 0], np.ones(arms * 4, int)),
        np.append([0, 1], arm),
        np.append([ENDED, 1], np.full(arms * 4, ENDED)),
        np.append([1.0, 1.0], np.full(arms * 4, 0.25)),
        np.append([0.0, 0.0], noise[drawn]),
    )
    assert value_iteration(mdp)[0, :2] == pytest.approx([0, -0.1])
    errors = {}
    for method in METHODS:
        found = [
            learn(MdpWorld(mdp), method, Schedule(walks=300, batch=1, seed=seed)).answer(legal)
            for seed in range(20)
        ]
        errors[method] = np.mean([q[0, 1] + 0.1 for q in found])
    assert errors["q-learning"] > 0.3  # worth more than it is
    assert errors["double-q-learning"] < errors["q-learning"] / 2


@pytest.mark.parametrize("method", METHODS)
def test_tables_of_a_log_are_those_of_its_counted_process(method: Method) -> None:
    unfolded = unfold(gaussian_log(0, rows=4000), Independent(), visual_record)
    grid = Grid(bin_edges(unfolded, 6), 4)
    reward = Reward(COSTS, 0.005, (0.0, 2.0), distilled=0.5, frequency=0.1)
    exact = value_iteration(empirical(unfolded, grid, reward, 0.1))
    tables = learn(LogWorld(unfolded, grid, reward, 0.1), method, Schedule(walks=400_000))
    got = tables.answer(grid.legal())
    often = tables.visits.sum(0) > 500
    assert often.mean() > 0.15
    apart = got[often] - exact[often]
    # Of about 0.24 on average: what the rate leaves of the noise, and no drift.
    assert np.sqrt((apart**2).mean()) < 0.04
    assert abs(apart.mean()) < 0.01


def test_the_counted_process_of_known_experts_has_their_exact_worth() -> None:
    accuracies, costs, price = (0.7, 0.8, 0.9), (1.0, 2.0, 6.0), 0.03
    odds = np.log(np.array(accuracies) / (1 - np.array(accuracies)))

    def worth(asked: frozenset[int], z: float) -> float:
        """By hand: the best expected reward from log-odds z on, nothing sampled."""
        p = 1 / (1 + np.exp(-z))
        best = float(p * np.log(p) + (1 - p) * np.log(1 - p))
        for j in set(range(3)) - asked:
            yes = p * accuracies[j] + (1 - p) * (1 - accuracies[j])
            ahead = yes * worth(asked | {j}, z + odds[j])
            ahead += (1 - yes) * worth(asked | {j}, z - odds[j])
            best = max(best, ahead - price * costs[j])
        return best

    log = binary_log(0, rows=200_000, accuracies=accuracies)
    unfolded = unfold(log, Independent(), None)
    # An edge between any two sums of log-odds that occur: nothing is lost by the bins.
    values = np.unique(unfolded.logits.round(4))
    grid = Grid((values[1:] + values[:-1]) / 2, 3)
    reward = Reward(costs, price)
    q = value_iteration(empirical(unfolded, grid, reward))
    start = grid.state(np.array(0), grid.bin(np.zeros(1)), np.array(0))
    assert values_of(q)[start] == pytest.approx(worth(frozenset(), 0.0), abs=0.004)
    # And the policy earns it.
    from model.policy.evaluate import run

    outcome = run(greedy(q, grid, reward), unfolded, costs)
    earned = -reward.loss(outcome.logit, log.label.astype(float)) - price * outcome.cost
    assert earned.mean() == pytest.approx(worth(frozenset(), 0.0), abs=0.004)


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_run_that_goes_on_is_the_same_run(tmp_path: Path, method: Method) -> None:
    mdp = random_mdp(1, 4, 2, 0.5)
    schedule = Schedule(walks=1000, batch=30, seed=4)
    whole = learn(MdpWorld(mdp), method, schedule)

    class Stopped(Exception):
        pass

    def stop(tables: Tables) -> None:
        tables.save(tmp_path / "t.npz", "this run")
        if tables.done == 11:
            raise Stopped

    with pytest.raises(Stopped):
        learn(MdpWorld(mdp), method, schedule, None, stop)
    assert Tables.load(tmp_path / "t.npz", "another run") is None
    assert Tables.load(tmp_path / "nothing.npz", "this run") is None
    tables = Tables.load(tmp_path / "t.npz", "this run")
    assert tables is not None
    assert tables.done == 11
    again = learn(MdpWorld(mdp), method, schedule, tables)
    np.testing.assert_array_equal(again.q, whole.q)
    np.testing.assert_array_equal(again.visits, whole.visits)


def test_what_cannot_be_is_refused() -> None:
    mdp = random_mdp(0, 2, 2, 1.0)
    with pytest.raises(PolicyError, match="add up to 1"):
        Mdp(mdp.legal, mdp.state, mdp.action, mdp.after, mdp.probability / 2, mdp.reward)
    with pytest.raises(PolicyError, match="not legal"):
        Mdp(~mdp.legal, mdp.state, mdp.action, mdp.after, mdp.probability, mdp.reward)
    endless = Mdp(
        np.ones((1, 1), bool), np.zeros(1, int), np.zeros(1, int), np.zeros(1, int),
        np.ones(1), np.ones(1),
    )  # fmt: skip
    with pytest.raises(PolicyError, match="did not settle in 50 sweeps"):
        value_iteration(endless, sweeps=50)
    with pytest.raises(PolicyError, match="impossible schedule"):
        Schedule(decay=0.5)
    unfolded = unfold(gaussian_log(0, rows=50, episodes=5), Independent(), None)
    grid = Grid(bin_edges(unfolded, 3), 4)
    with pytest.raises(PolicyError, match="4 experts, the grid 4, and there are 2"):
        empirical(unfolded, grid, Reward((1.0, 1.0), 0.1))
    with pytest.raises(PolicyError, match="blur"):
        empirical(unfolded, grid, Reward(COSTS, 0.1), 2.0)
