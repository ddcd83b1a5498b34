"""Pictures that a category labelled itself (pseudo-labels), and the guard that undoes them.

An answer that is sure, and that no teacher denied, may serve as an example (Lee 2013,
"Pseudo-label"). It is right where the answer was, and where the answer was wrong it teaches the
same mistake again, more surely: a loop that only the teacher's words can break. Two guards do:

- guesses enter through one candidate among others, so by the bound of model.teacher.weights they
  never cost more than a fixed number of nats;
- on each word of the teacher the candidate with guesses is compared with the one without. Once it
  has lost more than ``patience`` nats to it over any run of words up to now, all of them are
  dropped at once, and none is taken again before the teacher has said ``pause`` words more. If
  guesses told the truth, it would take e^patience words on average or more until that happened by
  chance (Page 1954; Lorden 1971), and then nothing is lost but guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from model.errors import SupportError


@dataclass(frozen=True)
class Guessing:
    """When a sure answer becomes an example.

    Attributes:
        sure: the probability of either label from which an answer is sure, above 0.5.
        most: guesses of each label that are kept; the oldest go first.
        patience: nats that guesses may lose to the teacher's words alone before they are dropped.
        pause: words of the teacher before any is taken again after that.
        words: of the teacher that a category needs before its first guess.

    Raises:
        SupportError: a number is out of its range.
    """

    sure: float = 0.98
    most: int = 32
    patience: float = 3.0
    pause: int = 20
    words: int = 4

    def __post_init__(self) -> None:
        if not 0.5 < self.sure < 1:
            raise SupportError(f"sure lies between 0.5 and 1, got {self.sure}")
        if self.most < 1 or self.pause < 0 or self.words < 0 or not self.patience > 0:
            raise SupportError(f"guessing needs positive numbers, got {self}")


def nats_lost(
    guessed: Float[np.ndarray, " n"],
    taught: Float[np.ndarray, " n"],
    is_placeholder: Bool[np.ndarray, " n"],
    before: float = 0.0,
) -> float:
    """Page's cumulative sum: what answers with guesses lost to those without, over the worst run
    of words up to now.

    Args:
        guessed, taught: probabilities inside (0, 1) that the two gave, in the order of the words;
            NaN where one abstained.
        is_placeholder: the words.
        before: the sum over earlier words.
    """
    right = np.log(np.where(is_placeholder, taught, 1 - taught)) - np.log(
        np.where(is_placeholder, guessed, 1 - guessed)
    )
    lost = before
    for step in np.where(np.isnan(right), 0.0, right):
        lost = max(0.0, lost + float(step))
    return lost


@dataclass(frozen=True, eq=False)
class Guesses:
    """Pictures labelled by the category itself, oldest first: a value that never changes.

    Attributes:
        keys: m names of pictures.
        embeddings: shape (m, d), float32; is_placeholder: shape (m,), bool.
        since: how many words the teacher had said when the first of them came, or when the last
            ones were dropped.
        waits: how many words the teacher must have said before another is taken.
    """

    keys: tuple[str, ...]
    embeddings: Tensor
    is_placeholder: Tensor
    since: int = 0
    waits: int = 0

    @classmethod
    def none(cls, dim: int) -> Guesses:
        """No guess yet, for embeddings of length ``dim``."""
        return cls((), torch.empty(0, dim), torch.empty(0, dtype=torch.bool))

    def __len__(self) -> int:
        return len(self.keys)

    def without(self, key: str) -> Guesses:
        """These but for one picture, on which the teacher has spoken."""
        if key not in self.keys:
            return self
        return self._at([i for i, known in enumerate(self.keys) if known != key])

    def with_guess(
        self,
        key: str,
        embedding: Float[Tensor, " d"],
        probability: float,
        words: int,
        guessing: Guessing,
    ) -> Guesses:
        """These and one more, if it is sure and guesses are being taken; else the very same.

        Args:
            probability: of being a placeholder, as it was answered.
            words: how many the teacher has said.
        """
        sure = max(probability, 1 - probability) >= guessing.sure
        if not sure or key in self.keys or words < max(guessing.words, self.waits):
            return self
        label = probability > 0.5
        more = Guesses(
            (*self.keys, key),
            torch.cat([self.embeddings, embedding[None].float()]),
            torch.cat([self.is_placeholder, torch.tensor([label])]),
            self.since if len(self) else words,
            self.waits,
        )
        same = torch.nonzero(more.is_placeholder == label)[:, 0].tolist()
        gone = set(same[: -guessing.most])
        return more._at([i for i in range(len(more)) if i not in gone]) if gone else more

    def evidence_against(
        self,
        guessed: Float[np.ndarray, " n"],
        taught: Float[np.ndarray, " n"],
        is_placeholder: Bool[np.ndarray, " n"],
    ) -> float:
        """Nats that the candidate with guesses lost to the one without since they began.

        The most over any run of words up to now (Page's cumulative sum), so that what guesses
        earned while they were right does not pay for what they cost once they are poisoned.

        Args:
            guessed, taught: probabilities that the two gave, in the order of the words; NaN where
                one abstained.
            is_placeholder: the words.
        """
        since = slice(self.since, None)
        return nats_lost(guessed[since], taught[since], is_placeholder[since])

    def dropped(self, words: int, pause: int = 0) -> Guesses:
        """None of them, and none before the teacher has said ``pause`` words more."""
        return replace(self._at([]), since=words, waits=words + pause)

    def _at(self, places: list[int]) -> Guesses:
        index = torch.tensor(places, dtype=torch.long)
        return replace(
            self,
            keys=tuple(self.keys[i] for i in places),
            embeddings=self.embeddings[index],
            is_placeholder=self.is_placeholder[index],
        )
