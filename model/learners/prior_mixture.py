"""The default learner: Bayesian linear regression under a meta-learned mixture of priors.

What must be learned is how far to trust the prior. A head fitted to five examples alone forgets
what all stand-ins have in common; a head pulled towards one prior fails in the category where a
logo or a swatch is the product. So the prior is a mixture of M Gaussians over heads, each with its
own mean and width, and the support set says by its evidence which of them it was drawn from:

    w | k   ~ N(m_k, c_k^2 S),  S = diag(s^2)        the prior of component k
    y_i     = x_i . w + e_i,    e_i ~ N(0, v_k)      y = +1 for a placeholder, -1 for a real picture
    p(k|D)  ~ exp(a_k + t log p(y | X, k))           which case is it?
    w*      = g sum_k p(k|D) E[w | D, k], plus h     one vector: the head

with x = (embedding, 1). Everything is closed form (Rasmussen and Williams 2006, chapter 2), all of
a_k, m_k, c_k, s, v_k, t and the small network behind g and h are meta-learned by gradient through
it, over episodes (the closed-form inner loop of Bertinetto et al. 2019, arXiv:1805.08136; the
prior as what is meta-learned: Grant et al. 2018, arXiv:1801.08930; Harrison et al. 2018,
arXiv:1807.08912). g and h turn a score into a calibrated logit; they see how many pictures of
each label there are and how surprising they were. At n = 0 the head is one fitted to all
training pictures at once (``set_zero_shot``), or without it the mean of the priors; with one label
only, the posterior of what that label can tell.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from model.learners.base import check_support, to_probability
from model.learners.linear import LinearLearner

# Added to every noise variance: keeps the Gram matrix well conditioned in float32 even where two
# examples are the same picture.
MIN_NOISE = 1e-3


# x, residuals and Cholesky factors of a batch of support sets.
_Factors = tuple[Tensor, Tensor, Tensor]


class PriorMixture(LinearLearner):
    """Closed-form head under a meta-learned mixture of Gaussian priors.

    Args:
        embedding_dim: d.
        components: M, how many priors stand side by side.

    Example:
        >>> learner = PriorMixture(embedding_dim=4, components=2)
        >>> head = learner.adapt(torch.eye(4)[:2], torch.tensor([True, False]))
        >>> learner.score(head, torch.eye(4)[:2]).shape
        torch.Size([2])
    """

    name: ClassVar[str] = "prior-mixture"
    zero_shot: Tensor

    def __init__(self, embedding_dim: int, components: int = 8) -> None:
        super().__init__(embedding_dim)
        self.components = components
        self.mean = nn.Parameter(torch.zeros(components, embedding_dim + 1))
        self.log_scale = nn.Parameter(torch.zeros(embedding_dim + 1))
        # Spread from timid to bold, so that the components have something to disagree on.
        self.log_width = nn.Parameter(torch.linspace(-1.0, 1.0, components))
        self.log_noise = nn.Parameter(torch.full((components,), math.log(0.1)))
        self.log_prior = nn.Parameter(torch.zeros(components))
        self.log_temper = nn.Parameter(torch.zeros(()))
        self.register_buffer("zero_shot", torch.zeros(embedding_dim + 1))
        last = nn.Linear(16, 2)
        self.calibrate = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), last)
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
        head, _ = self._answer(embeddings, is_placeholder, present)
        return torch.where(self._unasked(present.sum(1))[:, None], self.zero_shot, head)

    def _answer(
        self, embeddings: Tensor, is_placeholder: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Heads (b, d + 1) under the mixture, and what is known of each support set (b, 6)."""
        return self._answer_from(
            self._factors(embeddings, is_placeholder, present), is_placeholder, present
        )

    def _answer_from(
        self, factors: _Factors, is_placeholder: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, residual, lower = factors
        solved = torch.cholesky_solve(residual[..., None], lower)[..., 0]  # (b, M, n)
        log_evidence = self._log_evidence(residual, solved, lower, present)
        # E[w | D, k] = m_k + c_k^2 S X^T alpha_k
        update = torch.einsum("bmn,bnd->bmd", solved, x)
        variance = torch.exp(2 * self.log_width[:, None] + 2 * self.log_scale)
        posterior = self.mean + variance * update
        weight, log_mass = self._responsibility(log_evidence)
        positive = (is_placeholder & present).sum(1)
        known = self._known(positive, present.sum(1) - positive, weight, log_mass)
        gain, shift = self._calibration(known)
        head = gain[:, None] * torch.einsum("bm,bmd->bd", weight, posterior)
        return torch.cat([head[:, :-1], head[:, -1:] + shift[:, None]], dim=1), known

    def fit(self, embeddings: Float[Tensor, "n d"], is_placeholder: Tensor) -> Float[Tensor, " s"]:
        """State of one checked support set; an empty one needs no reckoning."""
        if not len(embeddings) and bool(self.zero_shot.any()):
            return self.zero_shot
        return super().fit(embeddings, is_placeholder)

    def prior(self) -> PriorMixture:
        """The mixture alone, sharing every parameter: what the outer loop trains first."""
        return self

    def combiner(self) -> dict[str, nn.Module]:
        """The parts, by attribute, that say how far to trust what the others found."""
        return {"calibrate": self.calibrate}

    def set_zero_shot(self, head: Float[Tensor, " d_plus_1"]) -> None:
        """Answer for empty support sets with this head, instead of the mean of the priors.

        What is true of all catalogues is no task among others: it is fitted to all pictures at
        once, where the priors are fitted to what tells one category from the next.
        """
        self.zero_shot.copy_(head)

    def _unasked(self, count: Tensor) -> Tensor:
        """Where the zero-shot head answers: no examples, and there is such a head."""
        return (count == 0) & bool(self.zero_shot.any())

    @torch.no_grad()
    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Exact leave-one-out probabilities (n,) without refitting.

        With A the Gram matrix plus noise and alpha = A^-1 r, the prediction for example i from all
        others is y_i - alpha_i / [A^-1]_ii with variance 1 / [A^-1]_ii (Rasmussen and Williams
        2006, section 5.4.2), and the evidence without i is the evidence less that term.
        """
        check_support(embeddings, is_placeholder, self.embedding_dim)
        n = len(embeddings)
        if n == 0:
            return torch.empty(0)
        if n == 1:  # the others are none
            return self.score(self.adapt(embeddings[:0], is_placeholder[:0]), embeddings)
        logits, _ = self._left_out(embeddings.float(), is_placeholder)
        return to_probability(logits)

    def _left_out(self, embeddings: Tensor, is_placeholder: Tensor) -> tuple[Tensor, Tensor]:
        """Logit (n,) of each of n >= 2 examples from the others, and what these tell (n, 6)."""
        present = torch.ones(1, len(embeddings), dtype=torch.bool, device=embeddings.device)
        factors = self._factors(embeddings[None], is_placeholder[None], present)
        return self._left_out_from(factors, is_placeholder, present)

    def _left_out_from(
        self, factors: _Factors, is_placeholder: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        _, residual, lower = factors
        inverse_diagonal = torch.cholesky_inverse(lower).diagonal(dim1=-2, dim2=-1)[0]  # (M, n)
        solved = torch.cholesky_solve(residual[..., None], lower)[..., 0]
        log_evidence = self._log_evidence(residual, solved, lower, present)[0]  # (M,)
        variance = 1 / inverse_diagonal
        error = solved[0] * variance  # y_i - mu_i
        log_own = -0.5 * (error.square() / variance + variance.log() + math.log(2 * math.pi))
        y = is_placeholder.to(residual.dtype) * 2 - 1
        weight, log_mass = self._responsibility((log_evidence[:, None] - log_own).T)  # (n, M)
        positive = is_placeholder.sum() - is_placeholder.long()
        negative = (~is_placeholder).sum() - (~is_placeholder).long()
        known = self._known(positive, negative, weight, log_mass)
        gain, shift = self._calibration(known)
        return gain * (weight * (y - error).T).sum(1) + shift, known

    def _factors(self, embeddings: Tensor, is_placeholder: Tensor, present: Tensor) -> _Factors:
        """x (b, n, d+1), residual y - m_k . x (b, M, n), Cholesky factor of A (b, M, n, n)."""
        x = functional.pad(embeddings, (0, 1), value=1.0) * present[..., None]
        y = (is_placeholder.to(x.dtype) * 2 - 1) * present
        residual = y[:, None] - torch.einsum("bnd,md->bmn", x, self.mean)
        scaled = x * self.log_scale.exp()
        gram = scaled @ scaled.mT  # (b, n, n); rows of padding are 0
        noise = self.log_noise.exp() + MIN_NOISE
        # Padding gets a 1 on the diagonal: it adds nothing to the determinant or the solution.
        diagonal = torch.where(present[:, None], noise[:, None], torch.ones_like(noise)[:, None])
        a = torch.exp(2 * self.log_width)[:, None, None] * gram[:, None]
        lower = torch.linalg.cholesky(a + torch.diag_embed(diagonal))
        return x, residual, lower

    def _log_evidence(
        self, residual: Tensor, solved: Tensor, lower: Tensor, present: Tensor
    ) -> Tensor:
        """log p(y | X, k), shape (b, M); 0 for an empty support set."""
        log_det = 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        count = present.sum(1, keepdim=True)
        return -0.5 * ((residual * solved).sum(-1) + log_det + count * math.log(2 * math.pi))

    def _responsibility(self, log_evidence: Tensor) -> tuple[Tensor, Tensor]:
        """p(k | D) (b, M) and log p(D) (b,) under the mixture."""
        joint = self.log_prior.log_softmax(0) + self.log_temper.exp() * log_evidence
        return joint.softmax(-1), joint.logsumexp(-1)

    @staticmethod
    def _known(positive: Tensor, negative: Tensor, weight: Tensor, log_mass: Tensor) -> Tensor:
        """What is known about each support set, (b, 6): how many, how sure, how surprising."""
        log_positive, log_negative = torch.log1p(positive.float()), torch.log1p(negative.float())
        entropy = -(weight * weight.clamp_min(1e-9).log()).sum(-1)
        surprise = -log_mass / (positive + negative).clamp_min(1)
        one_sided = ((positive > 0) != (negative > 0)).float()
        return torch.stack(
            [log_positive, log_negative, entropy, surprise, one_sided, log_positive - log_negative],
            dim=-1,
        )

    def _calibration(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """g > 0 and h, shape (b,) each."""
        raw_gain, shift = self.calibrate(known).unbind(-1)
        return 4 * functional.softplus(raw_gain + math.log(math.e - 1)), shift
