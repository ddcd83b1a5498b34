"""The width of a learner's own projection."""

from __future__ import annotations

import pytest
import torch

from model.errors import SupportError
from model.learners.logistic_prior import LogisticPrior
from model.learners.matching import Matching
from model.learners.prototypical import Prototypical
from model.learners.ridge import Ridge
from model.learners.siamese import Siamese

PROJECTING = [LogisticPrior, Matching, Prototypical, Ridge, Siamese]


@pytest.mark.parametrize("kind", PROJECTING)
@pytest.mark.parametrize(("width", "rows"), [(0, 5), (3, 3), (5, 5), (9, 5)])
def test_it_is_at_most_that_of_the_embedding(
    kind: type[LogisticPrior | Matching | Prototypical | Ridge | Siamese], width: int, rows: int
) -> None:
    learner = kind(5, width=width)
    shapes = [tuple(p.shape) for p in learner.parameters() if p.ndim == 2 and p.shape[1] == 5]
    assert (rows, 5) in shapes
    head = learner.adapt(torch.eye(5), torch.tensor([True, False, True, False, False]))
    assert learner.score(head, torch.eye(5)).shape == (5,)


@pytest.mark.parametrize("kind", PROJECTING)
def test_less_than_nothing_is_refused(
    kind: type[LogisticPrior | Matching | Prototypical | Ridge | Siamese],
) -> None:
    with pytest.raises(SupportError, match=r"at least 0 \(0 means all 5\), got -1"):
        kind(5, width=-1)
