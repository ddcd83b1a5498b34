"""Asking experts one after another, as a Markov decision process.

A picture waits for an answer. Experts may be asked in any order, each at most once, and at any
time one may stop and give the combination's answer so far (for classifiers that pay for features:
Dulac-Arnold et al. 2011, arXiv:1101.3220; Janisch et al. 2017, arXiv:1711.07364).

**State**: which of the e experts were asked (2^e subsets), the bin of the combined logit so far,
and the bucket of the category's context, which is known beforehand:

    none            no example
    one label       examples of one label only
    few, unknown    both labels, fewer than 5 of the rarer, and no record of the visual expert
    few, steady     as before; on the examples left out one by one the visual expert did not do
                    much better than the unadapted model: the category is as others are
    few, turned     as before, but it did: the category is not as others are
    many, steady    both labels, 5 or more of each, likewise
    many, turned

What the combined logit does not hold of the answers so far (which expert said what) is left out,
so the process is Markov only as nearly as the combination is sufficient.

**Actions**: 0 to e - 1 ask that expert, where it was not asked; e stops.

**Costs**: milliseconds on one core for each expert, measured, whether or not it then abstains.

**Rewards**, in nats: asking expert j earns -price x cost_j (x weight, see ``Reward.frequency``).
Stopping at combined logit z earns minus a proper loss, the mean over the points of ``focus`` of

    L_t(z, y) = y log(1 + exp(t - z)) + (1 - y) e^t log(1 + exp(z - t)).

L_0 is log loss. L_t is log loss of a catalogue in which real pictures count e^t times, answered
with the logit that is right there, z - t: least, for every share of placeholders among pictures
of one z, where z is that share's log-odds, so it is proper too. It changes most around t, as a
miss costs 1 there and a false alarm e^t: that is the exchange rate of the threshold t. So with t at
the thresholds of 1 % and 0.1 % false alarms, the experts that still move pictures over those are
worth asking, and those that make a sure answer surer are not, which log loss alone has the other
way round. There is no discounting: every walk ends after at most e + 1 actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from model.calibration import sigmoid
from model.experts.glance import by_expert
from model.policy.errors import PolicyError
from model.policy.log import Log

CONTEXTS = (
    "none",
    "one label",
    "few, unknown",
    "few, steady",
    "few, turned",
    "many, steady",
    "many, turned",
)
NO_EXAMPLES = CONTEXTS.index("none")
_MANY = 5
# Nats by which the visual expert must do better than the unadapted model. Of tasks with five
# examples of each label and more, 99 % of those that turn around do, and 23 % of the others: those
# that are hard.
_TURNED = 0.3


Record = Callable[[np.ndarray], np.ndarray]


@runtime_checkable
class Combine(Protocol):
    """One log-odds from what the asked experts said; pure, and calibrated for every subset."""

    def __call__(self, logits: np.ndarray, answered: np.ndarray, context: np.ndarray) -> np.ndarray:
        """(n, e) float, (n, e) bool, (n, c) float to (n,) float."""


@dataclass(frozen=True)
class Independent:
    """The combination of experts that err independently (naive Bayes), each calibrated.

    z = prior + sum over answers of (z_e - prior), prior the log-odds of a placeholder beforehand.
    """

    prior: float = 0.0

    def __call__(self, logits: np.ndarray, answered: np.ndarray, context: np.ndarray) -> np.ndarray:
        """As ``Combine`` has it; the context is not looked at."""
        told = np.where(answered, logits.astype(np.float64) - self.prior, 0.0)
        value: np.ndarray = self.prior + told.sum(1)
        return value


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained top level, such as ``model.metalearner.combination.Combination``. A glance is
    part of what the visual expert says (``model.experts.glance.by_expert``).

    Attributes:
        module: (logits, answered, context), all of n rows, to logits (n,); on the CPU.
    """

    module: nn.Module

    @torch.no_grad()
    def __call__(self, logits: np.ndarray, answered: np.ndarray, context: np.ndarray) -> np.ndarray:
        """As ``Combine`` has it, in single precision, as it is served."""
        arrays = (*by_expert(logits.astype(np.float32), answered), context.astype(np.float32))
        combined: Tensor = self.module(*map(torch.from_numpy, arrays))
        return combined.double().numpy()


def context_bucket(
    shots: Int[np.ndarray, "n 2"], record: Float[np.ndarray, " n"]
) -> Shaped[np.ndarray, " n"]:
    """Number of the bucket in ``CONTEXTS``, int8.

    Args:
        shots: examples of each label.
        record: mean log loss of the visual expert on the category's examples, each left out,
            less that of the unadapted model; 0 where it is not known.
    """
    fewest, most = shots.min(1), shots.max(1)
    turned = record <= -_TURNED
    few = np.where(record == 0, 2, 3 + turned)
    both = np.where(fewest < _MANY, few, 5 + turned)
    return np.where(most == 0, 0, np.where(fewest == 0, 1, both)).astype(np.int8)


@dataclass(frozen=True)
class Reward:
    """What asking costs and what a wrong answer costs.

    Attributes:
        costs: milliseconds, one for each expert, above 0.
        price: lambda, nats for a millisecond, 0 or more.
        focus: log-odds t at which answers matter most; at least one.
        distilled: in [0, 1]: how much of the truth in the loss is the probability given by all
            experts together in the place of the label. It has the same mean where the
            combination is calibrated, and far less noise.
        frequency: share of placeholders in the catalogues to be served. Costs of the two labels
            are weighted to it, so that the log may hold more placeholders; None: as logged.
    Raises:
        PolicyError: a value is outside what is said here.
    """

    costs: tuple[float, ...]
    price: float
    focus: tuple[float, ...] = (0.0,)
    distilled: float = 0.0
    frequency: float | None = None

    def __post_init__(self) -> None:
        if not self.costs or not all(0 < cost < np.inf for cost in self.costs):
            raise PolicyError(f"costs must be above 0 ms, got {self.costs}")
        if not 0 <= self.price < np.inf:
            raise PolicyError(f"the price of a ms must be 0 or more, got {self.price}")
        if not self.focus or not np.isfinite(self.focus).all():
            raise PolicyError(f"focus needs at least one finite log-odds, got {self.focus}")
        if not 0 <= self.distilled <= 1:
            raise PolicyError(f"distilled lies in [0, 1], got {self.distilled}")
        if self.frequency is not None and not 0 < self.frequency < 1:
            raise PolicyError(f"a frequency lies strictly in (0, 1), got {self.frequency}")

    def loss(
        self, logits: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Mean of L_t over the focus, in nats.

        Args:
            logits: z, of the answers.
            truth: y, 0 to 1.
        """
        parts = [
            truth * np.logaddexp(0, t - logits)
            + (1 - truth) * np.exp(t) * np.logaddexp(0, logits - t)
            for t in self.focus
        ]
        value: np.ndarray = np.mean(parts, axis=0)
        return value

    def weights(self, label: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """What each row's costs count, mean 1."""
        share = float(label.mean())
        if self.frequency is None or share in (0.0, 1.0):
            return np.ones(len(label))
        rare, usual = self.frequency / share, (1 - self.frequency) / (1 - share)
        return np.where(label, rare, usual)


@dataclass(frozen=True, eq=False)
class Grid:
    """States as numbers: (subset x bins + bin) x contexts + context.

    Attributes:
        edges: between bins of the logit, ascending; a bin holds lower edge <= z < upper edge.
        experts: e.
        contexts: buckets of context.
    """

    edges: Float[np.ndarray, " b1"]
    experts: int
    contexts: int = len(CONTEXTS)

    def __post_init__(self) -> None:
        if self.edges.ndim != 1 or not (np.diff(self.edges) > 0).all():
            raise PolicyError("edges of the bins must be one ascending row")
        if not 1 <= self.experts <= 7 or self.contexts < 1:
            raise PolicyError(
                f"1 to 7 experts and a context are needed, got {self.experts}, {self.contexts}"
            )

    @property
    def bins(self) -> int:
        """b, one more than edges."""
        return len(self.edges) + 1

    @property
    def subsets(self) -> int:
        """2^e; bit j of a subset's number says that expert j was asked."""
        return 1 << self.experts

    @property
    def states(self) -> int:
        """s, how many states there are."""
        return self.subsets * self.bins * self.contexts

    def bin(self, logits: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Number of the bin."""
        return np.searchsorted(self.edges, logits, side="right")

    def state(self, subset: np.ndarray, bins: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Number of the state; the three are broadcast."""
        return np.asarray((subset * self.bins + bins) * self.contexts + context)

    def legal(self) -> Bool[np.ndarray, "s a"]:
        """Which actions a state allows: what was not asked, and to stop."""
        subset = np.arange(self.subsets)[:, None]
        ask = (subset >> np.arange(self.experts)) & 1 == 0
        each = np.concatenate([ask, np.ones((self.subsets, 1), bool)], axis=1)
        return np.repeat(each, self.bins * self.contexts, axis=0)


def subset_of(asked: Bool[np.ndarray, "n e"]) -> Int[np.ndarray, " n"]:
    """Numbers of the subsets, bit j for expert j."""
    value: np.ndarray = asked.astype(np.int64) @ (1 << np.arange(asked.shape[1]))
    return value


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A log, with the combination's answer to every subset of the experts.

    Attributes:
        log: the rows.
        context: bucket of each row, int8.
        logits: z after each subset, float64.
    """

    log: Log
    context: Shaped[np.ndarray, " n"]
    logits: Float[np.ndarray, "n subsets"]
    everything: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "everything", self.logits.shape[1] - 1)

    def truth(self, distilled: float) -> Float[np.ndarray, " n"]:
        """Labels as 0 and 1, mixed with the probability that all experts give."""
        label = self.log.label.astype(np.float64)
        return (1 - distilled) * label + distilled * sigmoid(self.logits[:, self.everything])

    def rows(self, chosen: Shaped[np.ndarray, " m"]) -> Unfolded:
        """Some rows, by mask or by position."""
        return Unfolded(self.log.rows(chosen), self.context[chosen], self.logits[chosen])


def unfold(log: Log, combine: Combine, record: Record | None) -> Unfolded:
    """Ask the combination about every subset of the experts, for every row.

    Args:
        record: from contexts (n, c) the visual expert's record (n,), see ``context_bucket``;
            None where there is none.
    Raises:
        PolicyError: an answer is not finite.
    """
    found = []
    for subset in range(1 << log.experts):
        asked = (subset >> np.arange(log.experts)) & 1 == 1
        answered = log.answered & asked
        found.append(combine(log.logits * answered, answered, log.context))
    logits = np.stack(found, axis=1).astype(np.float64)
    if not np.isfinite(logits).all():
        raise PolicyError("the combination gave an answer that is not finite")
    known = np.zeros(len(log)) if record is None else record(log.context)
    return Unfolded(log, context_bucket(log.shots, known), logits)


def bin_edges(unfolded: Unfolded, bins: int) -> Float[np.ndarray, " b1"]:
    """Edges between bins of about equal mass, both labels counting the same.

    Over all subsets but the empty one. Fewer bins come back where many logits are equal.

    Raises:
        PolicyError: fewer than one bin.
    """
    if bins < 1:
        raise PolicyError(f"at least one bin is needed, got {bins}")
    label = unfolded.log.label
    values = unfolded.logits[:, 1:]
    each = np.where(label, 0.5 / max(1, label.sum()), 0.5 / max(1, (~label).sum()))
    weight = np.repeat(each, values.shape[1])
    order = np.argsort(values, axis=None)
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, reached[-1] * np.arange(1, bins) / bins)
    return np.unique(values.ravel()[order][at])
