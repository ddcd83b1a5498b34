"""Policies that nobody had to learn, to compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from model.policy.errors import PolicyError


@dataclass(frozen=True)
class Plan:
    """Ask these experts whatever they say, in this order, then stop: all of them, or one."""

    order: tuple[int, ...]

    def next_expert(
        self,
        asked: Bool[np.ndarray, "n e"],
        logit: Float[np.ndarray, " n"],
        context: Shaped[np.ndarray, " n"],
    ) -> Shaped[np.ndarray, " n"]:
        """The first of the order that was not asked."""
        action = np.full(len(logit), asked.shape[1], dtype=np.int8)
        for expert in reversed(self.order):
            action[~asked[:, expert]] = expert
        return action


@dataclass(frozen=True)
class Cascade:
    """Ask in this order for as long as the answer is unsure (Viola and Jones 2001).

    Attributes:
        order: of the experts; the first is always asked.
        low: log-odds at or below which it is a real picture.
        high: log-odds at or above which it is a placeholder.
    Raises:
        PolicyError: low is above high, or the order is empty.
    """

    order: tuple[int, ...]
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.low > self.high or not self.order:
            raise PolicyError(f"a cascade needs an order and low <= high, got {self}")

    def next_expert(
        self,
        asked: Bool[np.ndarray, "n e"],
        logit: Float[np.ndarray, " n"],
        context: Shaped[np.ndarray, " n"],
    ) -> Shaped[np.ndarray, " n"]:
        """The first of the order that was not asked, where the answer is unsure."""
        action = Plan(self.order).next_expert(asked, logit, context)
        sure = ((logit <= self.low) | (logit >= self.high)) & asked.any(1)
        action[sure] = asked.shape[1]
        return action


class Chance:
    """Ask any expert at random, or stop: what is gained beyond it is the policy's own.

    Args:
        more: chance to ask another one, each time.
        generator: the only source of chance; a second run asks differently.
    Raises:
        PolicyError: the chance is outside [0, 1].
    """

    def __init__(self, more: float, generator: np.random.Generator) -> None:
        if not 0 <= more <= 1:
            raise PolicyError(f"a chance lies in [0, 1], got {more}")
        self.more = more
        self._generator = generator

    def next_expert(
        self,
        asked: Bool[np.ndarray, "n e"],
        logit: Float[np.ndarray, " n"],
        context: Shaped[np.ndarray, " n"],
    ) -> Shaped[np.ndarray, " n"]:
        """Any that was not asked, or e."""
        choice = np.where(asked, -1.0, self._generator.random(asked.shape)).argmax(1)
        goes_on = (self._generator.random(len(logit)) < self.more) & ~asked.all(1)
        action: np.ndarray = np.where(goes_on, choice, asked.shape[1]).astype(np.int8)
        return action
