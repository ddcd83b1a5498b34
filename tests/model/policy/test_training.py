"""What is learned from experts that are known, and how one policy is chosen among many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.metrics import recall_at_false_alarms
from model.policy.errors import PolicyError
from model.policy.evaluate import run
from model.policy.fixed import Plan
from model.policy.mdp import Grid, Independent, Reward, Unfolded, bin_edges, unfold
from model.policy.measuring import measure_all, parted
from model.policy.policy import Policy, greedy
from model.policy.q_learning import METHODS, Schedule
from model.policy.training import (
    EXACT,
    Allowed,
    Judge,
    Setting,
    Sweep,
    candidates,
    cascades,
    cheapest,
    focus_points,
    front,
    train,
    usual_prices,
)
from tests.model.policy.synthetic import COSTS, binary_log, gaussian_log, visual_record

ALL = (*METHODS, EXACT)


def learned(
    method: str, accuracies: tuple[float, ...], costs: tuple[float, ...], price: float
) -> tuple[Policy, Unfolded]:
    """Log loss, binary experts, no bin too coarse."""
    unfolded = unfold(binary_log(1, rows=20_000, accuracies=accuracies), Independent(), None)
    values = np.unique(unfolded.logits.round(4))
    grid = Grid((values[1:] + values[:-1]) / 2, len(accuracies))
    sweep = Sweep(costs, (price,), blur=0.0, schedule=Schedule(walks=100_000))
    reward = Reward(costs, price)
    setting = Setting(method, "even", 0.0, price)
    return greedy(train(unfolded, grid, setting, reward, sweep), grid, reward), unfolded


@pytest.mark.parametrize("method", ALL)
def test_who_knows_nothing_is_not_asked(method: str) -> None:
    policy, unfolded = learned(method, (0.5, 0.8), (1.0, 1.0), 0.05)
    outcome = run(policy, unfolded, policy.costs)
    assert (outcome.subset == 0b10).all()


@pytest.mark.parametrize("method", ALL)
def test_of_two_alike_the_cheaper_is_asked_first(method: str) -> None:
    policy, _ = learned(method, (0.8, 0.8), (3.0, 1.0), 0.05)
    empty = policy.next_expert(np.zeros((1, 2), bool), np.zeros(1), np.zeros(1, np.int8))
    assert empty[0] == 1


@pytest.mark.parametrize("method", ALL)
def test_at_any_price_nobody_and_at_none_everybody_who_knows(method: str) -> None:
    dear, unfolded = learned(method, (0.8, 0.9), (1.0, 1.0), 10.0)
    assert (run(dear, unfolded, dear.costs).subset == 0).all()
    free, unfolded = learned(method, (0.8, 0.9), (1.0, 1.0), 0.0)
    assert (run(free, unfolded, free.costs).subset == 3).mean() > 0.99


@pytest.mark.parametrize("method", ALL)
def test_a_third_voice_is_only_asked_where_two_differ(method: str) -> None:
    policy, unfolded = learned(method, (0.9, 0.9, 0.9), (1.0, 1.0, 1.0), 0.04)
    outcome = run(policy, unfolded, policy.costs)
    said = unfolded.log.logits > 0
    asked = (outcome.subset[:, None] >> np.arange(3)) & 1 == 1
    # Where two were asked and agreed, it stopped; where they differed, it asked the third.
    for row in range(500):
        voices = said[row, asked[row]]
        assert len(voices) == 3 or len(set(voices.tolist())) == 1
    assert 0 < (asked.sum(1) == 3).mean() < 0.25


@pytest.fixture(scope="module")
def judge() -> Judge:
    unfolded = unfold(gaussian_log(3, rows=8000, episodes=80), Independent(), visual_record)
    training, choosing, _ = parted(unfolded, 0)
    return Judge(training, choosing, Reward(COSTS, 0.0), 0b11)


def test_the_focus_lies_at_the_thresholds(judge: Judge) -> None:
    points = focus_points(judge.training)
    answers, label = judge.training.logits[:, 15], judge.training.log.label
    for name, rate in (("1 %", 0.01), ("0.1 %", 0.001)):
        (at,) = points[name]
        assert (answers[~label] >= at).mean() <= rate
        assert (answers[label] >= at).mean() == recall_at_false_alarms(answers, label, rate)
    assert points["1 % and 0.1 %"] == points["1 %"] + points["0.1 %"]


def test_a_candidate_is_judged_on_both_parts(judge: Judge) -> None:
    everybody = judge.candidate("all", Plan((0, 1, 2, 3)))
    assert everybody.lost == 0
    assert everybody.measured.cost == pytest.approx(sum(COSTS))
    start = judge.candidate("none", Plan(()))
    assert start.measured.cost == pytest.approx(COSTS[0] + COSTS[1])
    worst = max(
        recall_at_false_alarms(part.logits[:, 15], part.log.label, rate)
        - recall_at_false_alarms(part.logits[:, 3], part.log.label, rate)
        for part in (judge.training, judge.choosing)
        for rate in (0.01, 0.001)
    )
    assert start.lost == pytest.approx(worst)


def test_the_cheapest_within_the_tolerance_is_chosen(judge: Judge) -> None:
    found = cascades(judge, [(2, 3)], low=(-8.0, -4.0, -1.0), high=(2.0, 8.0, np.inf))
    assert len(found) == 9
    for tolerance in (0.0, 0.01, 0.1, 1.0):
        best = cheapest(found, Allowed(tolerance))
        within = [each for each in found if each.lost <= tolerance]
        if within:
            assert best in within
            assert best.measured.cost == min(each.measured.cost for each in within)
        else:
            assert best.lost == min(each.lost for each in found)
    for rate in (0, 1):
        line = front(found, rate)
        costs = [each.measured.cost for each in line]
        recalls = [each.measured.recall[rate] for each in line]
        assert costs == sorted(costs)
        assert recalls == sorted(set(recalls))
        for each in found:
            assert any(
                other.measured.cost <= each.measured.cost
                and other.measured.recall[rate] >= each.measured.recall[rate]
                for other in line
            )


def test_distilled_focused_tables_save_more_than_log_loss_does(judge: Judge) -> None:
    """Why the loss is what it is: log loss pays for sure answers made surer, not for recall."""
    grid = Grid(bin_edges(judge.training, 24), 4)
    sweep = Sweep(COSTS, usual_prices(COSTS), given=(0, 1))

    def saved(focus: str, distilled: float) -> float:
        settings = [s for s in sweep.exact() if (s.focus, s.distilled) == (focus, distilled)]
        best = cheapest(candidates(settings, judge, grid, sweep), Allowed(0.003))
        return 1 - best.measured.cost / sum(COSTS) if best.lost <= 0.003 else 0.0

    assert saved("1 % and 0.1 %", 1.0) > 0.2
    assert saved("1 % and 0.1 %", 1.0) > saved("even", 0.0)


def test_checkpoints_belong_to_their_run(judge: Judge, tmp_path: Path) -> None:
    grid = Grid(bin_edges(judge.training, 4), 4)
    sweep = Sweep(COSTS, (0.01,), given=(0,), schedule=Schedule(walks=500, batch=100))
    setting, reward = Setting(METHODS[0], "even", 0.0, 0.01), Reward(COSTS, 0.01)
    walks: list[int] = []
    first = train(judge.training, grid, setting, reward, sweep, tmp_path, walks.append)
    assert sum(walks) == 500
    again: list[int] = []
    np.testing.assert_array_equal(
        train(judge.training, grid, setting, reward, sweep, tmp_path, again.append), first
    )
    assert again == [500]  # nothing was left to walk
    other = Reward(COSTS, 0.01, distilled=1.0)
    assert not np.array_equal(train(judge.training, grid, setting, other, sweep, tmp_path), first)
    with pytest.raises(PolicyError, match="a method is one of"):
        train(judge.training, grid, Setting("sarsa", "even", 0.0, 0.01), reward, sweep)


def test_the_whole_measurement_holds_together() -> None:
    unfolded = unfold(gaussian_log(4, rows=6000, episodes=60), Independent(), visual_record)
    names = ["statistics", "sameness", "words", "visual"]
    sweep = Sweep(
        COSTS, (0.002, 0.02), given=(0, 1), frequency=0.1, schedule=Schedule(walks=20_000)
    )
    result, policy = measure_all(
        unfolded, names, sweep, bins=12, allowed=Allowed(0.02), resamples=20, seed=0
    )
    assert list(result["policies"]) == [
        "everybody", "statistics + sameness", "statistics + sameness + words",
        "statistics + sameness + visual", *METHODS, EXACT, "cascade", "random, same cost",
    ]  # fmt: skip
    rows = result["rows"]
    assert rows["training"] + rows["choosing"] + rows["measured"] == 6000
    kept = result["policies"][result["about"]["kept"]]["cost"]["estimate"]
    chance = result["policies"]["random, same cost"]["cost"]["estimate"]
    assert chance == pytest.approx(kept, rel=0.05)
    outcome = run(policy, unfolded, COSTS, 0b11)
    assert (outcome.subset & 0b11 == 0b11).all()
    for each in result["exactness"].values():
        assert each["reward"] <= each["exact"] + 0.01
        assert each["agreement"] > 0.5
    assert isinstance(result["candidates"][0]["name"], str)
