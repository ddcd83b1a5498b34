"""Exact solutions: value iteration (Bellman 1957), and the decision process of a log, counted out.

All experts were logged, so what would have followed any action is known for every row, and the
process over the aggregated states can be counted rather than sampled. Value iteration on it is the
yardstick of the learned tables. A walk asks each expert once, so e + 1 sweeps are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from model.policy.errors import PolicyError
from model.policy.mdp import Grid, Reward, Unfolded

ENDED = -1


@dataclass(frozen=True, eq=False)
class Mdp:
    """A finite decision process, as a list of m possible transitions.

    Attributes:
        legal: actions that each of s states allows.
        state: where a transition starts.
        action: what is done there; legal.
        after: where it leads, or ``ENDED``.
        probability: of it, given state and action; they add up to 1 where there is any.
        reward: mean over such transitions.
        discount: in [0, 1].
    """

    legal: Bool[np.ndarray, "s a"]
    state: Int[np.ndarray, " m"]
    action: Int[np.ndarray, " m"]
    after: Int[np.ndarray, " m"]
    probability: Float[np.ndarray, " m"]
    reward: Float[np.ndarray, " m"]
    discount: float = 1.0

    def __post_init__(self) -> None:
        if not self.legal[self.state, self.action].all():
            raise PolicyError("a transition's action is not legal in its state")
        total = self._sums(self.probability)
        if not np.isclose(total[total > 0], 1).all():
            raise PolicyError("probabilities of an action must add up to 1")

    def _sums(self, values: np.ndarray) -> np.ndarray:
        place = self.state * self.legal.shape[1] + self.action
        return np.bincount(place, values, self.legal.size).reshape(self.legal.shape)

    def known(self) -> Bool[np.ndarray, "s a"]:
        """Which actions of which states have any transition."""
        return self._sums(self.probability) > 0

    def backup(self, values: Float[np.ndarray, " s"]) -> Float[np.ndarray, "s a"]:
        """Q of every action when states are worth ``values``; -inf where nothing is known."""
        ahead = np.where(self.after == ENDED, 0.0, values[self.after])
        q = self._sums(self.probability * (self.reward + self.discount * ahead))
        return np.where(self.known(), q, -np.inf)


def values_of(q: Float[np.ndarray, "s a"]) -> Float[np.ndarray, " s"]:
    """The best action's worth in each state; 0 where none is known."""
    best = q.max(1)
    return np.where(np.isfinite(best), best, 0.0)


def value_iteration(
    mdp: Mdp, *, tolerance: float = 1e-10, sweeps: int = 100_000
) -> Float[np.ndarray, "s a"]:
    """Q of the best policy, -inf where an action is not legal or was never seen.

    Args:
        tolerance: stop once no value changes by more.
    Raises:
        PolicyError: it did not settle within so many sweeps.
    """
    values = np.zeros(len(mdp.legal))
    for _ in range(sweeps):
        q = mdp.backup(values)
        better = values_of(q)
        if np.abs(better - values).max() <= tolerance:
            return q
        values = better
    raise PolicyError(f"value iteration did not settle in {sweeps} sweeps")


def empirical(unfolded: Unfolded, grid: Grid, reward: Reward, blur: float = 0.0) -> Mdp:
    """The decision process of a log.

    Args:
        blur: share of rows that count in all buckets of context, as often as each bucket occurs,
            rather than in their own: what a rare bucket never met it takes from the others.
    Raises:
        PolicyError: the log has another number of experts than grid or costs, or blur is outside
            [0, 1].
    """
    check_sizes(unfolded, grid, reward, blur)
    bins, label = grid.bin(unfolded.logits), unfolded.log.label
    truth, weight = unfolded.truth(reward.distilled), reward.weights(label)
    context = unfolded.context.astype(np.int64)
    share = np.bincount(context, minlength=grid.contexts) / len(context)

    def blurred(place: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
        """Sums of values by (context, place), shape (contexts, size)."""
        flat = np.bincount(context * size + place, values, grid.contexts * size)
        own = flat.reshape(grid.contexts, size)
        return np.asarray((1 - blur) * own + blur * share[:, None] * own.sum(0))

    columns: list[tuple[np.ndarray, ...]] = []
    ones, b = np.ones(len(label)), grid.bins
    for subset in range(grid.subsets):
        here = bins[:, subset]
        count = blurred(here, ones, b)
        lost = blurred(here, reward.loss(unfolded.logits[:, subset], truth), b)
        c, i = np.nonzero(count)
        state = grid.state(np.array(subset), i, c)
        ended = np.full(len(c), ENDED)
        stop = np.full(len(c), grid.experts)
        columns.append((state, stop, ended, np.ones(len(c)), -lost[c, i] / count[c, i]))
        for expert in range(grid.experts):
            if subset >> expert & 1:
                continue
            after = subset | 1 << expert
            place = here * b + bins[:, after]
            times = blurred(place, ones, b * b).reshape(grid.contexts, b, b)
            counted = blurred(place, weight, b * b).reshape(grid.contexts, b, b)
            c, i, j = np.nonzero(times)
            columns.append(
                (
                    grid.state(np.array(subset), i, c),
                    np.full(len(c), expert),
                    grid.state(np.array(after), j, c),
                    times[c, i, j] / count[c, i],
                    -reward.price * reward.costs[expert] * counted[c, i, j] / times[c, i, j],
                )
            )
    state, action, following, probability, earned = map(np.concatenate, zip(*columns, strict=True))
    return Mdp(grid.legal(), state, action, following, probability, earned)


def check_sizes(unfolded: Unfolded, grid: Grid, reward: Reward, blur: float) -> None:
    """Refuse a log, a grid and a reward that do not belong together.

    Raises:
        PolicyError: see above.
    """
    experts = unfolded.log.experts
    if not experts == grid.experts == len(reward.costs):
        raise PolicyError(
            f"the log has {experts} experts, the grid {grid.experts}, and there are "
            f"{len(reward.costs)} costs"
        )
    if int(unfolded.context.max()) >= grid.contexts:
        raise PolicyError(f"a context's bucket is beyond the grid's {grid.contexts}")
    if not 0 <= blur <= 1:
        raise PolicyError(f"blur lies in [0, 1], got {blur}")
