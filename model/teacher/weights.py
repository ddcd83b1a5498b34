"""Which of several answers to trust in one category, learned from the teacher with a proven bound.

N candidates each give a probability p_i of "placeholder"; the answer is their mean under weights
w_i, which every correction y multiplies by what the candidate had given to it, and then shares out
a little, so that a candidate that was wrong for long can come back at once:

    p = sum_i w_i p_i                                        predict
    v_i = w_i P_i(y) / sum_j w_j P_j(y),  P_i(y) = p_i or 1 - p_i
    w_i <- (1 - a) v_i + a / N                               share, a small

The first line of the update is Vovk's aggregating algorithm for log loss, which is 1-mixable (eta =
1: exponential weights are Bayes' rule; Vovk 1998, "A game of prediction with expert advice"), the
second is fixed share (Herbster and Warmuth 1998, "Tracking the best expert"; in this form
Cesa-Bianchi and Lugosi 2006, "Prediction, learning, and games", sections 5.2 and 9.2). Both
together are Bayes' rule under a Markov chain of candidates that starts evenly, stays with
probability 1 - a + a / N and moves to each other candidate with a / N. So the cumulative log loss
is that of *any* sequence of candidates plus at most minus the logarithm of its prior probability,
whatever the labels are and whoever chooses them: :func:`regret_bound`, :func:`tracking_bound`.

A candidate may abstain. It is then taken to say what the others say together (specialists: Freund,
Schapire, Singer and Warmuth 1997), so the bounds hold over the corrections that it answered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from model.errors import SupportError
from model.learners.base import MIN_PROBABILITY

# One change in about fifty corrections, where nobody knows better: chosen in docs/teacher.md.
SHARE = 0.02
# A reward lies within -MOST_REWARD and MOST_REWARD, since no probability is more extreme.
MOST_REWARD = math.log((1 - MIN_PROBABILITY) / MIN_PROBABILITY)


@dataclass(frozen=True, eq=False)
class OnlineWeights:
    """How far each of N candidates is trusted in one category: frozen, and small enough to keep
    with every version of it.

    Attributes:
        log_weights: shape (N,), float64; their exponentials sum to 1.
        corrections: how many words of the teacher they have seen.
        share: a in [0, 1], shared out evenly after each correction; 0 never forgets.

    Raises:
        SupportError: no weights, weights that are no distribution, or a number out of its range.
    """

    log_weights: Float[np.ndarray, " n"]
    corrections: int = 0
    share: float = SHARE

    def __post_init__(self) -> None:
        weights = self.log_weights
        total = float(np.exp(weights).sum()) if weights.ndim == 1 and len(weights) else 0.0
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise SupportError(
                f"weights must be one distribution, got shape {weights.shape} with sum {total:g}"
            )
        if not 0 <= self.share <= 1:
            raise SupportError(f"a share lies between 0 and 1, got {self.share}")
        if self.corrections < 0:
            raise SupportError(f"corrections cannot be negative, got {self.corrections}")

    @classmethod
    def even(cls, candidates: int, share: float = SHARE) -> OnlineWeights:
        """Weights that have seen no correction.

        Raises:
            SupportError: fewer than one candidate, or a share outside [0, 1].
        """
        if candidates < 1:
            raise SupportError(f"at least one candidate is needed, got {candidates}")
        return cls(np.full(candidates, -math.log(candidates)), 0, share)

    @property
    def weights(self) -> Float[np.ndarray, " n"]:
        """w, shape (N,), summing to 1."""
        value: np.ndarray = np.exp(self.log_weights)
        return value

    def predict(
        self,
        probabilities: Float[np.ndarray, "*q n"],
        answered: Bool[np.ndarray, "*q n"] | None = None,
    ) -> Float[np.ndarray, "*q"]:
        """The weighted mean of what the candidates say, strictly inside (0, 1).

        Args:
            probabilities: shape (..., N), strictly inside (0, 1) where answered.
            answered: shape (..., N); False where a candidate abstains. None: all answered.
        Raises:
            SupportError: another number of candidates, a probability outside (0, 1), or a picture
                that nobody answered for.
        """
        given, weight = self._awake(probabilities, answered)
        mean = np.asarray((weight * given).sum(-1))
        return np.asarray(mean.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY))

    def reward(
        self,
        probabilities: Float[np.ndarray, " n"],
        label: bool,
        base: int,
        answered: Bool[np.ndarray, " n"] | None = None,
    ) -> float:
        """What the answer earned when the teacher spoke: its log score less the base's, in nats.

        ln P(label) - ln P_base(label), within -MOST_REWARD and MOST_REWARD. The log score is
        proper: who wants the most reward says what it believes. Above 0, learning has paid; and
        as the base is a candidate, the sum over any corrections of one category is at least
        ``-tracking_bound(corrections, 0, N, share)``.

        Args:
            probabilities: shape (N,), as they were when the picture was scored.
            base: which candidate is the unadapted model.
        Raises:
            SupportError: as :meth:`predict`, or no such candidate.
        """
        if not 0 <= base < len(self.log_weights):
            raise SupportError(f"no candidate {base} among {len(self.log_weights)}")
        said = float(self.predict(probabilities, answered))
        unadapted = float(probabilities[base])
        unadapted = min(max(unadapted, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
        return _log_score(said, label) - _log_score(unadapted, label)

    def updated(
        self,
        probabilities: Float[np.ndarray, " n"],
        label: bool,
        answered: Bool[np.ndarray, " n"] | None = None,
    ) -> OnlineWeights:
        """The weights after the teacher's word on one picture; these stay as they are.

        Args:
            probabilities: shape (N,), as they were when the picture was scored.
            label: True for a placeholder.
            answered: shape (N,); a candidate that abstained keeps its weight, but for the share.
        Raises:
            SupportError: as :meth:`predict`.
        """
        given, weight = self._awake(probabilities, answered)
        likelihood = given if label else 1 - given
        gained = np.log(likelihood)
        if answered is not None:
            # Abstaining is saying what the others say together, which leaves the weight as it is.
            gained = np.where(answered, gained, math.log(float((weight * likelihood).sum())))
        raised = self.log_weights + gained
        raised = raised - _log_sum(raised)
        if self.share:
            n = len(raised)
            kept = math.log1p(-self.share) if self.share < 1 else -math.inf
            raised = np.logaddexp(kept + raised, math.log(self.share / n))
        return OnlineWeights(raised - _log_sum(raised), self.corrections + 1, self.share)

    def to_array(self) -> Float[np.ndarray, " n_plus_2"]:
        """Shape (N + 2,), float64: share, corrections, log-weights. What a store keeps."""
        return np.concatenate([[self.share, float(self.corrections)], self.log_weights])

    @classmethod
    def from_array(cls, array: Float[np.ndarray, " n_plus_2"]) -> OnlineWeights:
        """Read back what :meth:`to_array` gave.

        Raises:
            SupportError: these are no such numbers.
        """
        if array.ndim != 1 or len(array) < 3 or not np.isfinite(array[:2]).all():
            raise SupportError(f"these are no online weights: shape {array.shape}")
        return cls(array[2:].astype(np.float64), int(array[1]), float(array[0]))

    def _awake(
        self, probabilities: np.ndarray, answered: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities, 0.5 where not answered, and the weights of those that answered."""
        n = len(self.log_weights)
        if probabilities.ndim < 1 or probabilities.shape[-1] != n:
            raise SupportError(f"{n} candidates' probabilities wanted, got {probabilities.shape}")
        given = probabilities.astype(np.float64)
        weight = np.broadcast_to(self.weights, given.shape)
        if answered is not None:
            if answered.shape != given.shape:
                raise SupportError(f"{given.shape} probabilities, {answered.shape} answered")
            given = np.where(answered, given, 0.5)
            if not answered.any(-1).all():
                raise SupportError("at least one candidate must answer")
            # Scaled by the largest first: the only one awake may weigh next to nothing.
            scaled = np.where(answered, self.log_weights, -np.inf)
            weight = np.exp(scaled - scaled.max(-1, keepdims=True))
            weight = weight / weight.sum(-1, keepdims=True)
        if not ((given > 0) & (given < 1)).all():
            raise SupportError("a probability must lie strictly between 0 and 1")
        return given.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY), weight


def allowing_for_slips(probabilities: np.ndarray, slips: float) -> np.ndarray:
    """What candidates give to the teacher's *word*, where they give p to the truth: any shape.

    A teacher who is wrong with probability e says "placeholder" with (1 - e) p + e (1 - p). Weights
    that learn from this do not punish a candidate for being sure against a slip, and the bounds
    hold for the log loss of the words. Used for updates alone; answers are about the truth.

    Raises:
        SupportError: slips are no share below 0.5.
    """
    if not 0 <= slips < 0.5:
        raise SupportError(f"slips are a share below 0.5, got {slips}")
    value: np.ndarray = slips + (1 - 2 * slips) * probabilities
    return value


def regret_bound(candidates: int) -> float:
    """ln N: with share 0, cumulative log loss is at most the best candidate's plus this, in nats.

    Raises:
        SupportError: fewer than one candidate.
    """
    return tracking_bound(1, 0, candidates, 0.0)


def tracking_bound(corrections: int, switches: int, candidates: int, share: float) -> float:
    """By how much the cumulative log loss can exceed that of the best sequence with k switches.

    ln N + k ln(N / a) + (T - 1 - k) ln(1 / (1 - a + a / N)), minus the logarithm of the prior
    probability of one such sequence. Infinite for k > 0 with share 0, which tracks nothing.

    Args:
        corrections: T, at least 1.
        switches: k, from 0 to T - 1; how often the best sequence changes its candidate.
        candidates: N, at least 1, or 2 where there are switches.
        share: a, in [0, 1].
    Returns:
        Nats.
    Raises:
        SupportError: a number is out of its range.
    """
    if candidates < 1 or not 0 <= share <= 1:
        raise SupportError(f"need N >= 1 and share in [0, 1], got {candidates} and {share}")
    if corrections < 1 or not 0 <= switches < corrections:
        raise SupportError(f"{switches} switches do not fit into {corrections} corrections")
    if switches and candidates == 1:
        raise SupportError("one candidate alone cannot be switched")
    if switches and not share:
        return math.inf
    stay = 1 - share + share / candidates
    moving = switches * math.log(candidates / share) if switches else 0.0
    return math.log(candidates) + moving - (corrections - 1 - switches) * math.log(stay)


def _log_score(probability: float, label: bool) -> float:
    return math.log(probability if label else 1 - probability)


def _log_sum(values: np.ndarray) -> float:
    most = float(values.max())
    return most + math.log(float(np.exp(values - most).sum()))
