"""The guarantee of ``unsure``: the algebra, and the promise on tasks that it has not seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import SupportError
from model.metalearner.conformal import ONE_SIDED, bucket_of, control, risk


def tasks(rng: np.random.Generator, count: int, queries: int = 12) -> list[np.ndarray]:
    """Probabilities of the true labels: tasks differ in how hard they are."""
    hard = rng.beta(1, 4, count)
    return [1 / (1 + np.exp(-rng.normal(3 - 5 * h, 1.5, queries))).astype(np.float32) for h in hard]


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.4), st.integers(5, 200))
def test_it_is_the_largest_threshold_that_keeps_the_bound(
    seed: int, alpha: float, count: int
) -> None:
    losses = tasks(np.random.default_rng(seed), count)
    t = control(losses, alpha)
    assert 0 <= t <= 0.5
    if t > 0:
        assert (count * risk(losses, t) + 1) / (count + 1) <= alpha + 1e-9
    if 0 < t < 0.5:
        wider = np.nextafter(np.float32(t), np.float32(1))
        assert (count * risk(losses, float(wider)) + 1) / (count + 1) > alpha - 1e-9


def test_the_next_task_keeps_the_promise_on_average() -> None:
    rng = np.random.default_rng(7)
    alpha = 0.1
    missed = [risk(tasks(rng, 1), control(tasks(rng, 60), alpha)) for _ in range(600)]
    spread = np.std(missed) / np.sqrt(len(missed))
    assert np.mean(missed) <= alpha + 3 * spread
    # Not by being always unsure: the promise is nearly used up.
    assert np.mean(missed) >= alpha - 2 / 61 - 4 * spread


def test_too_few_tasks_promise_nothing() -> None:
    assert control(tasks(np.random.default_rng(0), 8), alpha=0.1) == 0.0
    assert control([], alpha=0.1) == 0.0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SupportError, match="alpha"):
        control([], 0.0)
    with pytest.raises(SupportError, match="query"):
        control([np.zeros(0, np.float32)], 0.5)


@given(st.integers(0, 60), st.integers(0, 60))
def test_every_support_set_has_its_bucket(placeholder: int, real: int) -> None:
    bucket = bucket_of(placeholder, real)
    assert 0 <= bucket <= ONE_SIDED
    assert bucket == bucket_of(real, placeholder)
    assert (bucket == 0) == (placeholder + real == 0)
    assert (bucket == ONE_SIDED) == ((placeholder == 0) != (real == 0))
    if min(placeholder, real):
        assert bucket <= bucket_of(placeholder + 1, real + 1)
