"""Logs whose right policy is known, since the experts are.

An expert of strength d says z ~ N(+d^2/2, d^2) of a placeholder and N(-d^2/2, d^2) of a real
picture: its log-likelihood ratio is z itself, so z is calibrated at even odds, and the sum over
independent experts (``mdp.Independent``) is the exact posterior.
"""

from __future__ import annotations

import numpy as np

from model.policy.log import Log

STRENGTHS = (2.0, 1.0, 2.5, 4.0)
COSTS = (0.2, 0.05, 4.0, 20.0)


def visual_record(context: np.ndarray) -> np.ndarray:
    """The visual expert's record, from the contexts of ``gaussian_log``."""
    return context[:, 0]


def gaussian_log(
    seed: int,
    *,
    rows: int = 20_000,
    episodes: int = 200,
    strengths: tuple[float, ...] = STRENGTHS,
    abstains: float = 0.3,
    share: float = 0.5,
) -> Log:
    """Episodes of all shots; the last expert is half as strong in turning ones, and says so.

    Args:
        abstains: chance that the third expert has nothing to say.
        share: of placeholders.
    """
    rng = np.random.default_rng(seed)
    episode = rng.integers(0, episodes, rows)
    label = rng.random(rows) < share
    turning = (np.arange(episodes) % 2 == 1)[episode]
    strength = np.tile(strengths, (rows, 1))
    strength[turning, -1] /= 2
    sign = np.where(label, 1, -1)[:, None]
    logits = sign * strength**2 / 2 + strength * rng.standard_normal(strength.shape)
    answered = np.ones(logits.shape, bool)
    if len(strengths) > 2:
        answered[:, 2] = rng.random(rows) >= abstains
    shots = rng.choice([0, 1, 5, 10], (episodes, 2))
    record = np.where(turning, 0.1, -0.1)
    return Log(
        logits=np.where(answered, logits, 0).astype(np.float32),
        answered=answered,
        context=record[:, None].astype(np.float32),
        label=label,
        episode=episode,
        sort=np.where(turning, "turning", "ordinary"),
        shots=shots[episode],
        kind=np.full(rows, ""),
        context_names=("visual record",),
    )


def binary_log(seed: int, *, rows: int, accuracies: tuple[float, ...]) -> Log:
    """Experts that say one of two things, right with a known chance; one context."""
    rng = np.random.default_rng(seed)
    label = rng.random(rows) < 0.5
    right = rng.random((rows, len(accuracies))) < np.array(accuracies)
    says = np.where(right, label[:, None], ~label[:, None])
    odds = np.log(np.array(accuracies) / (1 - np.array(accuracies)))
    return Log(
        logits=np.where(says, odds, -odds).astype(np.float32),
        answered=np.ones(says.shape, bool),
        context=np.zeros((rows, 0), np.float32),
        label=label,
        episode=np.arange(rows) % 100,
        sort=np.full(rows, "ordinary"),
        shots=np.zeros((rows, 2), np.int64),
        kind=np.full(rows, ""),
        context_names=(),
    )
