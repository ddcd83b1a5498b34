"""MAML: gradient steps from an initialisation that was meta-learned for them.

Finn, Abbeel and Levine 2017 (ICML, arXiv:1703.03400). A small network d -> hidden -> 1 answers;
the support set moves all of its layers by a few steps of gradient descent, and the outer loop
learns where those steps begin, with second-order gradients through them. The inner rates, one for
each parameter tensor, are meta-learned too unless told otherwise (as Antoniou et al. 2019,
arXiv:1810.09502, have them for each layer).
"""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from model.errors import SupportError
from model.learners.base import check_support, to_probability
from model.learners.inner_loop import Parameters, adapt_parameters
from model.learners.meta import MetaLearner


def balanced_weights(
    is_placeholder: Bool[Tensor, "*b n"], present: Bool[Tensor, "*b n"]
) -> Float[Tensor, "*b n"]:
    """Weights of a support set's examples: both labels together weigh the same, all of them 1.

    Nineteen real pictures and one stand-in pull as hard as ten and ten. Where a label is missing,
    the other weighs 1; padding weighs 0, and so does an empty support set.
    """
    sides = torch.stack([present & is_placeholder, present & ~is_placeholder]).float()
    count = sides.sum(-1, keepdim=True)
    share = (sides / count.clamp_min(1)).sum(0)
    return share / (count > 0).sum(0).clamp_min(1)


class Maml(MetaLearner):
    """Network of one hidden layer, adapted by gradient descent with second-order meta-gradients.

    The inner loss is cross-entropy with both labels of equal weight (``balanced_weights``), so an
    unbalanced support moves the answer no further than a balanced one. One label only: the steps go
    towards that label, as far as the meta-learned rates let them. Empty support: the meta-learned
    initialisation answers. The state is the adapted parameters, flat.

    Args:
        embedding_dim: d.
        hidden: width of the hidden layer.
        steps: of gradient descent, 0 or more.
        rate: inner rate to begin with, above 0.
        learned_rates: 1: the rates are meta-learned, one for each adapted tensor; 0: they stay.
    """

    name: ClassVar[str] = "maml"
    first_order: ClassVar[bool] = False
    adapted: ClassVar[tuple[str, ...]] = ("0.weight", "0.bias", "2.weight", "2.bias")

    def __init__(
        self,
        embedding_dim: int,
        hidden: int = 32,
        steps: int = 5,
        rate: float = 0.5,
        learned_rates: int = 1,
    ) -> None:
        super().__init__(embedding_dim)
        if hidden < 1 or steps < 0 or not rate > 0:
            raise SupportError(
                "hidden must be 1 or more, steps 0 or more and rate above 0, "
                f"got {hidden}, {steps} and {rate}"
            )
        self.steps = steps
        # Tanh: a hidden layer whose curvature is 0 almost everywhere, as a rectifier's is, leaves
        # the second-order gradient less to say.
        first = nn.Linear(embedding_dim, hidden)
        self.network = nn.Sequential(first, nn.Tanh(), nn.Linear(hidden, 1))
        # Rows have unit length, so PyTorch's default of 1/sqrt(d) would leave every unit near 0.
        nn.init.normal_(first.weight)
        log_rate = torch.full((len(self.adapted),), math.log(rate))
        self.log_rate = nn.Parameter(log_rate, requires_grad=bool(learned_rates))

    @property
    def state_size(self) -> int:
        params = dict(self.network.named_parameters())
        return sum(params[name].numel() for name in self.adapted)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b s"]:
        """Adapted parameters of b support sets, flat; differentiable through the steps."""
        weight = balanced_weights(is_placeholder, present).to(embeddings.dtype)
        if len(embeddings) == 0:  # vmap refuses to map over nothing
            return embeddings.new_zeros(0, self.state_size)
        label = is_placeholder.to(embeddings.dtype)
        states: Tensor = torch.vmap(self._adapt)(embeddings, label, weight)
        return states

    def logits(
        self, states: Float[Tensor, "b s"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """What each task's own network answers."""
        if len(states) == 0:
            return queries.new_zeros(queries.shape[:2])
        found: Tensor = torch.vmap(self._answer)(states, queries)
        return found

    @torch.no_grad()
    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability (n,) of each example under the state adapted to the others, all at once."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        n = len(embeddings)
        x = embeddings.float()
        others = ~torch.eye(n, dtype=torch.bool, device=x.device)
        states = self.fit_batch(x.expand(n, n, -1), is_placeholder.expand(n, n), others)
        return to_probability(self.logits(states, x[:, None])[:, 0])

    def _adapt(
        self, x: Float[Tensor, "n d"], label: Float[Tensor, " n"], weight: Float[Tensor, " n"]
    ) -> Float[Tensor, " s"]:
        """Inner loop of one task."""
        params = adapt_parameters(
            partial(self._loss, x, label, weight),
            dict(self.network.named_parameters()),
            steps=self.steps,
            rate=dict(zip(self.adapted, self.log_rate.exp(), strict=True)),
            first_order=self.first_order,
            only=self.adapted,
        )
        return torch.cat([params[name].flatten() for name in self.adapted])

    def _loss(self, x: Tensor, label: Tensor, weight: Tensor, params: Parameters) -> Tensor:
        logits = functional_call(self.network, params, (x,))[..., 0]
        return functional.binary_cross_entropy_with_logits(logits, label, weight, reduction="sum")

    def _answer(
        self, state: Float[Tensor, " s"], queries: Float[Tensor, "q d"]
    ) -> Float[Tensor, " q"]:
        params: Parameters = dict(self.network.named_parameters())
        pieces = torch.split(state, [params[name].numel() for name in self.adapted])
        for name, piece in zip(self.adapted, pieces, strict=True):
            params[name] = piece.view_as(params[name])
        found: Tensor = functional_call(self.network, params, (queries,))[..., 0]
        return found
