"""Running policies over a log: costs, figures and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibration import sigmoid
from model.metrics import auroc, log_loss, recall_at_false_alarms
from model.policy.errors import PolicyError
from model.policy.evaluate import RATES, intervals, mean_cost, measure, run
from model.policy.fixed import Cascade, Chance, Plan
from model.policy.mdp import Independent, Reward, Unfolded, unfold
from tests.model.policy.synthetic import COSTS, gaussian_log, visual_record


@pytest.fixture(scope="module")
def unfolded() -> Unfolded:
    return unfold(gaussian_log(2, rows=3000, episodes=60), Independent(), visual_record)


def test_everybody_one_and_none(unfolded: Unfolded) -> None:
    whole = run(Plan((0, 1, 2, 3)), unfolded, COSTS)
    assert (whole.subset == 15).all()
    assert whole.cost == pytest.approx(np.full(3000, sum(COSTS)))
    np.testing.assert_array_equal(whole.logit, unfolded.logits[:, 15])
    one = run(Plan((2,)), unfolded, COSTS)
    assert set(one.cost) == {COSTS[2]}
    none = run(Plan(()), unfolded, COSTS)
    assert set(none.cost) == {0.0}


@given(st.floats(-3, 0), st.floats(0, 3))
def test_a_cascade_is_what_it_says(low: float, high: float) -> None:
    unfolded = unfold(gaussian_log(1, rows=200, episodes=5), Independent(), None)
    got = run(Cascade((0, 3), low, high), unfolded, COSTS)
    first = unfolded.log.logits[:, 0].astype(float)
    unsure = (first > low) & (first < high)
    assert got.subset.tolist() == np.where(unsure, 0b1001, 1).tolist()
    assert got.cost == pytest.approx(COSTS[0] + COSTS[3] * unsure)


def test_chance_asks_as_often_as_it_says(unfolded: Unfolded) -> None:
    rng = np.random.default_rng(0)
    assert (run(Chance(0.0, rng), unfolded, COSTS).subset == 0).all()
    assert (run(Chance(1.0, rng), unfolded, COSTS).subset == 15).all()
    half = run(Chance(0.5, rng), unfolded, COSTS).subset
    assert (half == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert (half == 15).mean() == pytest.approx(0.5**4, abs=0.02)


def test_figures_are_those_of_the_plain_metrics(unfolded: Unfolded) -> None:
    outcome = run(Cascade((0, 1, 2), -2.0, 2.0), unfolded, COSTS)
    label = unfolded.log.label
    got = measure(outcome, unfolded, Reward(COSTS, 0.0))
    assert got.auroc == pytest.approx(auroc(outcome.logit, label))
    assert got.log_loss == pytest.approx(log_loss(sigmoid(outcome.logit), label))
    for rate, recall in zip(RATES, got.recall, strict=True):
        assert recall == pytest.approx(recall_at_false_alarms(outcome.logit, label, rate))
    assert got.cost == pytest.approx(outcome.cost.mean())
    rare = Reward(COSTS, 0.0, frequency=0.1)
    assert mean_cost(outcome, unfolded, rare) == pytest.approx(
        0.9 * got.cost_of[0] + 0.1 * got.cost_of[1]
    )
    assert got.asked[0] == 1
    assert got.asked[3] == 0


def test_intervals_hold_the_estimate_and_differences_to_itself_are_none(
    unfolded: Unfolded,
) -> None:
    reward = Reward(COSTS, 0.0, frequency=0.2)
    plans = {"all": Plan((0, 1, 2, 3)), "one": Plan((3,))}
    outcomes = {name: run(plan, unfolded, COSTS) for name, plan in plans.items()}
    found = intervals(
        outcomes,
        unfolded,
        reward,
        against="all",
        generator=np.random.default_rng(0),
        resamples=200,
    )
    for name, outcome in outcomes.items():
        plain = measure(outcome, unfolded, reward)
        for metric, value in (
            ("cost", plain.cost),
            ("log_loss", plain.log_loss),
            ("auroc", plain.auroc),
            ("recall_0.01", plain.recall[0]),
            ("recall_0.001", plain.recall[1]),
        ):
            span = found[name][metric]
            assert span.estimate == pytest.approx(value)
            assert span.low - 1e-9 <= value <= span.high + 1e-9
            assert span.n == 60
    for metric, span in found["all"].items():
        if "difference" in metric:
            assert (span.estimate, span.low, span.high) == (0, 0, 0)
    assert found["one"]["cost difference"].estimate == pytest.approx(COSTS[3] - sum(COSTS))
    assert found["one"]["auroc difference"].high < 0


def test_an_interval_of_a_mean_is_the_bootstraps_of_episodes() -> None:
    """Log loss has a mean's interval: between the normal one over episodes and none."""
    unfolded = unfold(gaussian_log(5, rows=4000, episodes=100), Independent(), None)
    outcome = run(Plan((0,)), unfolded, COSTS)
    span = intervals(
        {"one": outcome},
        unfolded,
        Reward(COSTS, 0.0),
        against="one",
        generator=np.random.default_rng(1),
        resamples=1000,
    )["one"]["log_loss"]
    label = unfolded.log.label
    lost = -np.log(np.where(label, sigmoid(outcome.logit), sigmoid(-outcome.logit)))
    episode = unfolded.log.episode
    # The ratio's linearised variance over episodes.
    sums = np.bincount(episode, lost - lost.mean())
    error = np.sqrt((sums**2).sum()) / len(lost)
    assert span.high - span.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_what_cannot_be_is_refused(unfolded: Unfolded) -> None:
    class Twice:
        def next_expert(
            self, asked: np.ndarray, logit: np.ndarray, context: np.ndarray
        ) -> np.ndarray:
            return np.zeros(len(logit), np.int8)

    with pytest.raises(PolicyError, match="twice"):
        run(Twice(), unfolded, COSTS)
    with pytest.raises(PolicyError, match="as many costs"):
        run(Plan((0,)), unfolded, (1.0,))
    with pytest.raises(PolicyError, match="no outcome 'nobody'"):
        intervals(
            {}, unfolded, Reward(COSTS, 0.0), against="nobody", generator=np.random.default_rng(0)
        )
