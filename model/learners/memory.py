"""Memory-augmented network: a recurrent controller that writes the support into a memory.

``MemoryNetwork`` is the method for any number of classes; ``MemoryAugmented`` is the learner of
this project, with two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.base import check_support
from model.learners.example_rows import two_way
from model.learners.meta import MetaLearner

# The paper's gamma: how much of a slot's usage is left one step later.
USAGE_DECAY = 0.99


def canonical_order(
    embeddings: Float[Tensor, "b n d"],
    one_hot: Shaped[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
) -> Int[Tensor, "b n"]:
    """One order for all orders of the same support: by numbers, then by class, padding last."""
    b, n, d = embeddings.shape
    if b * n == 0:
        return torch.zeros(b, n, dtype=torch.long, device=embeddings.device)
    # The sorted distinct rows: a row's position among them is its lexicographic rank.
    rows = embeddings.detach().reshape(b * n, d)
    rank = torch.unique(rows, dim=0, return_inverse=True)[1].view(b, n)
    key = rank * one_hot.shape[2] + one_hot.to(torch.uint8).argmax(2)
    return torch.argsort(key.masked_fill(~present, torch.iinfo(key.dtype).max), dim=1, stable=True)


@dataclass(frozen=True, eq=False)
class Trace:
    """What the network carries from step to step, for b tasks at once.

    Attributes:
        memory: M, shape (b, slots, width).
        usage: w^u, how much each slot has been used lately, shape (b, slots).
        weight: w^r, where the last step read, shape (b, slots).
        read: r, what it read, shape (b, width).
        hidden: of the LSTM, shape (b, hidden).
        cell: of the LSTM, shape (b, hidden).
    """

    memory: Tensor
    usage: Tensor
    weight: Tensor
    read: Tensor
    hidden: Tensor
    cell: Tensor

    def where(self, active: Bool[Tensor, " b"], other: Trace) -> Trace:
        """This trace for active tasks, the other one for the rest."""
        return Trace(
            torch.where(active[:, None, None], self.memory, other.memory),
            torch.where(active[:, None], self.usage, other.usage),
            torch.where(active[:, None], self.weight, other.weight),
            torch.where(active[:, None], self.read, other.read),
            torch.where(active[:, None], self.hidden, other.hidden),
            torch.where(active[:, None], self.cell, other.cell),
        )


class MemoryNetwork(nn.Module):
    """LSTM controller and external memory with least-recently-used access.

    Santoro et al. 2016, sections 3 and 4, one read head. At every step

        h = LSTM([x, y, r], h)           controller; y is the label of the step before
        k = tanh(A h)                    key: written, and compared with
        w^w = g w^r + (1 - g) w^lu       g = sigmoid(a . h), w^lu the least used slot, emptied first
        M(i) += w^w(i) k
        w^r = softmax(beta cos(k, M))    r = sum_i w^r(i) M(i)
        w^u = 0.99 w^u + w^r + w^w

    and the classes' logits are linear in [h, r]. beta, meta-learned, is not in the paper, where it
    is 1: so few slots would all be read at once.

    Args:
        embedding_dim: d.
        classes: c.
        slots: rows of the memory.
        width: numbers in a row.
        hidden: units of the LSTM.
    """

    def __init__(
        self, embedding_dim: int, classes: int, slots: int, width: int, hidden: int
    ) -> None:
        super().__init__()
        for what, size in (("slots", slots), ("width", width), ("hidden", hidden)):
            if size < 1:
                raise SupportError(f"{what} must be at least 1, got {size}")
        self.slots, self.width, self.hidden = slots, width, hidden
        self.controller = nn.LSTMCell(embedding_dim + classes + width, hidden)
        self.key = nn.Linear(hidden, width)
        self.gate = nn.Linear(hidden, 1)
        self.answer = nn.Linear(hidden + width, classes)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(4.0)))

    def study(
        self,
        embeddings: Float[Tensor, "b n d"],
        one_hot: Shaped[Tensor, "b n c"],
        present: Bool[Tensor, "b n"],
    ) -> Trace:
        """See the support once, one example a step, in canonical order.

        As in the paper a picture comes with the label of the one before it, (x_1, null), (x_2,
        y_1), ... and the last label with a null picture, so that it is written before any query.
        An empty support is that null picture alone.
        """
        b = len(embeddings)
        order = canonical_order(embeddings, one_hot, present)[..., None]
        x = embeddings * present[..., None]
        y = one_hot.to(x.dtype) * present[..., None]
        x = functional.pad(x.gather(1, order.expand_as(x)), (0, 0, 0, 1))
        y = functional.pad(y.gather(1, order.expand_as(y)), (0, 0, 1, 0))
        count = present.sum(1)
        trace = self._start(b, x)
        for t in range(int(count.max()) + 1 if b else 0):
            trace = self._step(trace, x[:, t], y[:, t]).where(t <= count, trace)
        return trace

    def ask(self, trace: Trace, queries: Float[Tensor, "b q d"]) -> Float[Tensor, "b q c"]:
        """Logits of the classes: one controller step and one read for each query; no writing."""
        b, q, _ = queries.shape
        label = queries.new_zeros(b, q, self.answer.out_features)
        read = trace.read[:, None].expand(-1, q, -1)
        seen = torch.cat([queries, label, read], dim=-1).flatten(0, 1)
        before = (trace.hidden.repeat_interleave(q, 0), trace.cell.repeat_interleave(q, 0))
        hidden, _ = self.controller(seen, before)
        hidden = hidden.view(b, q, self.hidden)
        _, read = self._read(torch.tanh(self.key(hidden)), trace.memory)
        found: Tensor = self.answer(torch.cat([hidden, read], dim=-1))
        return found

    def _start(self, b: int, like: Tensor) -> Trace:
        memory = like.new_zeros(b, self.slots, self.width)
        usage, read = like.new_zeros(b, self.slots), like.new_zeros(b, self.width)
        hidden = like.new_zeros(b, self.hidden)
        return Trace(memory, usage, usage, read, hidden, hidden)

    def _step(self, trace: Trace, x: Tensor, y: Tensor) -> Trace:
        hidden, cell = self.controller(
            torch.cat([x, y, trace.read], dim=1), (trace.hidden, trace.cell)
        )
        key = torch.tanh(self.key(hidden))
        gate = torch.sigmoid(self.gate(hidden))
        least = functional.one_hot(trace.usage.argmin(1), self.slots).to(key.dtype)
        write = gate * trace.weight + (1 - gate) * least
        memory = trace.memory * (1 - least)[..., None] + write[..., None] * key[:, None]
        weight, read = self._read(key[:, None], memory)
        usage = USAGE_DECAY * trace.usage + weight[:, 0] + write
        return Trace(memory, usage, weight[:, 0], read[:, 0], hidden, cell)

    def _read(
        self, key: Float[Tensor, "b q w"], memory: Float[Tensor, "b s w"]
    ) -> tuple[Float[Tensor, "b q s"], Float[Tensor, "b q w"]]:
        # An empty slot has cosine 0. Most slots are written with a small weight, so what counts as
        # empty must be smaller still.
        unit = functional.normalize(memory, dim=-1, eps=1e-6)
        cosine = functional.normalize(key, dim=-1, eps=1e-6) @ unit.mT
        weight = (self.log_sharpness.exp() * cosine).softmax(-1)
        return weight, weight @ memory


class MemoryAugmented(MetaLearner):
    """Memory-augmented neural network: adapting is reading the support once.

    Adam Santoro, Sergey Bartunov, Matthew Botvinick, Daan Wierstra and Timothy Lillicrap,
    "Meta-Learning with Memory-Augmented Neural Networks", ICML 2016 (and One-shot Learning with
    Memory-Augmented Neural Networks), https://arxiv.org/abs/1605.06065. Inductive.

    The support is a sequence in one canonical order (see ``canonical_order``), so that the order
    in which it came is irrelevant, though it is not to the network. The state is the memory and
    the controller's own state after the support; a query reads and leaves no trace, where the paper
    goes on writing. Everything is meta-learned, so nothing sensible is promised before that; after
    it an empty support and a one-sided one are answered as the tasks of meta-training had it. A
    support may be of any size, but old examples fade when there are more of them than slots.

    Args:
        embedding_dim: d.
        slots: rows of the memory.
        width: numbers in a row.
        hidden: units of the LSTM.
    """

    name: ClassVar[str] = "memory-augmented"

    def __init__(
        self, embedding_dim: int, slots: int = 32, width: int = 32, hidden: int = 64
    ) -> None:
        super().__init__(embedding_dim)
        self.network = MemoryNetwork(embedding_dim, 2, slots, width, hidden)
        # Rows of unit length have small numbers, and an LSTM that sees little learns little.
        self.log_gain = nn.Parameter(torch.tensor(max(0.0, math.log(embedding_dim**0.5 / 4))))
        self._parts = [slots * width, width, hidden, hidden]

    @property
    def state_size(self) -> int:
        return sum(self._parts)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b s"]:
        """Memory and controller after the support; differentiable."""
        scaled = embeddings * self.log_gain.exp()
        trace = self.network.study(scaled, two_way(is_placeholder), present)
        parts = (trace.memory.flatten(1), trace.read, trace.hidden, trace.cell)
        return torch.cat(parts, dim=1)

    def logits(
        self, states: Float[Tensor, "b s"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """Logit of placeholder less that of real picture."""
        flat, read, hidden, cell = torch.split(states, self._parts, dim=1)
        memory = flat.view(len(flat), self.network.slots, self.network.width)
        # Where to write next is no part of the state: queries do not write.
        nowhere = memory.new_zeros(memory.shape[:2])
        trace = Trace(memory, nowhere, nowhere, read, hidden, cell)
        found = self.network.ask(trace, queries * self.log_gain.exp())
        return found[..., 1] - found[..., 0]

    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability (n,) of each example under the head fitted to the others, all at once."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        n = len(embeddings)
        # Each task lacks another example: it is marked as padding.
        others = ~torch.eye(n, dtype=torch.bool, device=embeddings.device)
        with torch.no_grad():
            states = self.fit_batch(
                embeddings.float().expand(n, -1, -1), is_placeholder.expand(n, -1), others
            )
        return self.score_many(states, embeddings)
