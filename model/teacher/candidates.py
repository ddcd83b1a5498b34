"""The answers that a category's teacher chooses among, whichever experts stand below them.

    all       the top level over experts that learned from every example
    recent    the same from the newest ``WINDOW`` examples alone: right after a change
    base      the same without any example

Before the teacher's first word "all" answers alone. From then on the answer is the mean of the
three under online weights (``model.teacher.weights``), which begin at ``START``. Over any
corrections, whoever chooses pictures and labels, the log loss of the words is that of the best
sequence of candidates with k changes, plus at most -ln of the first one's first weight, plus the
changes' part of ``tracking_bound``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from model.ensemble import Ensemble, Known, Question, Route
from model.errors import WeightsError
from model.experts.category import CategoryState
from model.experts.signals import Signals
from model.learners.base import MIN_PROBABILITY
from model.teacher.weights import SHARE, OnlineWeights, allowing_for_slips

CANDIDATES = ("all", "recent", "base")
BASE = CANDIDATES.index("base")
START = (0.8, 0.1, 0.1)
WINDOW = 24
SLIPS = 0.1
"""Share of the teacher's words that may be wrong; weights that allow for it do not run after each
one (docs/teacher.md)."""
_LENGTH = struct.Struct("<I")


def first_weights() -> OnlineWeights:
    """Of a category whose teacher has not spoken yet."""
    return OnlineWeights(np.log(START), 0, SHARE)


def taught(
    weights: OnlineWeights | None, given: Float[np.ndarray, " c"], is_placeholder: bool
) -> OnlineWeights:
    """The weights after the teacher's word on one picture.

    Args:
        weights: before it; None where it is the first.
        given: what each candidate said when the picture was scored.
    """
    before = weights or first_weights()
    return before.updated(allowing_for_slips(given.astype(np.float64), SLIPS), is_placeholder)


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a category's examples taught.

    Attributes:
        whole: from all of them.
        recent: from the newest; None where they are all there are.
    """

    whole: CategoryState
    recent: CategoryState | None

    def to_bytes(self) -> bytes:
        """Both states, the length of the first before it."""
        first = self.whole.to_bytes()
        second = b"" if self.recent is None else self.recent.to_bytes()
        return _LENGTH.pack(len(first)) + first + second

    @classmethod
    def from_bytes(cls, data: bytes) -> Lessons:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            WeightsError: the bytes are no such states.
        """
        if len(data) < _LENGTH.size:
            raise WeightsError(f"these {len(data)} bytes are no category's states")
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        whole = CategoryState.from_bytes(data[_LENGTH.size : end])
        return cls(whole, CategoryState.from_bytes(data[end:]) if len(data) > end else None)


def learn(
    ensemble: Ensemble, support: Signals, is_placeholder: np.ndarray, window: int = WINDOW
) -> Lessons:
    """Adapt to a support set, newest last.

    Raises:
        SupportError: the shapes do not belong together, or a value is not finite.
    """
    whole = ensemble.adapt(support, is_placeholder)
    if len(support) <= window:
        return Lessons(whole, None)
    newest = slice(len(support) - window, None)
    return Lessons(whole, ensemble.adapt(support.take(newest), is_placeholder[newest]))


@dataclass(frozen=True, eq=False)
class Answers:
    """What q questions were answered.

    Attributes:
        probability: shape (q,), strictly inside (0, 1).
        given: shape (q, 3), each candidate's probability, float32.
        route: of the candidate "all".
    """

    probability: Float[np.ndarray, " q"]
    given: Float[np.ndarray, "q 3"]
    route: Route


def answer(
    ensemble: Ensemble,
    signals: Signals,
    categories: Sequence[Known],
    recent: Sequence[CategoryState | None],
    online: Sequence[OnlineWeights | None],
    questions: Sequence[Question],
) -> Answers:
    """Answer questions whose signals are there, under each category's online weights.

    Args:
        categories: with what all their examples taught.
        recent: of each category what the newest taught, None where that is the same.
        online: of each category its weights, None before the teacher's first word.
    """
    route = ensemble.route(signals, categories, questions)
    whole = route.probability.numpy()
    given = np.repeat(whole[:, None], len(CANDIDATES), axis=1).astype(np.float32)
    of = np.array([question.category for question in questions], dtype=np.int64)
    for column, states in (
        (CANDIDATES.index("recent"), recent),
        (BASE, [ensemble.base] * len(categories)),
    ):
        chosen = [i for i, category in enumerate(of.tolist()) if states[category] is not None]
        if not chosen:
            continue
        others = [
            category if state is None else Known(state, category.signals, category.is_placeholder)
            for category, state in zip(categories, states, strict=True)
        ]
        asked = [questions[i] for i in chosen]
        given[chosen, column] = ensemble.answered(
            signals, others, asked, route.asked[chosen]
        ).probability.numpy()
    given = given.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    probability = whole.astype(np.float64)
    for number, weights in enumerate(online):
        mine = of == number
        if weights is not None and mine.any():
            probability[mine] = weights.predict(given[mine])
    return Answers(probability, given, route)
