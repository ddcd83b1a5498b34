"""The memory-augmented network against one step after the other in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners.memory import MemoryAugmented, MemoryNetwork, canonical_order

DIM, SLOTS, WIDTH, HIDDEN = 3, 3, 2, 4
seeds = st.integers(0, 9999)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class ByHand:
    """One task, one step at a time, from the paper's equations."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.get = {k: v.detach().numpy() for k, v in network.named_parameters()}
        self.memory = np.zeros((SLOTS, WIDTH))
        self.usage, self.weight = np.zeros(SLOTS), np.zeros(SLOTS)
        self.read, self.h, self.c = np.zeros(WIDTH), np.zeros(HIDDEN), np.zeros(HIDDEN)

    def control(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        get = self.get
        gates = get["controller.weight_ih"] @ np.concatenate([x, y, self.read])
        gates = gates + get["controller.bias_ih"] + get["controller.bias_hh"]
        i, f, g, o = np.split(gates + get["controller.weight_hh"] @ self.h, 4)
        c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def look(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = np.tanh(self.get["key.weight"] @ h + self.get["key.bias"])
        cosine = np.zeros(SLOTS)
        for i, row in enumerate(self.memory):
            if row.any():
                cosine[i] = key @ row / (np.linalg.norm(key) * np.linalg.norm(row))
        weight = np.exp(np.exp(self.get["log_sharpness"]) * cosine)
        return key, weight / weight.sum()

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        self.h, self.c = self.control(x, y)
        key = np.tanh(self.get["key.weight"] @ self.h + self.get["key.bias"])
        gate = sigmoid(self.get["gate.weight"][0] @ self.h + self.get["gate.bias"][0])
        least = int(np.argmin(self.usage))
        write = gate * self.weight
        write[least] += 1 - gate
        self.memory[least] = 0
        self.memory = self.memory + np.outer(write, key)
        _, self.weight = self.look(self.h)
        self.read = self.weight @ self.memory
        self.usage = 0.99 * self.usage + self.weight + write

    def ask(self, x: np.ndarray, classes: int) -> np.ndarray:
        h, _ = self.control(x, np.zeros(classes))
        _, weight = self.look(h)
        seen = np.concatenate([h, weight @ self.memory])
        return self.get["answer.weight"] @ seen + self.get["answer.bias"]


@given(n=st.integers(0, 7), c=st.integers(2, 4), seed=seeds)
def test_each_step_is_the_papers(n: int, c: int, seed: int) -> None:
    torch.manual_seed(seed)
    network = MemoryNetwork(DIM, c, SLOTS, WIDTH, HIDDEN).double()
    x, queries = drawn(seed, n, DIM), drawn(seed + 1, 2, DIM)
    label = torch.randint(c, (n,), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        present = torch.ones(1, n, dtype=torch.bool)
        trace = network.study(x[None], functional.one_hot(label, c)[None], present)
        got = network.ask(trace, queries[None])[0]
    hand = ByHand(network)
    before = np.zeros(c)
    for i in sorted(range(n), key=lambda i: (*x[i].tolist(), int(label[i]))):
        hand.step(x[i].numpy(), before)
        before = np.eye(c)[label[i]]
    hand.step(np.zeros(DIM), before)
    np.testing.assert_allclose(trace.memory[0], hand.memory, atol=1e-9)
    np.testing.assert_allclose(trace.usage[0], hand.usage, atol=1e-9)
    for query, logits in zip(queries.numpy(), got.numpy(), strict=True):
        np.testing.assert_allclose(logits, hand.ask(query, c), atol=1e-9)


@given(n=st.integers(0, 12), seed=seeds)
def test_the_canonical_order_is_that_of_sorted_rows(n: int, seed: int) -> None:
    # Small whole numbers: rows that begin alike, or are the same with another label.
    x = torch.randint(-1, 2, (1, n, 3), generator=torch.Generator().manual_seed(seed)).double()
    label = torch.randint(2, (1, n), generator=torch.Generator().manual_seed(seed + 1))
    present = drawn(seed + 2, 1, n) > -0.5
    order = canonical_order(x, functional.one_hot(label, 2), present)[0].tolist()
    rows = [(*x[0, i].tolist(), int(label[0, i])) for i in range(n)]
    kept = [i for i in order if present[0, i]]
    assert order[: len(kept)] == kept
    assert [rows[i] for i in kept] == sorted(rows[i] for i in range(n) if present[0, i])
    assert sorted(order) == list(range(n))


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4), seed=seeds)
def test_tasks_of_several_sizes_together_equal_one_by_one(sizes: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    learner = MemoryAugmented(DIM, SLOTS, WIDTH, HIDDEN).double()
    n = max(sizes) + 1
    x, y = drawn(seed, len(sizes), n, DIM), drawn(seed + 1, len(sizes), n) > 0
    present = torch.stack([torch.randperm(n) < size for size in sizes])
    with torch.no_grad():
        together = learner.fit_batch(x, y, present)
        for i, here in enumerate(present):
            torch.testing.assert_close(together[i], learner.fit(x[i, here], y[i, here]))


def test_a_slot_that_was_not_used_lately_is_written_first() -> None:
    torch.manual_seed(1)
    network = MemoryNetwork(DIM, 2, 6, WIDTH, HIDDEN).double()
    with torch.no_grad():
        network.gate.weight.zero_()
        network.gate.bias.fill_(-50)  # never where it last read
        for n in range(6):
            trace = network.study(
                drawn(n, 1, n, DIM), torch.ones(1, n, 2), torch.ones(1, n, dtype=torch.bool)
            )
            # n examples and the null picture that brings the last label, one slot each
            assert int((trace.memory[0].abs().sum(1) > 1e-6).sum()) == n + 1


@pytest.mark.parametrize("size", ["slots", "width", "hidden"])
def test_a_network_of_no_size_is_refused(size: str) -> None:
    with pytest.raises(SupportError, match=f"{size} must be at least 1, got 0"):
        MemoryAugmented(3, **{size: 0})
