"""Many simulated teachers side by side: every candidate's answer before each word.

The same as :class:`model.teacher.learning.OnlineLearner` on each stream, for learners whose heads
are fitted in batches: all streams take a step together, which is some thirty times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from model.learners.base import MIN_PROBABILITY
from model.learners.meta import MetaLearner
from model.teacher.learning import Settings
from model.teacher.lessons import Lessons
from model.teacher.streams import Stream
from model.teacher.weights import allowing_for_slips

# Pictures fitted in one call: more of them fall out of the processor's cache.
_TOGETHER = 2400
_ARRAYS = ("given", "answer", "is_placeholder", "said", "told")


@dataclass(frozen=True, eq=False)
class Run:
    """What was given and said in S streams of T pictures.

    Attributes:
        candidates: names, N.
        given: shape (S, T, N), float64, each before the word on that picture.
        answer: shape (S, T); the answer of the online weights.
        is_placeholder: shape (S, T), bool, the truth.
        said: shape (S, T), bool, the teacher's words, slips included.
        told: shape (S, T), bool; False where the teacher kept silent.
    """

    candidates: tuple[str, ...]
    given: Float[np.ndarray, "s t n"]
    answer: Float[np.ndarray, "s t"]
    is_placeholder: Bool[np.ndarray, "s t"]
    said: Bool[np.ndarray, "s t"]
    told: Bool[np.ndarray, "s t"]

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            arrays = {name: getattr(self, name) for name in _ARRAYS}
            names = np.array(self.candidates)
            np.savez_compressed(file, allow_pickle=False, candidates=names, **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            names = tuple(str(name) for name in found["candidates"])
            return cls(names, *(found[name] for name in _ARRAYS))


class Mixing:
    """Online weights of S streams at once: :class:`model.teacher.weights.OnlineWeights`."""

    def __init__(self, streams: int, candidates: int, share: float) -> None:
        self.log_weights = np.full((streams, candidates), -np.log(candidates))
        self.share = share

    def predict(self, given: Float[np.ndarray, "s n"]) -> Float[np.ndarray, " s"]:
        """Answers, shape (S,)."""
        mean: np.ndarray = (np.exp(self.log_weights) * given).sum(1)
        return mean.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)

    def update(
        self,
        given: Float[np.ndarray, "s n"],
        said: Bool[np.ndarray, " s"],
        told: Bool[np.ndarray, " s"],
    ) -> None:
        """Learn one word of each stream, where there was one."""
        likelihood = np.where(said[:, None], given, 1 - given)
        raised = self.log_weights + np.log(likelihood)
        raised -= np.logaddexp.reduce(raised, axis=1, keepdims=True)
        if self.share:
            shared = np.log(self.share / raised.shape[1])
            raised = np.logaddexp(np.log1p(-self.share) + raised, shared)
            raised -= np.logaddexp.reduce(raised, axis=1, keepdims=True)
        self.log_weights = np.where(told[:, None], raised, self.log_weights)


def mixed(
    run: Run, candidates: Sequence[str], share: float, slips: float = 0.0
) -> Float[np.ndarray, "s t"]:
    """The answers (S, T) of online weights over some of the candidates, to the same words."""
    columns = [run.candidates.index(name) for name in candidates]
    given = run.given[:, :, columns]
    mixing = Mixing(len(given), len(columns), share)
    answers = []
    for t in range(given.shape[1]):
        answers.append(mixing.predict(given[:, t]))
        heard = allowing_for_slips(given[:, t], slips)
        mixing.update(heard, run.said[:, t], run.told[:, t])
    return np.stack(answers, 1)


def simulate(
    learner: MetaLearner,
    features: Float[np.ndarray, "p d"],
    streams: Sequence[Stream],
    settings: Settings,
    *,
    unsure: float | None = None,
    refit: Callable[[int], bool] = lambda words: True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Run:
    """Predict, be judged, learn: S streams of T pictures, all of one length.

    Args:
        features: of the pool, which the streams' positions index.
        unsure: the teacher speaks only where the answer was wrong or the probability of the label
            that it gave was below this; None for a teacher who speaks of every picture.
        refit: whether the heads of many words ("all", "undoubted") are fitted anew at that word;
            windows always are. The default is what a service does.
    """
    pictures = np.stack([stream.pictures for stream in streams])
    truth = np.stack([stream.is_placeholder for stream in streams])
    said = np.stack([stream.said for stream in streams])
    x = torch.from_numpy(features[pictures]).float()  # (S, T, d)
    names = settings.candidates
    count, length = pictures.shape
    heads = _Heads(learner, x, torch.from_numpy(said), settings)
    mixing = Mixing(count, len(names), settings.share)
    given = np.empty((count, length, len(names)))
    answer, told = np.empty((count, length)), np.zeros((count, length), dtype=bool)
    trusted = np.full((count, length), np.nan)
    for t in range(length):
        given[:, t] = heads.answers(x[:, t])
        answer[:, t] = mixing.predict(given[:, t])
        sure = np.maximum(answer[:, t], 1 - answer[:, t])
        wrong = (answer[:, t] > 0.5) != said[:, t]
        told[:, t] = True if unsure is None else wrong | (sure < unsure)
        trusted[:, t] = np.where(said[:, t], answer[:, t], 1 - answer[:, t])
        heard = allowing_for_slips(given[:, t], settings.slips)
        mixing.update(heard, said[:, t], told[:, t])
        heads.learn(told[:, : t + 1], trusted[:, : t + 1], refit)
        progress(t + 1, length)
    return Run(names, given, answer, truth, said, told)


class _Heads:
    """Every candidate's head in every stream."""

    def __init__(self, learner: MetaLearner, x: Tensor, said: Tensor, settings: Settings) -> None:
        self.learner, self.x, self.said, self.settings = learner, x, said, settings
        nobody = torch.zeros(len(x), 0, dtype=torch.long)
        base = self._fit(nobody, nobody.bool())
        self.states = [base.clone() for _ in settings.candidates]

    def answers(self, x: Tensor) -> np.ndarray:
        """(S, d) to (S, N)."""
        columns = [self.learner.score_many(state, x) for state in self.states]
        return torch.stack(columns, 1).double().numpy()

    def learn(self, told: np.ndarray, trusted: np.ndarray, refit: Callable[[int], bool]) -> None:
        new = told[:, -1]
        if not new.any():
            return
        due = new & np.array([refit(int(n)) for n in told.sum(1)])
        for place, name in enumerate(self.settings.candidates):
            if name == "base":
                continue
            if name.startswith("last"):
                window = int(name.split()[1])
                newest = told & (told[:, ::-1].cumsum(1)[:, ::-1] <= window)
                self._refit(place, newest, new)
            elif name == "all":
                self._refit(place, told, due)
            elif name == "undoubted":
                doubtful = self._doubtful(told, trusted, due)
                self.states[place][due] = self.states[0][due]
                self._refit(place, told & ~doubtful, due & doubtful.any(1))

    def _refit(self, place: int, chosen: np.ndarray, rows: np.ndarray) -> None:
        where = np.flatnonzero(rows)
        if not len(where):
            return
        chosen = chosen[where]
        most = int(chosen.sum(1).max())
        # Those chosen first, in their order; padding behind them.
        order = np.argsort(~chosen, axis=1, kind="stable")[:, :most]
        present = np.take_along_axis(chosen, order, 1)
        index = torch.from_numpy(order)
        self.states[place][where] = self._fit(index, torch.from_numpy(present), where)

    def _fit(self, index: Tensor, present: Tensor, where: np.ndarray | None = None) -> Tensor:
        rows = torch.arange(len(self.x)) if where is None else torch.from_numpy(where)
        found = []
        with torch.no_grad():
            step = max(1, _TOGETHER // max(1, index.shape[1]))
            for start in range(0, len(rows), step):
                part = slice(start, start + step)
                of, at = rows[part, None], index[part]
                found.append(
                    self.learner.fit_batch(self.x[of, at], self.said[of, at], present[part])
                )
        return torch.cat(found)

    def _doubtful(self, told: np.ndarray, trusted: np.ndarray, due: np.ndarray) -> np.ndarray:
        doubtful = np.zeros_like(told)
        absurd = self.settings.absurd
        for row in np.flatnonzero(due & (told & (trusted < absurd)).any(1)):
            at = np.flatnonzero(told[row])
            lessons = Lessons(
                tuple(map(str, at)),
                self.x[row, at],
                self.said[row, at],
                np.empty((len(at), 0)),
            )
            doubtful[row, at] = lessons.doubtful(trusted[row, at], absurd)
        return doubtful
