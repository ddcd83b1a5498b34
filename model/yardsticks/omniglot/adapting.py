"""Learners that take steps on a task's support: gradient steps, learned steps, a memory's."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from model.learners.inner_loop import Parameters, adapt_parameters
from model.learners.learned_optimiser import GatedUpdate, adapt_heads
from model.learners.memory import MemoryNetwork
from model.yardsticks.omniglot.base import OneShot, one_of_each
from model.yardsticks.omniglot.network import WIDTH


class MamlNet(OneShot):
    """All layers adapt by gradient descent, second-order gradients (Finn et al. 2017).

    Every class's output starts as the same meta-learned row (Ye and Chao 2022, arXiv:2106.16245):
    there is no first class among characters, and a task may have any number of them. The inner
    rates are meta-learned, one for each tensor (Antoniou et al. 2019, arXiv:1810.09502).
    """

    name: ClassVar[str] = "maml"
    title: ClassVar[str] = "MAML, second order"
    episodes: ClassVar[int] = 500
    steps: ClassVar[int] = 3

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.row = nn.Parameter(torch.zeros(WIDTH + 1))
        names = [name.replace(".", "/") for name, _ in self.network.named_parameters()]
        rates = {name: nn.Parameter(torch.tensor(math.log(0.05))) for name in names}
        self.log_rate = nn.ParameterDict(rates)
        self.log_head_rate = nn.Parameter(torch.tensor(math.log(1.0)))

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        ways = len(support)
        answer = torch.arange(ways)
        start = dict(self.network.named_parameters()) | {"head": self.row.repeat(ways, 1)}
        rate = {
            name: self.log_rate[name.replace(".", "/")].exp() for name in start if name != "head"
        }

        def answers(params: Parameters, pictures: Tensor) -> Tensor:
            network = {name: value for name, value in params.items() if name != "head"}
            return _linear(functional_call(self.network, network, (pictures,)), params["head"])

        adapted = adapt_parameters(
            lambda params: F.cross_entropy(answers(params, support), answer),
            start,
            steps=self.steps,
            rate={**rate, "head": self.log_head_rate.exp()},
        )
        return answers(adapted, query)


class AnilNet(OneShot):
    """Only the last layer adapts; features are meta-learned (Raghu et al. 2020)."""

    name: ClassVar[str] = "anil"
    title: ClassVar[str] = "ANIL"
    episodes: ClassVar[int] = 1000
    steps: ClassVar[int] = 5

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.row = nn.Parameter(torch.zeros(WIDTH + 1))
        self.log_rate = nn.Parameter(torch.tensor(math.log(1.0)))

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        (examples,), (asked,) = self.embed(support, query)
        answer = torch.arange(len(support))
        adapted = adapt_parameters(
            lambda params: F.cross_entropy(_linear(examples, params["head"]), answer),
            {"head": self.row.repeat(len(support), 1)},
            steps=self.steps,
            rate=self.log_rate.exp(),
        )
        return _linear(asked, adapted["head"])


class LearnedSteps(OneShot):
    """The head moves by a meta-learned rule for each coordinate (Ravi and Larochelle 2017)."""

    name: ClassVar[str] = "learned-optimiser"
    title: ClassVar[str] = "Learned optimiser of the head"
    episodes: ClassVar[int] = 800
    steps: ClassVar[int] = 5

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.rule = GatedUpdate()
        self.row = nn.Parameter(torch.zeros(WIDTH + 1))
        self.log_gain = nn.Parameter(torch.tensor(0.0))

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        gain = self.log_gain.exp()
        examples, asked = (F.pad(gain * x, (0, 1), value=1.0) for x in self.embed(support, query))
        start = self.row.repeat(1, len(support), 1)
        head = adapt_heads(self.rule, start, examples, *one_of_each(len(support)), self.steps)
        return (asked @ head.mT)[0]


class MemoryNet(OneShot):
    """The support is read into a memory, one drawing after the other (Santoro et al. 2016).

    Classes are known by the number of an output here, so a task may have fewer than ``ways``.
    """

    name: ClassVar[str] = "memory-augmented"
    title: ClassVar[str] = "Memory-augmented network"
    episodes: ClassVar[int] = 800

    def __init__(self, ways: int, classes: int) -> None:
        super().__init__(ways, classes)
        self.ways = ways
        self.memory = MemoryNetwork(WIDTH, ways, slots=2 * ways, width=40, hidden=200)

    def logits(
        self,
        support: Float[Tensor, "ways 1 side side"],
        query: Float[Tensor, "n 1 side side"],
    ) -> Float[Tensor, "n ways"]:
        examples, asked = self.embed(support, query)
        labels, present = one_of_each(len(support))
        labels = F.pad(labels, (0, self.ways - len(support)))
        trace = self.memory.study(examples, labels, present)
        return self.memory.ask(trace, asked)[0, :, : len(support)]


def _linear(embeddings: Float[Tensor, "n d"], head: Float[Tensor, "c d_plus_1"]) -> Tensor:
    return F.linear(embeddings, head[:, :-1], head[:, -1])
