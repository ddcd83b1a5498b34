"""Transduction: what the pictures that wait together say about each other, label or none.

A function, not a learner: learners answer each picture alone (inductively), so that an answer does
not depend on its neighbours in a batch. Where a whole batch of one category waits, and such a
dependence is acceptable, ``refine`` moves a linear head once more by soft-label expectation
maximisation, from the head as its prior:

    p_i   = sigmoid(w' . x_i + b')                                    soft labels of the batch
    mu_c  = (sum of the label's support + sum_i p_ic x_i + m x_mean) / (its weight + m)
    w'    = w + k (mu_1 - mu_0),  k = weight * q / (q + m)
    b'    = b - k/2 (|mu_1|^2 - |mu_0|^2) + base_rate * log((sum p_i + m/2) / (sum 1-p_i + m/2))

The prototypes are those of soft k-means (Mengye Ren, Eleni Triantafillou, Sachin Ravi, Jake Snell,
Kevin Swersky, Joshua Tenenbaum, Hugo Larochelle and Richard Zemel, "Meta-learning for
semi-supervised few-shot classification", ICLR 2018, https://arxiv.org/abs/1803.00676, equation 3),
and their log odds are added to the head's instead of taking its place. The last term is the share
of stand-ins that the batch seems to have (Marco Saerens, Patrice Latinne and Christine
Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", Neural
Computation 2002): without it the batch is taken to be balanced, the mistake of transductive
methods that maximise the entropy of the marginal (Malik Boudiaf, Imtiaz Ziko, Jerome Rony, Jose
Dolz, Pablo Piantanida and Ismail Ben Ayed, "Transductive information maximization for few-shot
learning", NeurIPS 2020, https://arxiv.org/abs/2008.11297; on unbalanced batches: Olivier Veilleux,
Malik Boudiaf, Pablo Piantanida and Ismail Ben Ayed, "Realistic evaluation of transductive few-shot
learning", NeurIPS 2021, https://arxiv.org/abs/2204.11181).

Risks, the first three measured in docs/transduction.md:

- a head that is wrong and sure is made surer: its soft labels are its own mistakes;
- a batch of one label only has nothing to tell apart: the prototypes part what belongs together,
  and the share of stand-ins has to hold against it;
- a tiny batch tells little: m pictures' worth of doubt stands against it, an empty one changes
  nothing at all;
- a picture that waits many times counts many times;
- the answer to one picture depends on the others, so that asking again may answer otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from model.errors import SupportError
from model.learners.base import check_support, to_probability


@dataclass(frozen=True)
class Transduction:
    """How far to trust the batch.

    The defaults are cautious: what ``scripts/transduction.py`` chooses on training pictures can be
    twice as bold, and then costs more than it gains (docs/transduction.md).

    Attributes:
        weight: of the prototypes' log odds, at least 0; dimensionless, as rows have unit length.
        doubt: m above, above 0: pictures' worth of doubt in prototypes and in the share.
        base_rate: share of the shift towards the label that seems frequent, 0 to 1.
        steps: of expectation maximisation, at least 1.
    """

    weight: float = 8.0
    doubt: float = 40.0
    base_rate: float = 0.0
    steps: int = 5

    def __post_init__(self) -> None:
        """Refuse what is no trust.

        Raises:
            SupportError: names the value that is out of range.
        """
        if not 0 <= self.weight < math.inf:
            raise SupportError(f"weight must be finite and at least 0, got {self.weight}")
        if not 0 < self.doubt < math.inf:
            raise SupportError(f"doubt must be finite and above 0, got {self.doubt}")
        if not 0 <= self.base_rate <= 1:
            raise SupportError(f"base_rate must lie between 0 and 1, got {self.base_rate}")
        if self.steps < 1:
            raise SupportError(f"refining takes at least 1 step, got {self.steps}")


_DEFAULT = Transduction()


def refine(
    state: Float[Tensor, " d_plus_1"],
    queries: Tensor,
    support: Tensor,
    is_placeholder: Tensor,
    trust: Transduction = _DEFAULT,
) -> Float[Tensor, " d_plus_1"]:
    """A linear head, moved by unlabelled pictures of the same category; differentiable.

    Args:
        state: (w, b) of a ``LinearLearner`` that was adapted to this support.
        queries: the pictures that wait, shape (q, d), rows of unit length; q may be 0, which
            changes nothing.
        support: shape (n, d), rows of unit length; n may be 0.
        is_placeholder: shape (n,), bool; either label may be missing.
    Returns:
        (w', b'), float32; the order of the queries and of the support is irrelevant.
    Raises:
        SupportError: the shapes do not belong together, or a value is not finite.
    """
    check_support(support, is_placeholder, len(state) - 1)
    check_batch(queries, len(state) - 1)
    q, doubt = len(queries), trust.doubt
    if q == 0:
        return state.float()
    # In double precision: sums over a large batch must not depend on its order.
    head, x, s = state.double(), queries.double(), support.double()
    y = is_placeholder.double()
    mean = (x.sum(0) + s.sum(0)) / (q + len(s))
    pull = trust.weight * q / (q + doubt)
    refined = head
    for _ in range(trust.steps):
        p = torch.sigmoid(x @ refined[:-1] + refined[-1])
        mu_1, mu_0 = (
            (own @ s + soft @ x + doubt * mean) / (own.sum() + soft.sum() + doubt)
            for own, soft in ((y, p), (1 - y, 1 - p))
        )
        share = torch.log((p.sum() + doubt / 2) / (q - p.sum() + doubt / 2))
        shift = trust.base_rate * share - pull / 2 * (mu_1 @ mu_1 - mu_0 @ mu_0)
        refined = head + torch.cat([pull * (mu_1 - mu_0), shift[None]])
    return refined.float()


def transduce(
    state: Float[Tensor, " d_plus_1"],
    queries: Tensor,
    support: Tensor,
    is_placeholder: Tensor,
    trust: Transduction = _DEFAULT,
) -> Float[Tensor, " q"]:
    """Probabilities of the queries under the head that they refined together; see ``refine``."""
    refined = refine(state, queries, support, is_placeholder, trust)
    return to_probability(queries.float() @ refined[:-1] + refined[-1])


def check_batch(queries: Tensor, dim: int) -> None:
    """Refuse a batch that cannot be one.

    Raises:
        SupportError: says what came and what is needed.
    """
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise SupportError(f"queries must have shape (q, {dim}), got {tuple(queries.shape)}")
    if not bool(torch.isfinite(queries).all()):
        raise SupportError("queries must be finite; one holds NaN or infinity")
