"""The meta-loss: the sum of the tasks' losses, and an auxiliary loss over what pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.episodes import Episode
from model.learners.meta import MetaLearner

# Families whose pictures the words "stand-in" and "product" cannot tell apart: a logo tile is a
# logo tile. The auxiliary loss takes either name for right; only a support set can tell.
_SAME_LOOK = {"logo": "product:drawn logo", "blank": "product:drawn swatch"}


@dataclass(frozen=True, eq=False)
class EpisodeBatch:
    """Episodes padded to one shape: b tasks, n support and q query pictures at most."""

    support: Int[Tensor, "b n"]
    support_label: Bool[Tensor, "b n"]
    support_present: Bool[Tensor, "b n"]
    query: Int[Tensor, "b q"]
    query_label: Bool[Tensor, "b q"]
    query_weight: Float[Tensor, "b q"]

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> EpisodeBatch:
        """Stack episodes; padding points at picture 0 and counts for nothing.

        Both labels of a task's queries weigh the same, and every task weighs 1.
        """
        b = len(episodes)
        n = max(1, *(len(e.support) for e in episodes))
        q = max(len(e.query) for e in episodes)
        support, query = np.zeros((b, n), np.int64), np.zeros((b, q), np.int64)
        support_label, present = np.zeros((b, n), bool), np.zeros((b, n), bool)
        query_label, weight = np.zeros((b, q), bool), np.zeros((b, q), np.float32)
        for i, e in enumerate(episodes):
            k, m = len(e.support), len(e.query)
            support[i, :k], support_label[i, :k] = e.support, e.support_is_placeholder
            present[i, :k] = True
            query[i, :m], query_label[i, :m] = e.query, e.query_is_placeholder
            weight[i, :m] = _balanced(e.query_is_placeholder)
        return cls(
            *map(torch.from_numpy, (support, support_label, present)),
            *map(torch.from_numpy, (query, query_label, weight)),
        )

    def to(self, device: torch.device) -> EpisodeBatch:
        """The same on a device."""
        return EpisodeBatch(*(getattr(self, f).to(device) for f in self.__dataclass_fields__))


def local(batch: EpisodeBatch) -> tuple[Tensor, EpisodeBatch]:
    """The distinct pictures of a batch of tasks, and the tasks with positions among them."""
    both = torch.cat([batch.support.flatten(), batch.query.flatten()])
    used, inverse = torch.unique(both, return_inverse=True)
    n = batch.support.numel()
    return used, replace(
        batch, support=inverse[:n].view_as(batch.support), query=inverse[n:].view_as(batch.query)
    )


def _balanced(label: NDArray[np.bool_]) -> NDArray[np.float32]:
    positive = int(label.sum())
    count = np.where(label, positive, len(label) - positive)
    sides = int(positive > 0) + int(positive < len(label))
    return (1 / (count * sides)).astype(np.float32)


def task_losses(
    learner: MetaLearner, embeddings: Float[Tensor, "p d"], batch: EpisodeBatch
) -> Float[Tensor, " b"]:
    """Cross-entropy of each task's queries under the head adapted to its support; differentiable.

    Gradients flow through the adaptation (the inner loop) into embeddings and learner alike.
    """
    heads = learner.fit_batch(embeddings[batch.support], batch.support_label, batch.support_present)
    logits = learner.logits(heads, embeddings[batch.query])
    loss = functional.binary_cross_entropy_with_logits(
        logits, batch.query_label.to(logits.dtype), reduction="none"
    )
    return (loss * batch.query_weight).sum(1)


class Auxiliary(nn.Module):
    """What does the picture show? Cross-entropy over families and product categories.

    A view's name may be coarse (``kind:text`` for a real stand-in) or shared (a logo tile may be
    either); any class that the name allows is right: loss = -log sum of the allowed probabilities.

    Args:
        fine: the fine name of every training view.
        features: width of the pooled features.
    """

    def __init__(self, fine: Sequence[str], features: int) -> None:
        super().__init__()
        self.names = sorted({name for name in fine if not name.startswith("kind:")})
        self.linear = nn.Linear(features, max(1, len(self.names)))
        self._allowed = {name: self._allows(name) for name in sorted(set(fine))}

    def _allows(self, name: str) -> NDArray[np.bool_]:
        kind = name.removeprefix("kind:").split("/")[0]
        twin = _SAME_LOOK.get(kind)
        families = {n for n in self.names if n.split("/")[0] == kind}
        if name.startswith("kind:"):
            right = families | ({twin} if twin else set())
        elif name in _SAME_LOOK.values():
            kinds = {k for k, v in _SAME_LOOK.items() if v == name}
            right = {name} | {n for n in self.names if n.split("/")[0] in kinds}
        else:
            right = {name} | ({twin} if twin else set())
        mask = np.array([n in right for n in self.names], dtype=bool)
        # A kind that the generator did not draw allows everything: it teaches nothing here.
        return mask if mask.any() else np.ones(max(1, len(self.names)), dtype=bool)

    def forward(self, pooled: Float[Tensor, "p f"], fine: Sequence[str]) -> Float[Tensor, ""]:
        """Mean loss over the pictures."""
        allowed = torch.from_numpy(np.stack([self._allowed[name] for name in fine]))
        log_probability = self.linear(pooled).log_softmax(1)
        masked = log_probability.masked_fill(~allowed.to(pooled.device), -torch.inf)
        loss: Tensor = -masked.logsumexp(1).mean()
        return loss
