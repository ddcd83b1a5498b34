"""A learned policy as a frozen value: a table that names the next action of every state."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.policy.errors import PolicyError
from model.policy.mdp import Grid, Reward, subset_of


@runtime_checkable
class Chooser(Protocol):
    """Anything that says which expert is asked next."""

    def next_expert(self, asked: np.ndarray, logit: np.ndarray, context: np.ndarray) -> np.ndarray:
        """(n, e) bool, (n,) float, (n,) int8 to (n,) int8: an expert's number, or e to stop."""


@dataclass(frozen=True, eq=False)
class Policy:
    """Which expert next, or stop.

    Attributes:
        table: action by (subset, bin, context), int8; never an expert that the subset holds.
        edges: between bins of the combined logit, ascending, float64.
        costs: milliseconds of each expert that it was learned for.
        price: nats that a millisecond was worth.
        focus: log-odds at which answers mattered.
    Raises:
        PolicyError: the parts do not fit, or the table asks what was asked.
    """

    table: Shaped[np.ndarray, "subsets bins contexts"]
    edges: Float[np.ndarray, " b1"]
    costs: tuple[float, ...]
    price: float
    focus: tuple[float, ...]

    def __post_init__(self) -> None:
        reward = Reward(self.costs, self.price, self.focus)
        wanted = (1 << len(reward.costs), len(self.edges) + 1)
        if self.table.ndim != 3 or self.table.shape[:2] != wanted or self.table.dtype != np.int8:
            raise PolicyError(
                f"the table must be int8 of shape {wanted} and contexts, "
                f"got {self.table.dtype} of {self.table.shape}"
            )
        grid = self.grid
        action = self.table.reshape(-1).astype(np.int64)
        inside = (action >= 0) & (action <= self.stop)
        if not inside.all() or not grid.legal()[np.arange(grid.states), action].all():
            raise PolicyError("the table holds an action that its state does not allow")

    @property
    def grid(self) -> Grid:
        """Numbers of the states."""
        return Grid(self.edges, len(self.costs), self.table.shape[2])

    @property
    def stop(self) -> int:
        """The action that asks nobody: e."""
        return len(self.costs)

    def next_expert(
        self,
        asked: Bool[np.ndarray, "n e"],
        logit: Float[np.ndarray, " n"],
        context: Shaped[np.ndarray, " n"],
    ) -> Shaped[np.ndarray, " n"]:
        """The next action for each of n pictures.

        Args:
            asked: which experts were asked, whether or not they abstained.
            logit: the combination's answer so far.
            context: bucket of the category, ``mdp.context_bucket``.
        Returns:
            int8: 0 to e - 1 asks that expert, never one that was asked; e stops.
        Raises:
            PolicyError: shapes do not fit, or a context is not in the table.
        """
        n = len(logit)
        if asked.shape != (n, self.stop) or context.shape != (n,):
            raise PolicyError(
                f"{n} logits need asked of shape {(n, self.stop)} and {n} contexts, "
                f"got {asked.shape} and {context.shape}"
            )
        if n and not 0 <= int(context.min()) <= int(context.max()) < self.table.shape[2]:
            raise PolicyError(f"contexts are 0 to {self.table.shape[2] - 1}, got one beyond")
        bins = np.searchsorted(self.edges, logit, side="right")
        action: np.ndarray = self.table[subset_of(asked), bins, context]
        return action

    def joined(self, other: Policy, contexts: Collection[int]) -> Policy:
        """This policy, but another one's in some contexts.

        A walk never changes its context, so the decision process falls apart into one for each,
        and a price that suits one need not suit the next.

        Raises:
            PolicyError: the two are not of the same experts, costs and contexts.
        """
        if other.costs != self.costs or other.table.shape[2] != self.table.shape[2]:
            raise PolicyError(
                f"policies of costs {self.costs} and {other.costs} cannot be joined, nor of "
                f"{self.table.shape[2]} and {other.table.shape[2]} contexts"
            )
        edges = np.union1d(self.edges, other.edges)
        # Every bin of the union lies within one of each: that of its lower edge.
        lower = np.concatenate([[-np.inf], edges])
        mine, theirs = (np.searchsorted(p.edges, lower, side="right") for p in (self, other))
        table = self.table[:, mine]
        for context in contexts:
            table[:, :, context] = other.table[:, theirs, context]
        return Policy(table, edges, self.costs, self.price, self.focus)

    def to_tensors(self) -> tuple[dict[str, Tensor], str]:
        """Arrays for a safetensors file, and the numbers beside them as JSON."""
        tensors = {
            "table": torch.from_numpy(self.table.copy()),
            "edges": torch.from_numpy(self.edges.copy()),
            "costs": torch.tensor(self.costs, dtype=torch.float64),
            "focus": torch.tensor(self.focus, dtype=torch.float64),
        }
        return tensors, json.dumps({"price": self.price})

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], about: str) -> Policy:
        """Read back what ``to_tensors`` gave.

        Raises:
            PolicyError: something is missing, or does not fit.
        """
        try:
            return cls(
                table=tensors["table"].numpy(),
                edges=tensors["edges"].numpy(),
                costs=tuple(tensors["costs"].tolist()),
                price=float(json.loads(about)["price"]),
                focus=tuple(tensors["focus"].tolist()),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise PolicyError(f"this is no policy: {error!r}") from error

    def save(self, path: Path) -> None:
        """Write as safetensors, in one move."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        tensors, about = self.to_tensors()
        save_file(tensors, partial, {"policy": about})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read back what ``save`` wrote.

        Raises:
            PolicyError: the file cannot be read, or is no policy.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = (file.metadata() or {}).get("policy", "{}")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise PolicyError(f"{path} cannot be read: {error}") from error
        return cls.from_tensors(tensors, about)


def follow(
    chooser: Chooser,
    so_far: Callable[[Shaped[np.ndarray, " k"]], Float[np.ndarray, " k"]],
    asked: Bool[np.ndarray, "n e"],
    context: Shaped[np.ndarray, " n"],
    there: Bool[np.ndarray, "n e"] | None = None,
) -> Shaped[np.ndarray, " n"]:
    """Let a policy ask for every picture until it stops, or until an answer is not there.

    Args:
        so_far: the combination's answer to some rows, from whom ``asked`` names.
        asked: who was asked before; filled in.
        there: whose answer is there; everybody's where None.
    Returns:
        int8: the expert whose answer was wanted and not there, -1 at the end of the walk.
    """
    n, experts = asked.shape
    wants = np.full(n, -1, np.int8)
    going = np.arange(n)
    while len(going):
        action = chooser.next_expert(asked[going], so_far(going), context[going])
        going, action = going[action < experts], action[action < experts]
        if there is not None:
            missing = ~there[going, action]
            wants[going[missing]] = action[missing]
            going, action = going[~missing], action[~missing]
        asked[going, action] = True
    return wants


def greedy(q: Float[np.ndarray, "s a"], grid: Grid, reward: Reward) -> Policy:
    """The policy that takes the best action everywhere.

    A state that was never met does as the nearest bin of its subset and context does, and where
    there is none, it stops.

    Args:
        q: -inf where an action is illegal or was never tried.
    """
    shape = (grid.subsets, grid.bins, grid.contexts)
    action = q.argmax(1).reshape(shape)
    met = np.isfinite(q).any(1).reshape(shape)
    place = np.arange(grid.bins)
    apart = np.abs(place[:, None] - place)  # (bins, bins)
    for subset in range(grid.subsets):
        for context in range(grid.contexts):
            there = met[subset, :, context]
            if there.any():
                nearest = np.where(there, apart, grid.bins).argmin(1)
                action[subset, :, context] = action[subset, nearest, context]
            else:
                action[subset, :, context] = grid.experts
    return Policy(action.astype(np.int8), grid.edges, reward.costs, reward.price, reward.focus)
