"""What one category learns from its teacher, one word at a time: predict, be judged, then learn.

A few candidates answer for every picture, each a head of the same learner:

    all         every picture that the teacher labelled
    last w      the newest w of them only, for each window w: right after a change
    undoubted   all but the words that look like slips (``Lessons.doubtful``), if asked for
    base        none: the unadapted model
    guessed     all, and pictures that the category labelled itself (model.teacher.guesses), if
                asked for; abstains while there are none

and online weights (model.teacher.weights) say how far to trust each. So the category's cumulative
log loss is that of the best of them, or of the best sequence with few changes, plus a number known
beforehand: a change of mind costs what the windows need to see it, and no addition to the list,
however foolish, costs more than the bound.

Heads started at several times, with weights over them, follow the leading history (Hazan and
Seshadhri 2009, "Efficient learning algorithms for changing environments").

Everything is a value: an :class:`OnlineState` never changes, and the same words in the same order
give the same state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from model.errors import SupportError
from model.learners.base import Head, Learner
from model.teacher.guesses import Guesses, Guessing
from model.teacher.lessons import Lessons
from model.teacher.weights import SHARE, OnlineWeights

Effect = Literal["added", "relabelled", "unchanged"]


@dataclass(frozen=True)
class Settings:
    """How a category learns from its teacher; docs/teacher.md says how the defaults were chosen.

    Attributes:
        windows: how many of the newest words each further candidate learns from.
        share: of the online weights.
        absurd: below which probability a word may be a slip; 0 leaves that candidate out.
        slips: share of the teacher's words that may be wrong, for judging the candidates.
        guessing: whether sure answers become examples; None for never.
    """

    windows: tuple[int, ...] = (24,)
    share: float = SHARE
    absurd: float = 0.0
    slips: float = 0.0
    guessing: Guessing | None = None

    def __post_init__(self) -> None:
        if any(window < 1 for window in self.windows):
            raise SupportError(f"a window holds at least one word, got {self.windows}")
        if not 0 <= self.absurd < 1:
            raise SupportError(f"absurd is a probability below 1, got {self.absurd}")
        if not 0 <= self.slips < 0.5:
            raise SupportError(f"slips are a share below 0.5, got {self.slips}")

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names of the candidates, in the order of every array of theirs."""
        names = ["all", *(f"last {window}" for window in self.windows)]
        names += ["undoubted"] if self.absurd else []
        names += ["base"]
        names += ["guessed"] if self.guessing else []
        return tuple(names)


@dataclass(frozen=True, eq=False)
class OnlineState:
    """What one category has learned so far.

    Attributes:
        lessons: the teacher's words.
        weights: of the candidates.
        said: shape (n,); the probability given to each word before it was learned.
        heads: of the candidates, in their order; of "guessed", None where there are no guesses.
        guesses: pictures that the category labelled itself.
    """

    lessons: Lessons
    weights: OnlineWeights
    said: Float[np.ndarray, " n"]
    heads: tuple[Head | None, ...]
    guesses: Guesses


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one word of the teacher.

    Attributes:
        state: the category now; the very same where nothing changed.
        effect: "added", "relabelled" (an earlier word on that picture is replaced), "unchanged".
        reward: log score of the answer less the unadapted model's, nats; see
            :meth:`OnlineWeights.reward`. 0 where nothing changed.
        given: shape (N,); what the word was judged on, NaN where a candidate abstained.
    """

    state: OnlineState
    effect: Effect
    reward: float
    given: Float[np.ndarray, " c"]


class OnlineLearner:
    """Learns categories from their teachers, with one learner for all of them.

    Args:
        learner: turns labelled embeddings into heads.
        settings: candidates and constants.
    """

    def __init__(self, learner: Learner, settings: Settings | None = None) -> None:
        self.learner = learner
        self.settings = settings or Settings()
        self.candidates = self.settings.candidates
        self.base = self.candidates.index("base")

    def start(
        self,
        keys: tuple[str, ...] = (),
        embeddings: Tensor | None = None,
        is_placeholder: Tensor | None = None,
    ) -> OnlineState:
        """A category before the teacher's first word.

        Args:
            keys: n names of pictures that it was given as examples, if any.
            embeddings: shape (n, d); is_placeholder: shape (n,), bool.
        Raises:
            SupportError: the lengths differ, or a key comes twice.
        """
        lessons = Lessons.none(self.learner.embedding_dim, len(self.candidates))
        if embeddings is not None and is_placeholder is not None:
            unjudged = np.full((len(keys), len(self.candidates)), np.nan)
            lessons = Lessons(keys, embeddings, is_placeholder, unjudged)
        elif keys:
            raise SupportError(f"{len(keys)} keys need as many embeddings and labels")
        return self._settled(lessons, Guesses.none(self.learner.embedding_dim))

    def given(self, state: OnlineState, embeddings: Float[Tensor, "q d"]) -> np.ndarray:
        """What each candidate says, shape (q, N), float64; NaN where one abstains.

        A service keeps a picture's row with its score, so that late words are judged fairly.
        """
        columns = [
            np.full(len(embeddings), np.nan)
            if head is None
            else self.learner.score(head, embeddings).double().numpy()
            for head in state.heads
        ]
        return np.stack(columns, 1)

    def predict(self, state: OnlineState, embeddings: Float[Tensor, "q d"]) -> np.ndarray:
        """Probability of each picture to be a placeholder, shape (q,), strictly inside (0, 1)."""
        rows = self.given(state, embeddings)
        return state.weights.predict(rows, ~np.isnan(rows))

    def corrected(
        self,
        state: OnlineState,
        key: str,
        embedding: Float[Tensor, " d"],
        is_placeholder: bool,
        given: Float[np.ndarray, " c"] | None = None,
    ) -> Outcome:
        """One word of the teacher: judged on what was said before it, then learned.

        The same word again changes nothing. A contradicting word replaces the earlier one, as if
        that had never been said: it takes the newest place, and the weights are reckoned anew
        over the words that stand. Its judgement stays what was given before either was learned.

        Args:
            key: of the picture.
            given: shape (N,), what :meth:`given` said when the picture was scored, for a word that
                comes late; None to be judged on what is said now.
        Raises:
            SupportError: wrong shapes, or a value that is not finite.
        """
        lessons, known = state.lessons, state.lessons.label_of(key)
        lessons.check(embedding, given)
        if known is not None:
            # What is said now has learned the picture already, and so may what came with a late
            # word: only what was said before the first word is fair.
            given = lessons.given_of(key)
            if known == is_placeholder:
                return Outcome(state, "unchanged", 0.0, given)
        elif given is None:
            given = self.given(self._blind(state, key), embedding[None])[0]
        given = given.astype(np.float64)
        answered = ~np.isnan(given)
        reward = 0.0
        if answered.any():
            before = state.weights
            if known is not None:
                before, _ = lessons.without(key).judged(self.settings.share, self.settings.slips)
            if answered[self.base]:
                reward = before.reward(given, is_placeholder, self.base, answered)
        taught = lessons.with_word(key, embedding, is_placeholder, given)
        settled = self._settled(taught, state.guesses.without(key))
        effect: Effect = "added" if known is None else "relabelled"
        return Outcome(self._guarded(settled), effect, reward, given)

    def undenied(self, state: OnlineState, key: str, embedding: Float[Tensor, " d"]) -> OnlineState:
        """A picture that was scored and that no teacher denied: it may become an example.

        Without ``Settings.guessing``, or where the answer is not sure, nothing changes.
        """
        guessing = self.settings.guessing
        if guessing is None or state.lessons.label_of(key) is not None:
            return state
        p = float(self.predict(state, embedding[None])[0])
        guesses = state.guesses.with_guess(key, embedding, p, len(state.lessons), guessing)
        if guesses is state.guesses:
            return state
        heads = (*state.heads[:-1], self._guessed(state.lessons, guesses))
        return replace(state, guesses=guesses, heads=heads)

    def _blind(self, state: OnlineState, key: str) -> OnlineState:
        """The state without its own guess on a picture that is to be judged."""
        guesses = state.guesses.without(key)
        if guesses is state.guesses:
            return state
        heads = (*state.heads[:-1], self._guessed(state.lessons, guesses))
        return replace(state, guesses=guesses, heads=heads)

    def _settled(self, lessons: Lessons, guesses: Guesses) -> OnlineState:
        """Weights and heads that follow from the words alone."""
        settings = self.settings
        weights, said = lessons.judged(settings.share, settings.slips)
        everything = self._head(lessons)
        heads: list[Head | None] = [everything]
        for window in settings.windows:
            short = len(lessons) <= window
            heads.append(everything if short else self._head(lessons.last(window)))
        if settings.absurd:
            doubtful = lessons.doubtful(said, settings.absurd)
            kept = torch.from_numpy(np.flatnonzero(~doubtful))
            heads.append(self._head(lessons.at(kept)) if doubtful.any() else everything)
        heads.append(self._head(lessons.last(0)))
        if settings.guessing:
            heads.append(self._guessed(lessons, guesses))
        return OnlineState(lessons, weights, said, tuple(heads), guesses)

    def _head(self, lessons: Lessons) -> Head:
        return self.learner.adapt(lessons.embeddings, lessons.is_placeholder)

    def _guessed(self, lessons: Lessons, guesses: Guesses) -> Head | None:
        if not len(guesses):
            return None
        return self.learner.adapt(
            torch.cat([lessons.embeddings, guesses.embeddings]),
            torch.cat([lessons.is_placeholder, guesses.is_placeholder]),
        )

    def _guarded(self, state: OnlineState) -> OnlineState:
        """Without its guesses where the teacher's words speak against them."""
        guessing = self.settings.guessing
        if guessing is None or not len(state.guesses):
            return state
        given = state.lessons.given
        loses = state.guesses.evidence_against(
            given[:, -1], given[:, 0], state.lessons.is_placeholder.numpy()
        )
        if loses <= guessing.patience:
            return state
        dropped = state.guesses.dropped(len(state.lessons), guessing.pause)
        return replace(state, guesses=dropped, heads=(*state.heads[:-1], None))
