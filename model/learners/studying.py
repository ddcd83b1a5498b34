"""A support set studied in NumPy: what a service does at each upload and each word of a teacher.

The arithmetic is that of ``prior_mixture``, ``blended_prior`` and ``dual_logistic``, where it is
explained, without gradients and in double precision. Of a few examples a step takes microseconds,
and torch took longer to get ready for each of some 1,700 than all of them take here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from model.calibration import sigmoid
from model.learners.base import MIN_PROBABILITY
from model.learners.dual_logistic import BIAS, SIZES, STEPS, TOLERANCE
from model.learners.prior_mixture import MIN_NOISE

if TYPE_CHECKING:
    from model.learners.blended_prior import BlendedPrior

Array: TypeAlias = NDArray[np.float64]


class Found(NamedTuple):
    """What was learned from n examples.

    Attributes:
        head: shape (d + 1,), float32.
        left_out: shape (n,), float32: probability of each under the head of all the others.
    """

    head: NDArray[np.float32]
    left_out: NDArray[np.float32]


def study(
    supports: Sequence[tuple[BlendedPrior, Float[np.ndarray, "n d"]]],
    is_placeholder: Bool[np.ndarray, " n"],
) -> list[Found]:
    """Of n >= 2 examples, as several learners see them, what each makes of them.

    Args:
        supports: learners on a CPU, and the examples' embeddings.
    """
    given = [(learner, x.astype(np.float64)) for learner, x in supports]
    kernels = [learner.inverse_penalty * (x @ x.T + BIAS) for learner, x in given]
    duals, logits = regressions(np.stack(kernels), is_placeholder)
    return [
        _studied(learner, x, is_placeholder, dual, logit)
        for (learner, x), dual, logit in zip(given, duals, logits, strict=True)
    ]


def _studied(
    learner: BlendedPrior,
    embeddings: Array,
    is_placeholder: Bool[np.ndarray, " n"],
    dual: Array,
    logit: Array,
) -> Found:
    n = len(embeddings)
    x = np.concatenate([embeddings, np.ones((n, 1))], axis=1)
    y = np.where(is_placeholder, 1.0, -1.0)
    mean, log_scale, log_width = (
        _array(each) for each in (learner.mean, learner.log_scale, learner.log_width)
    )
    # A (M, n, n): of each component the Gram matrix and noise; its inverse gives all the rest.
    scaled = x * np.exp(log_scale)
    noise = np.exp(_array(learner.log_noise)) + MIN_NOISE
    a = np.exp(2 * log_width)[:, None, None] * (scaled @ scaled.T)
    a += noise[:, None, None] * np.eye(n)
    residual = y - mean @ x.T
    inverse = np.linalg.inv(a)
    solved = (inverse @ residual[:, :, None])[:, :, 0]
    log_det = np.linalg.slogdet(a)[1]
    evidence = -0.5 * ((residual * solved).sum(1) + log_det + n * math.log(2 * math.pi))
    # Each example from all the others, and last, all of them.
    variance = 1 / np.diagonal(inverse, axis1=1, axis2=2)
    error = solved * variance
    own = -0.5 * (error * error / variance + np.log(variance) + math.log(2 * math.pi))
    weight, mass = _responsibility(
        learner, np.concatenate([(evidence[:, None] - own).T, evidence[None]])
    )
    placeholders = np.append(is_placeholder.sum() - is_placeholder, is_placeholder.sum())
    known = _known(placeholders, np.append(np.full(n, n - 1), n) - placeholders, weight, mass)
    raw_gain, shift = _net(learner.calibrate, known).T
    gain = 4 * np.logaddexp(0, raw_gain + math.log(math.e - 1))
    share, trusted = _trust(learner, known)

    variances = np.exp(2 * log_width[:, None] + 2 * log_scale)
    mixture = gain[n] * (weight[n] @ (mean + variances * (solved @ x)))
    mixture[-1] += shift[n]
    dual = learner.inverse_penalty * dual
    logistic = np.append(dual @ embeddings, BIAS * dual.sum())
    head = (1 - share[n]) * mixture + share[n] * trusted[n] * logistic
    mixed = gain[:n] * (weight[:n] * (y - error).T).sum(1) + shift[:n]
    left_out = sigmoid((1 - share[:n]) * mixed + share[:n] * trusted[:n] * logit)
    left_out = left_out.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return Found(head.astype(np.float32), left_out.astype(np.float32))


def _array(parameter: Tensor) -> Array:
    return parameter.detach().numpy().astype(np.float64)


def _net(layers: nn.Sequential, rows: Array) -> Array:
    """Two linear layers with a hyperbolic tangent between them."""
    first, _, last = cast(tuple[nn.Linear, nn.Tanh, nn.Linear], tuple(layers))
    hidden = np.tanh(rows @ _array(first.weight).T + _array(first.bias))
    found: Array = hidden @ _array(last.weight).T + _array(last.bias)
    return found


def _responsibility(learner: BlendedPrior, evidence: Array) -> tuple[Array, Array]:
    """p(k | D) (r, M) and log p(D) (r,) of r support sets."""
    prior = _array(learner.log_prior)
    joint = prior - np.logaddexp.reduce(prior) + np.exp(_array(learner.log_temper)) * evidence
    mass = np.logaddexp.reduce(joint, axis=1)
    return np.exp(joint - mass[:, None]), mass


def _known(
    placeholders: NDArray[np.int64], real: NDArray[np.int64], weight: Array, mass: Array
) -> Array:
    """What is known about each support set, (r, 6); see ``PriorMixture``."""
    first, second = np.log1p(placeholders), np.log1p(real)
    entropy = -(weight * np.log(weight.clip(1e-9))).sum(1)
    surprise = -mass / (placeholders + real).clip(1)
    one_sided = (placeholders > 0) != (real > 0)
    return np.stack([first, second, entropy, surprise, one_sided, first - second], axis=1)


def _trust(learner: BlendedPrior, known: Array) -> tuple[Array, Array]:
    """How far the regressions are trusted, and their gain; shape (r,) each."""
    raw_share, raw_gain = _net(learner.trust, known).T
    rarer = np.minimum(known[:, 0], known[:, 1])
    share = sigmoid(raw_share + learner.doubt * rarer) * (rarer > 0)
    return share, np.exp(2 * raw_gain / (1 + np.abs(raw_gain)))


def regressions(
    kernels: Float[np.ndarray, "k n n"], is_placeholder: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "k n"], Float[np.ndarray, "k n"]]:
    """Of each kernel the dual coefficients (k, n) of logistic regression on all examples, and the
    logit (k, n) of each example under the regression on all the others."""
    k, n, _ = kernels.shape
    target = is_placeholder.astype(np.float64)
    # The last row of each leaves none out.
    here = np.tile(1 - np.eye(n + 1, n), (k, 1))
    every = np.repeat(kernels, n + 1, axis=0) * here[:, :, None] * here[:, None, :]
    duals = dual_logistic(every, target, here).reshape(k, n + 1, n)
    return duals[:, n], (kernels * duals[:, :n]).sum(2)


def dual_logistic(kernel: Array, target: Array, here: Array) -> Array:
    """Dual coefficients (b, n) of b regressions; see ``model.learners.dual_logistic``.

    Args:
        kernel: shape (b, n, n), 0 where an example is not ``here``.
        target: shape (n,), 1 or 0.
        here: shape (b, n), 1 or 0.
    """
    b, n = here.shape
    found = np.zeros((b, n))
    f = np.zeros((b, n))
    value = here.sum(1) * math.log(2)
    sizes = np.tile(np.array([0.0, *SIZES, 0.0])[:, None, None], (1, b, 1))
    rows = np.arange(b)
    signs = 1 - 2 * target  # log(1 + exp(s f)) is an example's loss
    for _ in range(STEPS):
        direction = _newton(kernel, f, target, here) - found
        moved = (kernel @ direction[:, :, None])[:, :, 0]
        change = np.abs(moved).max(axis=1, initial=1e-12)
        sizes[-1, :, 0] = np.log1p(change) / change
        tried, margins = found + sizes * direction, f + sizes * moved
        losses = (np.logaddexp(0, signs * margins) * here).sum(2) + 0.5 * (tried * margins).sum(2)
        best = losses.argmin(0)
        least = losses[best, rows]
        gained, value = value - least, least
        found, f = tried[best, rows], margins[best, rows]
        if not (gained > TOLERANCE).any():
            break
    return _newton(kernel, (kernel @ found[:, :, None])[:, :, 0], target, here)


def _newton(kernel: Array, f: Array, target: Array, here: Array) -> Array:
    """Where Newton's method goes from f = K a."""
    p = sigmoid(f)
    root = np.sqrt(p * (1 - p)) * here
    c = (root * root * f + target - p) * here
    inner = root[:, :, None] * kernel * root[:, None, :]
    n = inner.shape[1]
    inner[:, range(n), range(n)] += 1
    pulled = root * (kernel @ c[:, :, None])[:, :, 0]
    found: Array = c - root * np.linalg.solve(inner, pulled[:, :, None])[:, :, 0]
    return found
