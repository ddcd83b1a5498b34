"""Whether a category has seen this very picture before, and how many items carry it.

A picture that is nearly identical to a known stand-in is one, and one nearly identical to a known
real picture is not, whatever it looks like; of all other pictures this expert says nothing. Near is
told by the perceptual hash, which is there before anything was encoded, and where both pictures
have been encoded by their embeddings, too.

Four hinges measure nearness, each 0 where nothing is near and 1 where the same picture is there:
for the nearest placeholder and the nearest real example, 1 - bits / 16, and (cosine - c) / (1 - c).
The answer is their weighted sum, without a constant: where both labels are equally near, it is
even. The weights are logistic regression on copies that shops' software makes of training pictures
(scripts/measure_experts.py fits them); recurrence adds its own likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import SupportError
from model.experts.hashing import distance
from model.experts.recurrence import recurrence
from model.experts.signals import Signals

BITS = 16
"""Hash distance from which two pictures have nothing to do with each other."""
COSINE = 0.75
"""Likewise, cosine of two embeddings up to which."""
_NEAR_BITS, _NEAR_COSINE = 10, 0.85  # it answers within one of these

_BLOCK = 2**20  # pairs at once: 8 MB of hashes
_FEW = 256  # examples of a category that is compared together with others
CATALOGUE = 10_000
"""Items of a catalogue whose size is not known; see ``model.experts.recurrence``."""

# Weights of nearness to a placeholder and to a real example: by hash alone; by hash and by cosine.
HASH_ALONE = (6.54, 6.18)
HASH_BESIDE, COSINE_BESIDE = (2.89, 2.23), (5.73, 5.29)


@dataclass(frozen=True, eq=False)
class Said:
    """What sameness says of q pictures.

    Attributes:
        logit: shape (q,), float32: natural log odds of "placeholder", 0 where it abstains.
        answered: shape (q,), bool.
    """

    logit: NDArray[np.float32]
    answered: NDArray[np.bool_]


@dataclass(frozen=True)
class Sameness:
    """The expert; it is not adapted, since it reads the examples themselves.

    Attributes:
        hash_alone, hash_beside, cosine_beside: weights of nearness, to a placeholder and to a real
            example, each 0 or above.
    """

    hash_alone: tuple[float, float] = HASH_ALONE
    hash_beside: tuple[float, float] = HASH_BESIDE
    cosine_beside: tuple[float, float] = COSINE_BESIDE

    def answer(
        self,
        queries: Signals,
        examples: Signals,
        is_placeholder: NDArray[np.bool_],
        shared: NDArray[np.integer] | None = None,
        *,
        catalogue: int | None = None,
        itself: NDArray[np.integer] | None = None,
        by_hash: bool = False,
    ) -> Said:
        """Log odds that each picture is a placeholder in one category.

        Args:
            queries: of q pictures.
            examples: of m: those of the category, and with them what else of the tenant's
                stand-ins is known; m may be 0.
            is_placeholder: shape (m,): their labels.
            shared: shape (q,): how many items carry the picture, itself counted, 1 or above; None
                where nobody counted.
            catalogue: of how many items they were counted; None where it is not known.
            itself: shape (q,): the row of ``examples`` that a query is, which is then not looked
                at, or -1: for leaving one out.
            by_hash: compare hashes alone, whatever the encoder has seen.

        Raises:
            SupportError: shapes do not belong together, or a count is out of its range.
        """
        # Most pictures of most catalogues: nobody else carries them, and no example is known.
        unshared = shared is None or (len(shared) == len(queries) and bool((shared == 1).all()))
        if unshared and not len(examples):
            return Said(np.zeros(len(queries), np.float32), np.zeros(len(queries), np.bool_))
        near = nearness(queries, examples, is_placeholder, itself, by_hash=by_hash)
        signs = np.array([1.0, -1.0])
        alone = near.hash @ (signs * self.hash_alone)
        beside = near.hash @ (signs * self.hash_beside) + near.cosine @ (signs * self.cosine_beside)
        logit = np.where(near.compared, beside, alone) * near.answered
        answered = near.answered
        if shared is not None:
            if shared.shape != (len(queries),):
                raise SupportError(
                    f"a count for each of {len(queries)} pictures is needed, got {shared.shape}"
                )
            if unshared:
                return Said(logit.astype(np.float32), answered)
            most = max(int(shared.max(initial=1)), catalogue or CATALOGUE)
            ratio, _ = recurrence(shared, most if catalogue is None else catalogue)
            logit, answered = logit + ratio, answered | (ratio > 0)
        return Said(logit.astype(np.float32), answered)

    def answer_each(
        self,
        queries: Signals,
        categories: Sequence[tuple[Signals, NDArray[np.bool_]]],
        of: NDArray[np.integer],
        shared: NDArray[np.integer],
    ) -> Said:
        """What :meth:`answer` says by hash of each picture in its own category: of small ones at
        once, as a step takes as long for one as for twenty.

        Args:
            categories: examples and their labels.
            of: shape (q,): each query's position among them.
            shared: shape (q,): as there.
        """
        logit, answered = np.zeros(len(queries), np.float32), np.zeros(len(queries), np.bool_)
        asked = sorted(set(of.tolist()))
        unshared = bool((shared == 1).all())
        few = [i for i in asked if unshared and len(categories[i][0]) <= _FEW]
        count = sum(len(categories[i][0]) for i in few)
        if count * len(queries) > _BLOCK:
            few = []
        elif count:
            mine = np.flatnonzero(np.isin(of, few))
            examples = [categories[i][0] for i in few]
            owner = np.repeat(few, [len(each) for each in examples])
            bits = _least_bits(
                queries.hashes[mine],
                np.concatenate([each.hashes for each in examples]),
                queries.looked[mine, None]
                & np.concatenate([each.looked for each in examples])
                & (of[mine, None] == owner),
                np.concatenate([categories[i][1] for i in few]),
            )
            answered[mine] = (bits <= _NEAR_BITS).any(axis=1)
            weights = np.array([1.0, -1.0]) * self.hash_alone
            logit[mine] = (1 - bits / BITS) @ weights * answered[mine]
        for number in set(asked) - set(few):
            mine = np.flatnonzero(of == number)
            known, labels = categories[number]
            said = self.answer(queries.take(mine), known, labels, shared[mine], by_hash=True)
            logit[mine], answered[mine] = said.logit, said.answered
        return Said(logit, answered)


@dataclass(frozen=True, eq=False)
class Nearness:
    """How near the nearest placeholder and the nearest real example are; columns in that order.

    Attributes:
        hash, cosine: shape (q, 2), 0 (nothing near) to 1 (the same picture).
        compared: shape (q,), bool: by cosine, too.
        answered: shape (q,), bool: near enough to say anything.
    """

    hash: NDArray[np.float64]
    cosine: NDArray[np.float64]
    compared: NDArray[np.bool_]
    answered: NDArray[np.bool_]


def nearness(
    queries: Signals,
    examples: Signals,
    is_placeholder: NDArray[np.bool_],
    itself: NDArray[np.integer] | None = None,
    *,
    by_hash: bool = False,
) -> Nearness:
    """Compare all queries with all examples, in blocks of a few megabytes.

    Raises:
        SupportError: there is not a label for each example, or not a row for each query.
    """
    q, m = len(queries), len(examples)
    if is_placeholder.shape != (m,):
        raise SupportError(f"a label for each of {m} examples is needed: {is_placeholder.shape}")
    if itself is not None and itself.shape != (q,):
        raise SupportError(f"a row for each of {q} queries is needed, got {itself.shape}")
    bits, cosine = np.full((q, 2), float(BITS)), np.full((q, 2), COSINE)
    sides = [np.flatnonzero(is_placeholder), np.flatnonzero(~is_placeholder)]
    # Only where all examples were: a nearest one of some would be another question.
    embedded = not by_hash and bool(examples.embedded.all() and queries.embedded.any())
    step = max(1, _BLOCK // max(1, m))
    for start in range(0, q if m else 0, step):
        rows = slice(start, start + step)
        compared = queries.looked[rows, None] & examples.looked[None]
        if itself is not None:
            here = np.flatnonzero(itself[rows] >= 0)
            compared[here, itself[rows][here]] = False
        bits[rows] = _least_bits(queries.hashes[rows], examples.hashes, compared, is_placeholder)
        if not embedded:
            continue
        close = queries.visual[rows] @ examples.visual.T
        if itself is not None:
            close[here, itself[rows][here]] = -1
        for side, columns in enumerate(sides):
            cosine[rows, side] = close[:, columns].max(axis=1, initial=COSINE)
    compared = queries.embedded & embedded
    cosine[~compared] = COSINE
    answered = np.asarray(((bits <= _NEAR_BITS) | (cosine >= _NEAR_COSINE)).any(axis=1))
    hinge = (np.minimum(cosine, 1) - COSINE) / (1 - COSINE)
    return Nearness(1 - bits / BITS, hinge, compared, answered)


def _least_bits(
    queries: NDArray[np.uint64],
    examples: NDArray[np.uint64],
    compared: NDArray[np.bool_],
    is_placeholder: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Distance (q, 2) of the nearest placeholder and of the nearest real example among those that
    are ``compared`` (q, m), at most :data:`BITS`."""
    apart = distance(queries[:, None], examples[None]).astype(np.float64)
    apart[~compared] = BITS
    sides = (is_placeholder, ~is_placeholder)
    return np.stack([apart[:, side].min(axis=1, initial=BITS) for side in sides], axis=1)
