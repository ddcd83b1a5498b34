"""Learners that compare embeddings: nothing but the support is kept of a task."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.learners.matching import attention_log_probability
from model.learners.prototypical import prototype_logits, prototypes
from model.learners.ridge import MIN_PENALTY, ridge_weights
from model.learners.siamese import pair_logits
from model.yardsticks.omniglot.base import OneShot, one_of_each
from model.yardsticks.omniglot.episodes import Background
from model.yardsticks.omniglot.glyphs import Wobble
from model.yardsticks.omniglot.network import WIDTH


class PlainConvNet(OneShot):
    """A classifier of all background characters; its features are compared by cosine.

    The "simple ConvNet" of Lake et al. (2015): no learning to learn at all.
    """

    name: ClassVar[str] = "convnet"
    title: ClassVar[str] = "Plain convolutional network"
    episodes: ClassVar[int] = 1000
    haste: ClassVar[float] = (
        3.0  # hundreds of classes: at 1.0 the first thousand batches show little
    )

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.head = nn.Linear(WIDTH, classes)

    def loss(self, background: Background, rng: np.random.Generator, wobble: Wobble) -> Tensor:
        pictures, answer = background.draw_labelled(64, rng, wobble)
        return F.cross_entropy(self.head(self.network(pictures)), answer)

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        examples, asked = self.embed(support, query)
        return F.normalize(asked[0], dim=1) @ F.normalize(examples[0], dim=1).T


class SiameseNet(OneShot):
    """Are these two of one character? (Koch et al. 2015.)

    Trained on all pairs of a task, pairs of one character weighing as much as all others together:
    the paper draws as many of the one as of the other.
    """

    name: ClassVar[str] = "siamese"
    title: ClassVar[str] = "Siamese network"
    episodes: ClassVar[int] = 1000

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.twin = nn.Linear(WIDTH, 4 * WIDTH)
        self.weight = nn.Parameter(torch.full((4 * WIDTH,), 16.0 / (4 * WIDTH)))
        self.bias = nn.Parameter(torch.tensor(2.0))

    def loss(self, background: Background, rng: np.random.Generator, wobble: Wobble) -> Tensor:
        episode = background.draw(rng, wobble)
        found = self.logits(episode.support, episode.query)
        same = F.one_hot(episode.answer, found.shape[1]).to(found.dtype)
        weight = torch.where(same > 0, 0.5 / same.sum(), 0.5 / (1 - same).sum())
        return F.binary_cross_entropy_with_logits(found, same, weight, reduction="sum")

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        examples, asked = (torch.sigmoid(self.twin(x)) for x in self.embed(support, query))
        return pair_logits(asked, examples, self.weight, self.bias)[0]


class MatchingNet(OneShot):
    """Attention over the support by cosine, its sharpness learned (Vinyals et al. 2016)."""

    name: ClassVar[str] = "matching"
    title: ClassVar[str] = "Matching network"
    episodes: ClassVar[int] = 1000

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        examples, asked = self.embed(support, query)
        labels, present = one_of_each(len(support))
        scale = self.log_scale.exp()
        return attention_log_probability(asked, examples, labels, present, scale)[0]


class PrototypicalNet(OneShot):
    """Squared distance to each class's mean, here its only example (Snell et al. 2017)."""

    name: ClassVar[str] = "prototypical"
    title: ClassVar[str] = "Prototypical network"
    episodes: ClassVar[int] = 1000

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        examples, asked = self.embed(support, query)
        return prototype_logits(asked, prototypes(examples, *one_of_each(len(support))))[0]


class RidgeHead(OneShot):
    """Ridge regression on the support, in closed form (R2-D2, Bertinetto et al. 2019)."""

    name: ClassVar[str] = "ridge"
    title: ClassVar[str] = "Ridge regression head (R2-D2)"
    episodes: ClassVar[int] = 1000

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.log_penalty = nn.Parameter(torch.tensor(0.0))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        examples, asked = self.embed(support, query)
        penalty = self.log_penalty.exp() + MIN_PENALTY
        weight = ridge_weights(examples, *one_of_each(len(support)), penalty)
        # The paper's shift beta is the same for every class, so here it would change nothing.
        return (self.log_scale.exp() * asked @ weight)[0]
