"""The default learner: the prior mixture, averaged with what the examples say without any prior.

The mixture of priors (``model.learners.prior_mixture``) is hard to beat with few examples, and
trusts its priors too long with many: no mixture of a few Gaussians holds every category's truth.
Logistic regression on the support alone is the opposite. Their logits err in different places, and
how far to trust each is itself meta-learned, from how many pictures of each label there are, how
sure the mixture is of its component, and how surprising the pictures were:

    z(x) = (1 - r) z_mixture(x) + r g z_logistic(x),   r = sigmoid(u), (u, log g) = net(known)

a product of experts (Hinton 2002) with meta-learned weights. What no training task can show is how
much stranger the next shop is than every category there was: ``doubt`` multiplies the odds
r / (1 - r) by (1 + the examples of the rarer label) to its power, and is chosen on held-out shops.
Both heads are linear, so their average is one vector, and scoring costs what it did. Without both
labels r = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.base import Head, Learner, Studied, check_support, to_probability
from model.learners.dual_logistic import BIAS, dual_logistic
from model.learners.prior_mixture import PriorMixture
from model.learners.studying import study

# Up to this many examples leave-one-out refits every regression; beyond, one Newton step from the
# regression of all is exact to the third digit and costs a thousandth.
REFITTED = 64


class BlendedPrior(PriorMixture):
    """Prior mixture and logistic regression, averaged with meta-learned weights.

    Args:
        embedding_dim: d.
        components: M, how many priors stand side by side.
        inverse_penalty: C of the regression, above 0.
        doubt: of the prior, at least 0; 0 trusts it as the training tasks say.
    """

    name: ClassVar[str] = "blended-prior"

    def __init__(
        self,
        embedding_dim: int,
        components: int = 8,
        inverse_penalty: float = 100.0,
        doubt: float = 0.0,
    ) -> None:
        super().__init__(embedding_dim, components)
        if not inverse_penalty > 0:
            raise SupportError(f"inverse_penalty must be above 0, got {inverse_penalty}")
        if not doubt >= 0:
            raise SupportError(f"doubt must be at least 0, got {doubt}")
        self.doubt = doubt
        self.inverse_penalty = inverse_penalty
        last = nn.Linear(16, 2)
        self.trust = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets at once, padded to the same n; differentiable.

        Args:
            present: False where a row is padding.
        """
        mixture, known = self._answer(embeddings, is_placeholder, present)
        kernel = self._kernel(embeddings)
        dual = dual_logistic(kernel, is_placeholder.to(kernel.dtype), present)
        head = self._blended(mixture, known, dual, embeddings)
        return torch.where(self._unasked(present.sum(1))[:, None], self.zero_shot, head)

    def _blended(
        self, mixture: Tensor, known: Tensor, dual: Tensor, embeddings: Tensor
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of the mixture and of the regression whose dual coefficients are (b, n)."""
        share, gain = self._trust(known)
        dual = (self.inverse_penalty * dual).to(embeddings.dtype)
        weight = torch.einsum("bn,bnd->bd", dual, embeddings)
        logistic = torch.cat([weight, BIAS * dual.sum(1, keepdim=True)], dim=1)
        return (1 - share)[:, None] * mixture + (share * gain)[:, None] * logistic

    @torch.no_grad()
    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Leave-one-out probabilities (n,): the mixture's exactly, without refitting; the
        regression's by refitting up to ``REFITTED`` examples, and by one Newton step beyond."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        n = len(embeddings)
        if n == 0:
            return torch.empty(0)
        if n == 1:  # the others are none
            return self.score(self.adapt(embeddings[:0], is_placeholder[:0]), embeddings)
        return self._studied(embeddings.float(), is_placeholder).left_out

    @torch.no_grad()
    def study(self, embeddings: Tensor, is_placeholder: Tensor) -> Studied:
        """The head and each example's probability without it, from the same factors and in the
        same Newton iterations; see ``Learner.study``."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        if len(embeddings) < 2:
            return super().study(embeddings, is_placeholder)
        return self._studied(embeddings.float(), is_placeholder)

    def _studied(self, embeddings: Tensor, is_placeholder: Tensor) -> Studied:
        """Of n >= 2 checked examples."""
        present = torch.ones(1, len(embeddings), dtype=torch.bool, device=embeddings.device)
        factors = self._factors(embeddings[None], is_placeholder[None], present)
        dual, left_out = _regressions(self._kernel(embeddings), is_placeholder)
        mixture, known = self._answer_from(factors, is_placeholder[None], present)
        head = self._blended(mixture, known, dual[None], embeddings[None])[0]
        mixture, known = self._left_out_from(factors, is_placeholder, present)
        share, gain = self._trust(known)
        return Studied(
            Head(self.name, head.clone()),
            to_probability((1 - share) * mixture + share * gain * left_out),
        )

    def prior(self) -> PriorMixture:
        """The mixture alone, sharing every parameter: what the outer loop trains first."""
        twin = PriorMixture(self.embedding_dim, self.components)
        for name in twin._parameters:
            setattr(twin, name, getattr(self, name))
        twin.calibrate = self.calibrate
        twin.zero_shot = self.zero_shot
        return twin

    def combiner(self) -> dict[str, nn.Module]:
        """The parts, by attribute, that say how far to trust what the others found."""
        return super().combiner() | {"trust": self.trust}

    def _kernel(self, embeddings: Tensor) -> Tensor:
        """K = C (X X^T + bias) of embeddings (..., n, d), in double precision."""
        x = embeddings.double()
        return self.inverse_penalty * (x @ x.mT + BIAS)

    def _trust(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """r in [0, 1) and g > 0, shape (b,) each."""
        raw_share, raw_gain = self.trust(known).unbind(-1)
        rarer = torch.minimum(known[..., 0], known[..., 1])  # log(1 + examples)
        share = torch.sigmoid(raw_share + self.doubt * rarer) * (rarer > 0)
        return share, torch.exp(functional.softsign(raw_gain) * 2)


@torch.no_grad()
def study_together(
    supports: Sequence[tuple[Learner, Tensor, Tensor]],
) -> list[Studied]:
    """``learner.study`` of each learner's embeddings (n, d) and labels (n,), in order.

    Learners of this sort that were given the same labels, as the experts of one category are, have
    their regressions in the same Newton iterations, which cost hardly more for three than for one
    (``model.learners.studying``).

    Args:
        supports: all of it on the CPU.
    Raises:
        SupportError: as ``study``.
    """
    found: dict[int, Studied] = {}
    alike: dict[bytes, list[int]] = {}
    for i, (learner, embeddings, labels) in enumerate(supports):
        if isinstance(learner, BlendedPrior) and 2 <= len(embeddings) <= REFITTED:
            check_support(embeddings, labels, learner.embedding_dim)
            alike.setdefault(bytes(labels.tolist()), []).append(i)
        else:
            found[i] = learner.study(embeddings, labels)
    for members in alike.values():
        seen = [(cast(BlendedPrior, supports[i][0]), supports[i][1].numpy()) for i in members]
        truth = supports[members[0]][2].numpy()
        for i, (head, left_out) in zip(members, study(seen, truth), strict=True):
            name = supports[i][0].name
            found[i] = Studied(Head(name, torch.from_numpy(head)), torch.from_numpy(left_out))
    return [found[i] for i in range(len(supports))]


def _regressions(kernel: Tensor, is_placeholder: Tensor) -> tuple[Tensor, Tensor]:
    """Of a kernel (n, n): dual coefficients (n,) of the regression on all examples, and the logit
    (n,) of each example from all the others."""
    n = len(is_placeholder)
    target = is_placeholder.to(kernel.dtype)
    if n > REFITTED:
        return _one_step(kernel, target)
    # The last row leaves none out.
    left = ~torch.eye(n + 1, n, dtype=torch.bool, device=kernel.device)
    duals = dual_logistic(kernel.expand(n + 1, n, n), target.expand(n + 1, n), left)
    return duals[n], (kernel * duals[:n]).sum(1).float()


def _one_step(kernel: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """One Newton step of the fit without i from the fit with it (Rad and Maleki 2020,
    arXiv:1801.10243): f_i - (t_i - p_i) v_i / (1 - w_i v_i), v = diag((K^-1 + W)^-1)."""
    everything = torch.ones(1, len(target), dtype=torch.bool, device=kernel.device)
    dual = dual_logistic(kernel[None], target[None], everything)[0]
    f = kernel @ dual
    p = torch.sigmoid(f)
    w = (p * (1 - p)).clamp_min(1e-12)
    inner = kernel + torch.diag(1 / w)  # (K^-1 + W)^-1 = K - K (K + W^-1)^-1 K
    v = kernel.diagonal() - (kernel * torch.linalg.solve(inner, kernel)).sum(0)
    return dual, (f - (target - p) * v / (1 - w * v)).float()
