"""What a teacher has said of one category: labelled pictures in the order of their latest word."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from model.errors import SupportError
from model.teacher.weights import OnlineWeights, allowing_for_slips


@dataclass(frozen=True, eq=False)
class Lessons:
    """Labelled pictures, oldest word first, each picture once; a value that never changes.

    Attributes:
        keys: n names of pictures, such as the SHA-256 of their bytes.
        embeddings: shape (n, d), float32.
        is_placeholder: shape (n,), bool, the latest word.
        given: shape (n, N), float64; what the candidates gave for each picture before they had
            learned it, NaN where one abstained. A row of NaN was an example that nobody judged.
    """

    keys: tuple[str, ...]
    embeddings: Tensor
    is_placeholder: Tensor
    given: Float[np.ndarray, "n c"]
    _places: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = {
            len(self.keys),
            len(self.embeddings),
            len(self.is_placeholder),
            len(self.given),
        }
        if len(sizes) > 1:
            raise SupportError(f"lessons need one length, got {sorted(sizes)}")
        places = {key: place for place, key in enumerate(self.keys)}
        if len(places) < len(self.keys):
            raise SupportError("each picture has one label: a key came twice")
        object.__setattr__(self, "_places", places)

    @classmethod
    def none(cls, dim: int, candidates: int) -> Lessons:
        """Before the first word, for embeddings of length ``dim``."""
        return cls(
            (),
            torch.empty(0, dim),
            torch.empty(0, dtype=torch.bool),
            np.empty((0, candidates)),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def label_of(self, key: str) -> bool | None:
        """The latest word on a picture; None where there is none."""
        place = self._places.get(key)
        return None if place is None else bool(self.is_placeholder[place])

    def given_of(self, key: str) -> Float[np.ndarray, " c"]:
        """What the candidates gave for a picture that is among them, shape (N,)."""
        value: np.ndarray = self.given[self._places[key]]
        return value

    def check(self, embedding: Tensor, given: np.ndarray | None) -> None:
        """Refuse what cannot stand among them.

        Raises:
            SupportError: an embedding of another length or not finite, or another number of
                candidates.
        """
        candidates = self.given.shape[1]
        if given is not None and given.shape != (candidates,):
            raise SupportError(f"{candidates} candidates' probabilities wanted, got {given.shape}")
        dim = self.embeddings.shape[1]
        if embedding.shape != (dim,) or not bool(torch.isfinite(embedding).all()):
            raise SupportError(
                f"an embedding of {dim} finite numbers is wanted, got {tuple(embedding.shape)}"
            )

    def without(self, key: str) -> Lessons:
        """These but for one picture; the very same where it is not among them."""
        place = self._places.get(key)
        if place is None:
            return self
        kept = [i for i in range(len(self)) if i != place]
        return self.at(torch.tensor(kept, dtype=torch.long))

    def at(self, positions: Tensor) -> Lessons:
        """Those at some positions, shape (m,), in that order."""
        places = positions.tolist()
        return Lessons(
            tuple(self.keys[i] for i in places),
            self.embeddings[positions],
            self.is_placeholder[positions],
            self.given[places] if places else self.given[:0],
        )

    def last(self, count: int) -> Lessons:
        """The newest ``count``."""
        return self.at(torch.arange(max(0, len(self) - count), len(self)))

    def with_word(
        self,
        key: str,
        embedding: Float[Tensor, " d"],
        is_placeholder: bool,
        given: Float[np.ndarray, " c"],
    ) -> Lessons:
        """These and a newer word, which replaces an earlier one on the same picture.

        Raises:
            SupportError: an embedding of another length or not finite, or another number of
                candidates.
        """
        self.check(embedding, given)
        rest = self.without(key)
        return Lessons(
            (*rest.keys, key),
            torch.cat([rest.embeddings, embedding[None].float()]),
            torch.cat([rest.is_placeholder, torch.tensor([is_placeholder])]),
            np.concatenate([rest.given, given[None]]),
        )

    def judged(
        self, share: float, slips: float = 0.0
    ) -> tuple[OnlineWeights, Float[np.ndarray, " n"]]:
        """The weights after all words in order, and what the answer gave to each label then.

        Args:
            share, slips: see model.teacher.weights.
        Returns:
            weights, and shape (n,): the probability of the label before it was learned, NaN where
            nobody judged.
        """
        weights = OnlineWeights.even(self.given.shape[1], share)
        said = np.full(len(self), np.nan)
        for place, (row, label) in enumerate(zip(self.given, self.is_placeholder, strict=True)):
            answered = ~np.isnan(row)
            if answered.any():
                p = float(weights.predict(row, answered))
                said[place] = p if label else 1 - p
                heard = allowing_for_slips(row, slips)
                weights = weights.updated(heard, bool(label), answered)
        return weights, said

    def doubtful(
        self, said: Float[np.ndarray, " n"], absurd: float, neighbours: int = 3
    ) -> Bool[np.ndarray, " n"]:
        """Which words look like a slip: absurd when they came, and still alone among neighbours.

        A word is doubtful where its label had been given less than ``absurd``, and most of the
        nearest pictures that the teacher labelled, before or since, have the other label. So a
        teacher who has changed her mind is believed once she has said it of similar pictures.

        Args:
            said: as :meth:`judged` gave it.
            absurd: a probability; 0 doubts nobody.
            neighbours: how many nearest pictures vote; fewer pictures cast no doubt.
        Returns:
            Shape (n,).
        """
        suspects = said < absurd  # NaN is no suspect
        if not suspects.any() or len(self) <= neighbours:
            return np.zeros(len(self), dtype=bool)
        places = np.flatnonzero(suspects)
        alike = self.embeddings[places] @ self.embeddings.T
        alike[torch.arange(len(places)), torch.from_numpy(places)] = -torch.inf
        nearest = alike.topk(neighbours, dim=1).indices
        against = self.is_placeholder[nearest] != self.is_placeholder[places][:, None]
        suspects[places] = (against.float().mean(1) > 0.5).numpy()
        return np.asarray(suspects)
