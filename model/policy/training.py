"""Many policies from one log, and the choice among them.

Episodes are dealt into three parts. Tables are made on the first: exactly, for every loss and
price; then by both learners, for every price, with the focus that served best among the most
distilled losses. One of them is chosen by the second part: the cheapest there that loses no more
recall than is allowed, at any rate of false alarms, on the second part or the first. Both, since
among many candidates some fit either by chance. The third part only measures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

from model.metrics import threshold_at_false_alarms
from model.policy.errors import PolicyError
from model.policy.evaluate import RATES, Measured, measure, run
from model.policy.fixed import Cascade, Plan
from model.policy.mdp import Grid, Reward, Unfolded
from model.policy.policy import Chooser, Policy, greedy
from model.policy.q_learning import METHODS, LogWorld, Schedule, Tables, learn
from model.policy.value_iteration import empirical, value_iteration

EXACT = "value-iteration"
ALL_METHODS = (*METHODS, EXACT)
_CHECKPOINT = 25  # batches between checkpoints: seconds of work


@dataclass(frozen=True)
class Setting:
    """What a candidate was learned with."""

    method: str
    focus: str
    distilled: float
    price: float

    @property
    def name(self) -> str:
        """Readable, and the name of its file."""
        return f"{self.method},{self.focus},distilled={self.distilled:g},price={self.price:.6g}"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A policy, how it came about, and how it does.

    Attributes:
        measured: on the part that chooses.
        lost: largest loss of recall against asking everybody, at any of ``RATES``, on the part
            that chooses or on the one that was learned on.
        worse: likewise the larger rise of log loss, in nats.
    """

    name: str
    chooser: Chooser
    measured: Measured
    lost: float
    worse: float
    setting: Setting | None = None


@dataclass(frozen=True)
class Allowed:
    """What a policy may cost in answers, against asking everybody.

    Attributes:
        recall: at each of ``RATES``.
        log_loss: in nats. Recall at few false alarms looks at one end of the answers, and log loss
            at all of them.
    """

    recall: float
    log_loss: float = math.inf

    def __contains__(self, found: Candidate) -> bool:
        return found.lost <= self.recall + 1e-12 and found.worse <= self.log_loss + 1e-12


@dataclass(frozen=True)
class Sweep:
    """What is tried.

    Attributes:
        costs: milliseconds of each expert.
        given: experts that look at every picture before anything is chosen; their costs count.
        prices: lambdas, nats for a millisecond; see ``usual_prices``.
        distilled: shares of the all-experts answer in the truth.
        focuses: by name, log-odds or rates of false alarms: see ``focus_points``.
        blur: see ``value_iteration.empirical``.
        frequency: see ``Reward``.
        schedule: of the learners.
    """

    costs: tuple[float, ...]
    prices: tuple[float, ...]
    given: tuple[int, ...] = ()
    distilled: tuple[float, ...] = (0.0, 1.0)
    focuses: tuple[str, ...] = ("even", "1 %", "0.1 %", "1 % and 0.1 %", "all", "all, more even")
    blur: float = 0.05
    frequency: float | None = None
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def start(self) -> int:
        """Number of the subset that every walk begins with."""
        return sum(1 << expert for expert in self.given)

    def exact(self) -> list[Setting]:
        """Every loss at every price, solved exactly: fractions of a second each."""
        every = product(self.focuses, self.distilled, self.prices)
        return [Setting(EXACT, focus, distilled, price) for focus, distilled, price in every]

    def learned(self, like: Setting) -> list[Setting]:
        """The learners, at every price, with the loss of a setting."""
        every = product(METHODS, self.prices)
        return [Setting(m, like.focus, like.distilled, price) for m, price in every]

    def reward(self, setting: Setting, points: Mapping[str, tuple[float, ...]]) -> Reward:
        """Of one setting."""
        return Reward(
            self.costs, setting.price, points[setting.focus], setting.distilled, self.frequency
        )


def usual_prices(costs: Sequence[float], count: int = 16) -> tuple[float, ...]:
    """From 0.001 to 1 nat for asking everybody, evenly by factor."""
    return tuple((np.geomspace(1e-3, 1.0, count) / sum(costs)).tolist())


def focus_points(unfolded: Unfolded) -> dict[str, tuple[float, ...]]:
    """Log-odds by the name of a focus: where all experts together have these false alarms.

    A rate that the log has too few real pictures for gives the highest logit of a real one.

    Raises:
        MetricError: a label is missing.
    """
    answers, label = unfolded.logits[:, unfolded.everything], unfolded.log.label
    highest = float(answers[~label].max()) if not label.all() else 0.0
    at = [min(threshold_at_false_alarms(answers, label, rate), highest) for rate in RATES]
    return {
        "even": (0.0,),
        "1 %": (at[0],),
        "0.1 %": (at[1],),
        "1 % and 0.1 %": (at[0], at[1]),
        "all": (0.0, at[0], at[1]),
        # In nats the others are worth as much as many of this one.
        "all, more even": (0.0, 0.0, 0.0, 0.0, at[0], at[1]),
    }


def fingerprint(unfolded: Unfolded, grid: Grid, sweep: Sweep) -> str:
    """Changes with anything that a learned table depends on, prices and focus aside."""
    digest = hashlib.sha256()
    for array in (unfolded.logits, unfolded.context, unfolded.log.label, grid.edges):
        digest.update(np.ascontiguousarray(array).tobytes())
    rest = (grid.contexts, sweep.costs, sweep.start, sweep.blur, sweep.frequency, sweep.schedule)
    digest.update(repr(rest).encode())
    return digest.hexdigest()


def train(
    unfolded: Unfolded,
    grid: Grid,
    setting: Setting,
    reward: Reward,
    sweep: Sweep,
    work: Path | None = None,
    tell: Callable[[int], object] = lambda walks: None,
) -> np.ndarray:
    """Q of one setting, shape (s, a); -inf where an action is illegal or was never tried.

    Args:
        work: folder of checkpoints; a run that was stopped goes on from its own. None: none.
        tell: called with the number of walks made since the last call.
    Raises:
        PolicyError: the method is unknown, or the log does not fit.
    """
    if setting.method == EXACT:
        return value_iteration(empirical(unfolded, grid, reward, sweep.blur))
    for method in METHODS:
        if method == setting.method:
            break
    else:
        raise PolicyError(f"a method is one of {ALL_METHODS}, got {setting.method!r}")
    about = f"{fingerprint(unfolded, grid, sweep)} {reward}"
    digest = hashlib.sha256(setting.name.encode()).hexdigest()[:12]
    path = None if work is None else work / f"{method}-{digest}.npz"
    tables = None if path is None else Tables.load(path, about)
    batches, batch = sweep.schedule.batches, sweep.schedule.batch
    tell(0 if tables is None else min(tables.done * batch, sweep.schedule.walks))

    def after(learned: Tables) -> None:
        tell(min(batch, sweep.schedule.walks - (learned.done - 1) * batch))
        if path is not None and (learned.done % _CHECKPOINT == 0 or learned.done == batches):
            learned.save(path, about)

    world = LogWorld(unfolded, grid, reward, sweep.blur, sweep.start)
    return learn(world, method, sweep.schedule, tables, after).answer(world.legal)


class Judge:
    """Measures choosers on the part that chooses and on the one that was learned on."""

    def __init__(
        self, training: Unfolded, choosing: Unfolded, reward: Reward, start: int = 0
    ) -> None:
        everybody = Plan(tuple(range(training.log.experts)))
        self.training, self.choosing, self.reward = training, choosing, reward
        self._start = start
        self.whole = self._figures(everybody)

    def _figures(self, chooser: Chooser) -> tuple[Measured, Measured]:
        first, second = (
            measure(run(chooser, part, self.reward.costs, self._start), part, self.reward)
            for part in (self.choosing, self.training)
        )
        return first, second

    def candidate(self, name: str, chooser: Chooser, setting: Setting | None = None) -> Candidate:
        """The chooser with its figures."""
        figures = self._figures(chooser)
        lost = max(
            before - after
            for whole, own in zip(self.whole, figures, strict=True)
            for before, after in zip(whole.recall, own.recall, strict=True)
        )
        worse = max(
            own.log_loss - whole.log_loss for whole, own in zip(self.whole, figures, strict=True)
        )
        return Candidate(name, chooser, figures[0], lost, worse, setting)


def candidates(
    settings: Sequence[Setting],
    judge: Judge,
    grid: Grid,
    sweep: Sweep,
    work: Path | None = None,
    tell: Callable[[int], object] = lambda walks: None,
) -> list[Candidate]:
    """A policy for every setting, learned on the judge's training part."""
    points = focus_points(judge.training)
    found = []
    for setting in settings:
        reward = sweep.reward(setting, points)
        q = train(judge.training, grid, setting, reward, sweep, work, tell)
        found.append(judge.candidate(setting.name, greedy(q, grid, reward), setting))
    return found


def cascades(
    judge: Judge,
    orders: Sequence[tuple[int, ...]],
    low: Sequence[float] = (-np.inf, *map(float, range(-9, 0))),
    high: Sequence[float] = (*map(float, range(0, 13, 2)), np.inf),
) -> list[Candidate]:
    """Fixed cascades with every pair of thresholds."""
    found = []
    for order, below, above in product(orders, low, high):
        name = f"cascade {'>'.join(map(str, order))}, {below:g} to {above:g}"
        found.append(judge.candidate(name, Cascade(order, below, above)))
    return found


def cheapest(found: Sequence[Candidate], allowed: Allowed) -> Candidate:
    """The one of least cost that loses no more than is allowed; if there is none, of those that
    lose least recall, where log loss allows it."""
    within = [each for each in found if each in allowed]
    if within:
        return min(within, key=lambda each: each.measured.cost)
    close = [each for each in found if each.worse <= allowed.log_loss + 1e-12] or found
    return min(close, key=lambda each: each.lost)


def front(found: Sequence[Candidate], rate: int) -> list[Candidate]:
    """Those that no cheaper one reaches in recall at ``RATES[rate]``, cheapest first."""
    best, kept = -1.0, []
    for each in sorted(found, key=lambda c: (c.measured.cost, -c.measured.recall[rate])):
        if each.measured.recall[rate] > best:
            best = each.measured.recall[rate]
            kept.append(each)
    return kept


def agreement(policy: Policy, other: Policy, unfolded: Unfolded, start: int = 0) -> float:
    """Share of rows of a log for which two policies end up asking the same experts."""
    mine, theirs = (run(each, unfolded, policy.costs, start) for each in (policy, other))
    return float((mine.subset == theirs.subset).mean())
