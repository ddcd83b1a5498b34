"""The nearest neighbour against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from model.errors import SupportError
from model.learners.nearest_neighbour import NearestNeighbour


@given(n=st.integers(2, 20), d=st.integers(2, 9), seed=st.integers(0, 9999))
def test_it_decides_as_scikit_learn_does(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, queries = rng.standard_normal((n, d)), rng.standard_normal((6, d))
    y = np.arange(n) % 3 == 0
    peer = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(x, y)
    learner = NearestNeighbour(d).double()
    with torch.no_grad():
        head = learner.fit(torch.from_numpy(x), torch.from_numpy(y))
        logits = learner.logits(head[None], torch.from_numpy(queries)[None])[0].numpy()
    np.testing.assert_array_equal(logits > 0, peer.predict(queries))
    for query, logit in zip(queries, logits, strict=True):
        cosine = [row @ query / np.sqrt((row @ row) * (query @ query)) for row in x]
        best = [max(c for c, own in zip(cosine, y, strict=True) if own == k) for k in (0, 1)]
        assert logit == pytest.approx(10 * (best[1] - best[0]), abs=1e-9)


def test_without_examples_nothing_can_be_told() -> None:
    learner = NearestNeighbour(3)
    head = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    assert learner.score(head, torch.eye(3)).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("label", [True, False])
def test_one_label_is_the_answer_and_surer_for_what_is_alike(label: bool) -> None:
    learner = NearestNeighbour(2, scale=4.0)
    head = learner.adapt(torch.tensor([[1.0, 0.0]]), torch.tensor([label]))
    queries = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    logits = torch.logit(learner.score(head, queries))
    expected = torch.tensor([4.0, 2.4, 0.0]) * (1 if label else -1)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(SupportError, match="above 0, got 0"):
        NearestNeighbour(3, scale=0.0)
