"""The distance against its definition; counting errors on runs whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from model.errors import SupportError
from model.yardsticks.omniglot.hausdorff import (
    classify,
    count_errors,
    ink_points,
    modified_hausdorff,
)
from tests.model.yardsticks.omniglot import made_glyphs as made


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0))
def test_it_is_the_larger_of_the_mean_nearest_distances(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 12, (n, 2)).astype(float), rng.normal(0, 5, (m, 2))
    table = cdist(a, b)  # the definition, all pairs
    want = max(table.min(axis=1).mean(), table.min(axis=0).mean())
    assert modified_hausdorff(a, b) == pytest.approx(want)
    assert modified_hausdorff(b, a) == pytest.approx(want)


@given(st.integers(0))
def test_points_lie_around_the_ink_wherever_that_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ink = np.zeros((40, 50), dtype=bool)
    ink[5:20, 8:30] = rng.random((15, 22)) < 0.2
    ink[7, 11] = True
    points = ink_points(ink)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-9)
    assert len(points) == ink.sum()
    np.testing.assert_allclose(ink_points(np.roll(ink, (9, 13), (0, 1))), points, atol=1e-9)


def test_no_ink_is_refused() -> None:
    with pytest.raises(SupportError, match="without ink"):
        ink_points(np.zeros((5, 5), dtype=bool))


def test_a_shifted_copy_is_recognised_and_wrong_answers_are_counted() -> None:
    runs = [made.run(1, wrong=0), made.run(2, wrong=7), made.run(3, wrong=2)]
    np.testing.assert_array_equal(classify(runs[0]), runs[0].answer)
    assert count_errors(runs) == (9, 60)


def test_classify_takes_the_nearest_by_all_pairs() -> None:
    found = made.run(4)
    examples = [ink_points(d) for d in found.training]
    # Other hands' drawings, so that the nearest is not simply a copy.
    rng = np.random.default_rng(0)
    other = np.array([made.drawn(made.strokes(rng), rng) for _ in range(5)])
    asked = type(found)(found.name, found.training, other, np.zeros(5, dtype=int))
    want = [int(np.argmin([_by_definition(ink_points(d), e) for e in examples])) for d in other]
    assert classify(asked).tolist() == want


def _by_definition(a: np.ndarray, b: np.ndarray) -> float:
    table = cdist(a, b)
    return float(max(table.min(axis=1).mean(), table.min(axis=0).mean()))
