"""The answers that a category's teacher chooses among, whichever experts stand below them.

    all         the top level over experts that learned from every example
    recent      the same from the newest ``WINDOW`` examples of the teacher's alone: right after a
                change, and where the category's guesses are wrong
    undoubted   the same without the examples that look like slips of the teacher's
    base        the same without any example

Before the teacher's first word "all" answers alone. From then on the answer is the mean of the
four under online weights (``model.teacher.weights``), which begin at ``START``. Over any
corrections, whoever chooses pictures and labels, the log loss of the words is that of the best
sequence of candidates with k changes, plus at most -ln of the first one's first weight, plus the
changes' part of ``tracking_bound``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from model.ensemble import Ensemble
from model.errors import WeightsError
from model.experts.category import CategoryState
from model.experts.signals import Signals
from model.learners.base import MIN_PROBABILITY
from model.questions import Known, Question, Route
from model.teacher.weights import SHARE, OnlineWeights, allowing_for_slips

CANDIDATES = ("all", "recent", "undoubted", "base")
BASE = CANDIDATES.index("base")
START = (0.7, 0.1, 0.1, 0.1)
WINDOW = 24
SLIPS = 0.1
"""Share of the teacher's words that may be wrong; weights that allow for it do not run after each
one (docs/teacher.md)."""
ABSURD = 0.1
"""An example may be a slip where the others give its label less than this."""
_FEWEST = 8  # examples; of fewer nobody can say that one is out of place
_MOST = 0.25  # share of them that may be slips: where it is more, the category has turned
_OTHERS = ("recent", "undoubted")
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
        undoubted: from those that are no slips; None where none looks like one.
    """

    whole: CategoryState
    recent: CategoryState | None = None
    undoubted: CategoryState | None = None

    def to_bytes(self) -> bytes:
        """The states one after the other, each behind its length, which is 0 for None."""
        states = (self.whole, *(getattr(self, name) for name in _OTHERS))
        parts = [b"" if state is None else state.to_bytes() for state in states]
        return b"".join(_LENGTH.pack(len(part)) + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Lessons:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            WeightsError: the bytes are no such states.
        """
        found: list[CategoryState | None] = []
        start = 0
        while start < len(data):
            try:
                (length,) = _LENGTH.unpack_from(data, start)
            except struct.error as error:
                raise WeightsError(f"these {len(data)} bytes are cut short") from error
            start += _LENGTH.size
            part = data[start : start + length]
            found.append(CategoryState.from_bytes(part) if length else None)
            start += length
        if len(found) != 1 + len(_OTHERS) or found[0] is None:
            raise WeightsError(f"these {len(data)} bytes are no category's states")
        return cls(found[0], *found[1:])


def learn(
    ensemble: Ensemble,
    support: Signals,
    is_placeholder: np.ndarray,
    window: int = WINDOW,
    guessed: np.ndarray | None = None,
) -> tuple[Lessons, Float[np.ndarray, " n_embedded"]]:
    """Adapt to a support set, newest last.

    Args:
        guessed: shape (n,), which examples the category labelled itself. They make it no surer
            of itself: how many examples it has, which bounds what is unsure, is the teacher's.

    Returns:
        What was learned, and each example that the encoder saw (``support.embedded``), in order,
        judged by the visual head of all the others.
    Raises:
        SupportError: the shapes do not belong together, or a value is not finite.
    """
    whole, left_out = learn_all(ensemble, support, is_placeholder, guessed)
    recent = undoubted = None
    own = np.arange(len(support)) if guessed is None else np.flatnonzero(~guessed)
    newest = own[max(0, len(own) - window) :]
    if len(newest) < len(support):
        recent = ensemble.adapt(support.take(newest), is_placeholder[newest])
    doubtful = slips(left_out, support.embedded, is_placeholder)
    if doubtful.any():
        undoubted = ensemble.adapt(support.take(~doubtful), is_placeholder[~doubtful])
    return Lessons(whole, recent, undoubted), left_out


def learn_all(
    ensemble: Ensemble,
    support: Signals,
    is_placeholder: np.ndarray,
    guessed: np.ndarray | None = None,
) -> tuple[CategoryState, Float[np.ndarray, " n_embedded"]]:
    """The candidate "all" alone; see :func:`learn`."""
    whole, left_out = ensemble.study(support, is_placeholder)
    if guessed is not None and guessed.any():
        placeholder = int((is_placeholder & ~guessed).sum())
        real = len(support) - int(guessed.sum()) - placeholder
        whole = replace(whole, placeholder=placeholder, real=real)
    return whole, left_out.numpy()


def slips(left_out: np.ndarray, embedded: np.ndarray, is_placeholder: np.ndarray) -> np.ndarray:
    """Which examples (n,) look mislabelled: the visual head of all the others finds them absurd.

    None where there are few examples or one label only, nor where that would be many: a category
    that has turned around finds all of its older examples absurd, and is right.

    Args:
        left_out: probability of each of the k examples that the encoder saw.
        embedded: shape (n,), which those are.
        is_placeholder: shape (n,).
    """
    found = np.zeros(len(embedded), np.bool_)
    seen = np.flatnonzero(embedded)
    labels = is_placeholder[seen]
    if len(seen) < _FEWEST or labels.all() or not labels.any():
        return found
    absurd = np.where(labels, left_out, 1 - left_out) < ABSURD
    if absurd.mean() <= _MOST:
        found[seen] = absurd
    return found


@dataclass(frozen=True, eq=False)
class Answers:
    """What q questions were answered.

    Attributes:
        probability: shape (q,), strictly inside (0, 1).
        given: shape (q, 4), each candidate's probability, float32.
        route: of the candidate "all".
    """

    probability: Float[np.ndarray, " q"]
    given: Float[np.ndarray, "q 4"]
    route: Route


def answer(
    ensemble: Ensemble,
    signals: Signals,
    categories: Sequence[Known],
    lessons: Sequence[Lessons | None],
    online: Sequence[OnlineWeights | None],
    questions: Sequence[Question],
) -> Answers:
    """Answer questions whose signals are there, under each category's online weights.

    Args:
        categories: with what all their examples taught.
        lessons: of each category; None where it has no examples.
        online: of each category its weights, None before the teacher's first word.
    """
    return answer_from(ensemble, ensemble.route(signals, categories, questions), lessons, online)


def answer_from(
    ensemble: Ensemble,
    route: Route,
    lessons: Sequence[Lessons | None],
    online: Sequence[OnlineWeights | None],
) -> Answers:
    """:func:`answer` where the questions' route is known; ``lessons`` and ``online`` are of the
    route's categories."""
    whole = route.probability
    given = np.repeat(whole[:, None], len(CANDIDATES), axis=1).astype(np.float32)
    of = route.heard.of
    columns: list[tuple[int, list[CategoryState | None]]] = [
        (CANDIDATES.index(name), [None if one is None else getattr(one, name) for one in lessons])
        for name in _OTHERS
    ]
    columns.append((BASE, [ensemble.base] * len(lessons)))
    for column, states in columns:
        chosen = np.array([states[category] is not None for category in of.tolist()])
        if chosen.any():
            others = [state or ensemble.base for state in states]  # who has none is not chosen
            rows = np.flatnonzero(chosen)
            given[rows, column] = ensemble.under(route, others, rows)
    given = given.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    probability = whole.astype(np.float64)
    for number, weights in enumerate(online):
        mine = of == number
        if weights is not None and mine.any():
            probability[mine] = weights.predict(given[mine])
    return Answers(probability, given, route)
