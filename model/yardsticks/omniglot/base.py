"""What the yardstick asks of a learner: a loss on background tasks, and logits of one task."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from model.yardsticks.omniglot.episodes import Background
from model.yardsticks.omniglot.glyphs import Wobble
from model.yardsticks.omniglot.network import ConvNet


class OneShot(nn.Module):
    """A learner of tasks with one example of each class.

    Class i's example is row i of the support. The rules of the runs: a trial may look at the
    support and at its own drawing, never at other trials' drawings.

    Args:
        ways: most classes of a task.
        classes: characters of the background, for a learner that tells them all apart.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    episodes: ClassVar[int]  # of training; what fits into a minute or two of one core
    haste: ClassVar[float] = 1.0  # learning rate, as a multiple of the training's

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__()
        self.network = ConvNet()

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        """Of each class for each query; differentiable. The largest is the answer."""
        raise NotImplementedError

    def loss(self, background: Background, rng: np.random.Generator, wobble: Wobble) -> Tensor:
        """Of one task drawn by chance: the cross-entropy of its queries."""
        episode = background.draw(rng, wobble)
        return F.cross_entropy(self.logits(episode.support, episode.query), episode.answer)

    def embed(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> tuple[Float[Tensor, "1 ways d"], Float[Tensor, "1 n d"]]:
        """Embeddings of support and queries, as batches of one task."""
        both: Tensor = self.network(torch.cat([support, query]))
        return both[None, : len(support)], both[None, len(support) :]


def one_of_each(ways: int) -> tuple[Float[Tensor, "1 ways ways"], Bool[Tensor, "1 ways"]]:
    """One-hot labels of a support, and that all of it is there."""
    return torch.eye(ways)[None], torch.ones(1, ways, dtype=torch.bool)
