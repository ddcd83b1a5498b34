"""Tabular Q-learning (Watkins 1989) and Double Q-learning (van Hasselt 2010), off-policy.

Both learn from transitions alone: state, action, reward, next state. Watkins' target is

    r + discount x max_a Q(s', a),

whose maximum over noisy estimates is too high on average. Double Q-learning keeps two tables, and
by the throw of a coin updates one of them towards

    r + discount x Q_other(s', argmax_a Q_this(s', a)),

so that the noise which chose the action is not the noise that values it.

Many walkers move at once, for speed: those that update one entry in the same step count together,
as their mean target under the rate that so many updates in a row would have had. A batch of 1 is
the textbook's algorithm. The rate at an entry's n-th visit is n^-decay (Even-Dar & Mansour 2003).

Walkers choose among legal actions at random. On a log that is no loss, since nothing is paid for
a step that is replayed; and it keeps the rows that are met in a state those of the whole log, so
that the process learned is the one that ``value_iteration.empirical`` counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from model.policy.errors import PolicyError
from model.policy.mdp import Grid, Reward, Unfolded
from model.policy.value_iteration import ENDED, Mdp, check_sizes

Method = Literal["q-learning", "double-q-learning"]
METHODS: tuple[Method, ...] = ("q-learning", "double-q-learning")


@runtime_checkable
class World(Protocol):
    """Where walkers walk; they are places, numbers that mean something to the world alone."""

    @property
    def legal(self) -> Bool[np.ndarray, "s a"]:
        """Actions by state."""

    @property
    def discount(self) -> float:
        """Of rewards a step later."""

    def begin(self, count: int, generator: np.random.Generator) -> Int[np.ndarray, " n"]:
        """Places to start from."""

    def state(self, place: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """What a learner sees of a place."""

    def step(
        self,
        place: Int[np.ndarray, " n"],
        action: Int[np.ndarray, " n"],
        generator: np.random.Generator,
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Rewards, and the places reached or ``ENDED``."""


class LogWorld:
    """Rows of a log, asked expert by expert.

    Args:
        blur: chance that a walk takes place in a context drawn from all rows'; as ``empirical``.
        start: number of the subset that was asked before a walk begins.
    Raises:
        PolicyError: log, grid and reward do not belong together.
    """

    discount = 1.0

    def __init__(
        self,
        unfolded: Unfolded,
        grid: Grid,
        reward: Reward,
        blur: float = 0.0,
        start: int = 0,
    ) -> None:
        check_sizes(unfolded, grid, reward, blur)
        self._start = start
        self.legal = grid.legal()
        self._grid, self._blur = grid, blur
        self._bins = grid.bin(unfolded.logits)
        self._context = unfolded.context.astype(np.int64)
        truth = unfolded.truth(reward.distilled)
        self._loss = np.stack([reward.loss(z, truth) for z in unfolded.logits.T], axis=1)
        self._weight = reward.weights(unfolded.log.label)
        self._price = reward.price * np.array(reward.costs)

    def begin(self, count: int, generator: np.random.Generator) -> Int[np.ndarray, " n"]:
        """Rows drawn evenly."""
        row = generator.integers(len(self._bins), size=count)
        other = generator.integers(len(self._bins), size=count)
        lent = generator.random(count) < self._blur
        context = np.where(lent, self._context[other], self._context[row])
        return np.asarray((row * self._grid.contexts + context) * self._grid.subsets + self._start)

    def _parts(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rest, subset = np.divmod(place, self._grid.subsets)
        row, context = np.divmod(rest, self._grid.contexts)
        return row, context, subset

    def state(self, place: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """As the grid numbers it."""
        row, context, subset = self._parts(place)
        return self._grid.state(subset, self._bins[row, subset], context)

    def step(
        self,
        place: Int[np.ndarray, " n"],
        action: Int[np.ndarray, " n"],
        generator: np.random.Generator,
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Nothing is left to chance: the log knows what the expert said."""
        row, _, subset = self._parts(place)
        stops = action == self._grid.experts
        asked = np.where(stops, 0, action)
        reward = np.where(stops, -self._loss[row, subset], -self._price[asked] * self._weight[row])
        return reward, np.where(stops, ENDED, place + (1 << asked))


class MdpWorld:
    """A known process, sampled: walks begin anywhere."""

    def __init__(self, mdp: Mdp) -> None:
        self.legal = mdp.legal
        self.discount = mdp.discount
        self._mdp = mdp
        key = mdp.state * mdp.legal.shape[1] + mdp.action
        self._order = np.argsort(key, kind="stable")
        # Transitions of pair k take up the interval (k, k + 1] of this running sum.
        self._reached = key[self._order] + _within(key[self._order], mdp.probability[self._order])

    def begin(self, count: int, generator: np.random.Generator) -> Int[np.ndarray, " n"]:
        """States drawn evenly."""
        return generator.integers(len(self.legal), size=count)

    def state(self, place: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """A place is a state."""
        return place

    def step(
        self,
        place: Int[np.ndarray, " n"],
        action: Int[np.ndarray, " n"],
        generator: np.random.Generator,
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """A transition by its probability."""
        key = place * self.legal.shape[1] + action
        # Just below 1: sums of probabilities may end there.
        at = np.searchsorted(self._reached, key + generator.random(len(key)) * (1 - 1e-9))
        chosen = self._order[at]
        return self._mdp.reward[chosen], self._mdp.after[chosen]


def _within(key: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Running sum of probabilities, begun anew at each key."""
    total = np.cumsum(probability)
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    before = np.repeat(total[starts] - probability[starts], np.diff(np.append(starts, len(key))))
    value: np.ndarray = total - before
    return value


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        walks: in all, over all batches.
        batch: walkers that move at once.
        decay: of the rate, in (1/2, 1].
        horizon: steps after which a walk is given up.
        seed: walks of batch i come from (seed, i) alone, so that a resumed run is the same run.
    """

    walks: int = 1_000_000
    batch: int = 4096
    decay: float = 0.8
    horizon: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.walks, self.batch, self.horizon) < 1 or not 0.5 < self.decay <= 1:
            raise PolicyError(f"an impossible schedule: {self}")

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return -(-self.walks // self.batch)


@dataclass(eq=False)
class Tables:
    """What is learned, in the making: one table for Watkins, two for van Hasselt.

    Attributes:
        q: one or two tables.
        visits: updates of each entry, in each table.
        done: batches that it has seen.
    """

    q: Float[np.ndarray, "t s a"]
    visits: Float[np.ndarray, "t s a"]
    done: int = field(default=0)

    @classmethod
    def empty(cls, method: Method, legal: Bool[np.ndarray, "s a"]) -> Tables:
        """Nothing learned: worth 0 everywhere."""
        shape = (METHODS.index(method) + 1, *legal.shape)
        return cls(np.zeros(shape), np.zeros(shape))

    def answer(self, legal: Bool[np.ndarray, "s a"]) -> Float[np.ndarray, "s a"]:
        """Q, the mean over tables weighted by their visits; -inf where never visited or illegal."""
        total = self.visits.sum(0)
        mean = (self.q * self.visits).sum(0) / np.maximum(total, 1)
        return np.where(legal & (total > 0), mean, -np.inf)

    def save(self, path: Path, about: str) -> None:
        """Write as .npz, in one move; ``about`` says what run it belongs to."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, q=self.q, visits=self.visits, done=self.done, about=np.str_(about))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path, about: str) -> Tables | None:
        """Read back what ``save`` wrote; None where there is nothing of this run."""
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["about"]) != about:
                    return None
                return cls(file["q"], file["visits"], int(file["done"]))
        except (OSError, ValueError, KeyError, EOFError):
            return None


def learn(
    world: World,
    method: Method,
    schedule: Schedule,
    tables: Tables | None = None,
    after_batch: Callable[[Tables], object] = lambda tables: None,
) -> Tables:
    """Walk until the schedule ends.

    Args:
        tables: to go on with; changed in place.
        after_batch: called with the tables: progress, a checkpoint.
    """
    learned = Tables.empty(method, world.legal) if tables is None else tables
    for number in range(learned.done, schedule.batches):
        generator = np.random.default_rng([schedule.seed, number])
        count = min(schedule.batch, schedule.walks - number * schedule.batch)
        place = world.begin(count, generator)
        for _ in range(schedule.horizon):
            state = world.state(place)
            action = _any_legal(world.legal[state], generator)
            reward, place = world.step(place, action, generator)
            _update(learned, world, schedule.decay, state, action, reward, place, generator)
            place = place[place != ENDED]
            if not len(place):
                break
        learned.done = number + 1
        after_batch(learned)
    return learned


def _any_legal(
    legal: Bool[np.ndarray, "n a"], generator: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """One legal action for each row, evenly."""
    drawn: np.ndarray = np.where(legal, generator.random(legal.shape), -1).argmax(1)
    return drawn


def _update(
    learned: Tables,
    world: World,
    decay: float,
    state: np.ndarray,
    action: np.ndarray,
    reward: np.ndarray,
    place: np.ndarray,
    generator: np.random.Generator,
) -> None:
    """One step of all walkers."""
    tables, _, actions = learned.q.shape
    moving = place != ENDED
    following = world.state(place[moving])
    which = generator.integers(tables, size=len(state))
    legal = world.legal[following]
    at = np.arange(len(following))
    best = np.where(legal, learned.q[which[moving], following], -np.inf).argmax(1)
    # With one table the other is the same: Watkins.
    ahead = learned.q[tables - 1 - which[moving], following, best]
    target = reward.astype(np.float64)
    target[moving] += world.discount * np.where(legal[at, best], ahead, 0.0)
    key = (which * learned.q.shape[1] + state) * actions + action
    entries, back, times = np.unique(key, return_inverse=True, return_counts=True)
    mean = np.bincount(back, target) / times
    q, visits = learned.q.reshape(-1), learned.visits.reshape(-1)
    kept = (1 - (visits[entries] + 1) ** -decay) ** times
    q[entries] = kept * q[entries] + (1 - kept) * mean
    visits[entries] += times
