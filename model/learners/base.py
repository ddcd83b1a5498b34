"""The one interface of all learners: adapt a frozen value from a support set, score purely.

A learner g_phi takes the embeddings of a support set S and returns theta' = g_phi(S), here called
a *head*. The head is a few numbers, never a copy of the network, so that a service keeps one for
each catalogue category and scores a batch of any mix of categories with one gathered product.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from model.errors import SupportError, WeightsError

# A score is never exactly 0 or 1: nothing that was learned from a few pictures is that sure.
MIN_PROBABILITY = 1e-6
MOST_LOG_ODDS = math.log((1 - MIN_PROBABILITY) / MIN_PROBABILITY)
"""The same, as log odds."""


@dataclass(frozen=True, eq=False)
class Head:
    """What one category learned: a value, frozen, cheap to keep and to send.

    Attributes:
        learner: the name of the learner that made it, the only one that may score with it.
        state: shape (s,), float32; s is the learner's ``state_size``.
    """

    learner: str
    state: Tensor

    def to_bytes(self) -> bytes:
        """The head as safetensors: self-describing, checked when read, never executed."""
        return save_tensors({"state": self.state.contiguous()}, {"learner": self.learner})

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """Read back what ``to_bytes`` wrote.

        Raises:
            WeightsError: the bytes are not a head.
        """
        try:
            state = load_tensors(data)["state"]
            header = int.from_bytes(data[:8], "little")
            metadata = json.loads(data[8 : 8 + header]).get("__metadata__", {})
        except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
            raise WeightsError(
                f"these {len(data)} bytes are not an adapted head: {error}"
            ) from error
        learner = str(metadata.get("learner", ""))
        return cls(learner=learner, state=state)


@dataclass(frozen=True, eq=False)
class Studied:
    """A support set learned, and how well that goes.

    Attributes:
        head: fitted to all n examples.
        left_out: shape (n,), probability of each under the head of all the others.
    """

    head: Head
    left_out: Tensor


@runtime_checkable
class Learner(Protocol):
    """Turns a support set into a head, and a head and queries into probabilities.

    Promises, checked for every learner by tests/model/learners/test_conformance.py: the order of
    the support is irrelevant, a batch equals one by one, scoring twice agrees, saving and loading
    a head change nothing, inputs stay untouched, and probabilities lie strictly inside (0, 1).
    """

    name: ClassVar[str]

    @property
    def embedding_dim(self) -> int:
        """d, the length of an embedding."""

    @property
    def state_size(self) -> int:
        """s, the length of a head's state."""

    def adapt(self, embeddings: Tensor, is_placeholder: Tensor) -> Head:
        """Fit a head to one support set.

        Args:
            embeddings: shape (n, d), float32, rows of unit length; n may be 0.
            is_placeholder: shape (n,), bool; either label may be missing.
        Raises:
            SupportError: the shapes do not belong together, or a value is not finite.
        """

    def score(self, head: Head, embeddings: Tensor) -> Tensor:
        """Probabilities of being a placeholder: (q, d) to (q,), strictly inside (0, 1)."""

    def score_many(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Row i of ``embeddings`` (q, d) with row i of ``states`` (q, s): shape (q,)."""

    def log_odds(
        self, states: NDArray[np.float32], embeddings: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What :meth:`score_many` says, as log odds (q,) and from arrays: what a service asks.
        ``states`` (1, s) is one state for all rows."""

    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability of each example under the head fitted to all the others: shape (n,)."""

    def study(self, embeddings: Tensor, is_placeholder: Tensor) -> Studied:
        """What ``adapt`` and ``leave_one_out`` give, sharing the work that both need."""


def check_support(embeddings: Tensor, is_placeholder: Tensor, dim: int) -> None:
    """Refuse a support set that cannot be one.

    Raises:
        SupportError: says what came and what is needed.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        raise SupportError(
            f"support embeddings must have shape (n, {dim}), got {tuple(embeddings.shape)}"
        )
    if is_placeholder.shape != (len(embeddings),):
        raise SupportError(
            f"{len(embeddings)} embeddings need {len(embeddings)} labels, "
            f"got labels of shape {tuple(is_placeholder.shape)}"
        )
    if is_placeholder.dtype != torch.bool:
        raise SupportError(f"labels must be bool, got {is_placeholder.dtype}")
    if not bool(torch.isfinite(embeddings).all()):
        raise SupportError("support embeddings must be finite; one holds NaN or infinity")


def check_head(head: Head, learner: str, state_size: int) -> None:
    """Refuse a head that another learner made.

    Raises:
        SupportError: names both learners, or both sizes.
    """
    if head.learner != learner:
        raise SupportError(f"a head of learner {head.learner!r} cannot be scored by {learner!r}")
    if head.state.shape != (state_size,):
        raise SupportError(
            f"a head of {learner!r} has {state_size} numbers, got {tuple(head.state.shape)}"
        )


def to_probability(logits: Tensor) -> Tensor:
    """Logistic function, kept strictly inside (0, 1)."""
    return torch.sigmoid(logits).clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
