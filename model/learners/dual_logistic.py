"""Logistic regression of many support sets at once, in the dual, differentiable at its optimum.

Minimises sum_i log(1 + exp(-y_i f_i)) + |w|^2 / (2 C), f = X w, over w in the span of the rows of
X, which only needs their products G = X X^T: Laplace's approximation for Gaussian processes without
the approximation (Rasmussen and Williams 2006, algorithm 3.1), with K = C G,

    W = p (1 - p),  B = I + W^1/2 K W^1/2,  c = W f + (t - p),
    a = c - W^1/2 B^-1 W^1/2 K c,           f = K a,            w = C X^T a.

B is well conditioned whatever K is, so the same picture twice, or a thousand times, is no trouble.
A bias is a constant feature of every example: its square is added to G.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

# Newton's method converges quadratically; hard cases (separable, weak penalty) need about ten.
STEPS = 16
SIZES = (1.0, 0.5, 0.25)
"""Of a step, of which the best is taken."""
TOLERANCE = 1e-9
"""Of the loss: where no regression gains more, it has converged."""
BIAS = 10.0
"""Square of the constant feature whose weight is the bias: large enough to be hardly penalised."""


def dual_logistic(
    kernel: Float[Tensor, "b n n"],
    target: Float[Tensor, "b n"],
    present: Bool[Tensor, "b n"],
) -> Float[Tensor, "b n"]:
    """Dual coefficients a of b regressions: f = K a. Zero where a row is padding.

    Gradients with respect to the kernel are those of the optimum (implicit function theorem): the
    iterations are not recorded, but for one last Newton step, whose derivative at the optimum is
    just that.

    Args:
        kernel: K = C G, symmetric, positive semidefinite; double precision is advised.
        target: 1 or 0.
        present: False where a row is padding.
    """
    if target.shape[-1] == 0:
        return target.to(kernel.dtype)
    here = present.to(kernel.dtype)
    kernel = kernel * here[:, None] * here[..., None]
    with torch.no_grad():
        found = torch.zeros_like(target, dtype=kernel.dtype)
        f = torch.zeros_like(found)
        value = _objective(found, f, target, here)
        sizes = torch.tensor([0.0, *SIZES, 0.0], dtype=kernel.dtype, device=kernel.device)
        sizes = sizes[:, None].repeat(1, len(found))
        rows = torch.arange(len(found), device=kernel.device)
        for _ in range(STEPS):
            direction = _newton(kernel, f, target, here) - found
            moved = (kernel @ direction[..., None])[..., 0]
            # A full step may overshoot where the examples are separable: the best of a few wins.
            # With s the largest change of a margin, a step of log(1 + s) / s always lowers the
            # loss (Sun and Tran-Dinh 2019, arXiv:1703.04599, on generalised self-concordance).
            change = moved.abs().amax(-1).clamp_min(1e-12)
            sizes[-1] = change.log1p() / change
            tried = found + sizes[..., None] * direction
            margins = f + sizes[..., None] * moved
            least, best = _objective(tried, margins, target, here).min(0)
            gained, value = value - least, least
            found, f = tried[best, rows], margins[best, rows]
            if not bool((gained > TOLERANCE).any()):
                break
    return _newton(kernel, (kernel @ found[..., None])[..., 0], target, here)


def _newton(kernel: Tensor, f: Tensor, target: Tensor, here: Tensor) -> Tensor:
    """Where Newton's method goes from f = K a."""
    p = torch.sigmoid(f)
    # Kept above 0: where p is 0 or 1 to the last digit, the square root's gradient is infinite.
    root = (p * (1 - p)).clamp_min(1e-12).sqrt() * here
    c = (root.square() * f + target - p) * here
    b = root[:, :, None] * kernel * root[:, None, :]
    b = b + torch.eye(b.shape[-1], dtype=b.dtype, device=b.device)
    inner = root * (kernel @ c[..., None])[..., 0]
    solved = torch.cholesky_solve(inner[..., None], torch.linalg.cholesky(b))[..., 0]
    return c - root * solved


def _objective(a: Tensor, f: Tensor, target: Tensor, here: Tensor) -> Tensor:
    """Of coefficients (..., b, n) and their margins f = K a."""
    target, here = target.expand_as(f), here.expand_as(f)
    fit = functional.binary_cross_entropy_with_logits(f, target, reduction="none") * here
    return fit.sum(-1) + 0.5 * (a * f).sum(-1)
