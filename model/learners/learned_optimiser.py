"""The learned optimiser: a start and an update rule for the head, both meta-learned.

Ravi and Larochelle 2017, "Optimization as a model for few-shot learning", ICLR (no arXiv version).
Gradient descent, theta_t = theta_{t-1} - rate * grad, has the form of an LSTM's cell update

    c_t = f_t * c_{t-1} + i_t * (-grad_t),    theta_t = c_t

with f = 1 and i = rate. Here both gates are learned, for every coordinate and every step:

    z_t = LSTM(log_and_sign(grad_t), log_and_sign(L_t))            20 units, each coordinate's own
    i_t = sigmoid(W_I [z_t, theta_{t-1}, i_{t-1}] + b_I)           how far to follow the gradient
    f_t = sigmoid(W_F [z_t, theta_{t-1}, f_{t-1}] + b_F)           how much of theta to forget

and so is c_0, the head that answers before anything is known of a category. The weights are shared
by all coordinates (Andrychowicz et al. 2016, arXiv:1606.04474), so they are as few for d = 512 as
for d = 12.

What the outer loop differentiates: the gates and c_0, and the embeddings as they enter the raw
gradient. As in both papers, grad_t does not depend on theta_{t-1} there, so there is no second
derivative, unless ``second_order`` asks for it; and what the gates read is a constant, as log|grad|
has no bounded slope.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.base import check_support
from model.learners.coordinate_lstm import log_and_sign
from model.learners.linear import LinearLearner

_SETS_AT_ONCE = 32  # of leave-one-out: each has an LSTM for every coordinate


def example_weights(
    one_hot: Float[Tensor, "b n c"], present: Bool[Tensor, "b n"]
) -> Float[Tensor, "b n"]:
    """Every label that is there weighs the same in its task, and every task weighs 1.

    Rows of padding weigh 0, and so does a whole task without examples.
    """
    here = one_hot * present[..., None]
    count = here.sum(1)
    labels = (count > 0).sum(1)
    each = here / (count * labels[:, None]).clamp_min(1)[:, None]
    return each.sum(2)


def head_loss_and_gradient(
    theta: Float[Tensor, "b r p"],
    inputs: Float[Tensor, "b n p"],
    one_hot: Float[Tensor, "b n c"],
    weight: Float[Tensor, "b n"],
) -> tuple[Float[Tensor, " b"], Float[Tensor, "b r p"]]:
    """Weighted cross-entropy of linear heads, and its gradient by theta; for any number of labels.

    Args:
        theta: a row for each of the c labels, or for all but the last, whose logit is then 0: one
            row and two labels are the logistic head.
        inputs: embeddings with their constant 1; both answers are differentiable in them.
        weight: of each example; see ``example_weights``.
    """
    without_row = one_hot.shape[2] - theta.shape[1]

    def total(values: Tensor) -> tuple[Tensor, Tensor]:
        logits = torch.einsum("bnp,brp->bnr", inputs, values)
        log_probability = functional.pad(logits, (0, without_row)).log_softmax(-1)
        losses = -(weight[..., None] * one_hot * log_probability).sum((1, 2))
        return losses.sum(), losses

    gradient, losses = torch.func.grad(total, has_aux=True)(theta)
    return losses, gradient


class GatedUpdate(nn.Module):
    """The update rule: gates of each coordinate from gradient, loss, parameter and last gate.

    It knows nothing of what is optimised: ``init_state`` and ``step`` take any flat parameters.

    Args:
        units: hidden units of the LSTM that reads gradients and losses.
    """

    def __init__(self, units: int = 20) -> None:
        super().__init__()
        if units < 1:
            raise SupportError(f"an LSTM needs a unit, got {units}")
        self.units = units
        self.reader = nn.LSTMCell(4, units)
        self.input_gate = nn.Linear(units + 2, 1)
        self.forget_gate = nn.Linear(units + 2, 1)
        # The paper's start: keep all, learn little. The first steps are then gradient descent.
        for gate, bias in ((self.input_gate, -4.5), (self.forget_gate, 4.5)):
            nn.init.uniform_(gate.weight, -0.01, 0.01)
            nn.init.constant_(gate.bias, bias)

    def init_state(self, theta: Float[Tensor, "b p"]) -> tuple[Tensor, ...]:
        """Hidden and cell (b * p, units), input and forget gate (b, p) before the first step."""
        zeros = theta.new_zeros(theta.numel(), self.units)
        return zeros, zeros, torch.zeros_like(theta), torch.zeros_like(theta)

    def step(
        self,
        theta: Float[Tensor, "b p"],
        loss: Float[Tensor, " b"],
        gradient: Float[Tensor, "b p"],
        state: tuple[Tensor, ...],
    ) -> tuple[Float[Tensor, "b p"], tuple[Tensor, ...]]:
        """The parameters after one step, and the state after it.

        Args:
            loss: of each of the b problems at theta, at least 0.
            gradient: of that loss by theta.
        """
        hidden, memory, last_input, last_forget = state
        read_gradient = log_and_sign(gradient.detach())
        read_loss = log_and_sign(loss.detach())[:, None].expand_as(read_gradient)
        read = torch.cat([read_gradient, read_loss], dim=-1).flatten(0, 1)
        hidden, memory = self.reader(read, (hidden, memory))
        seen = hidden.view(*theta.shape, self.units)
        follow = self._gate(self.input_gate, seen, theta, last_input)
        keep = self._gate(self.forget_gate, seen, theta, last_forget)
        return keep * theta - follow * gradient, (hidden, memory, follow, keep)

    @staticmethod
    def _gate(gate: nn.Module, seen: Tensor, theta: Tensor, last: Tensor) -> Tensor:
        features = torch.cat([seen, theta[..., None], last[..., None]], dim=-1)
        return torch.sigmoid(gate(features)[..., 0])


def adapt_heads(
    rule: GatedUpdate,
    start: Float[Tensor, "b r p"],
    inputs: Float[Tensor, "b n p"],
    one_hot: Float[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
    steps: int,
    *,
    second_order: bool = False,
) -> Float[Tensor, "b r p"]:
    """Heads after some steps over whole support sets; the start, where a set is empty.

    Args:
        start: as ``theta`` of ``head_loss_and_gradient``.
        second_order: whether the outer gradient knows that a step's gradient depends on where the
            last step led; both papers leave that out.
    """
    weight = example_weights(one_hot, present)
    theta = start.flatten(1)
    state = rule.init_state(theta)
    for _ in range(steps):
        at = (theta if second_order else theta.detach()).view_as(start)
        loss, gradient = head_loss_and_gradient(at, inputs, one_hot, weight)
        theta, state = rule.step(theta, loss, gradient.flatten(1), state)
    return torch.where(present.any(1)[:, None, None], theta.view_as(start), start)


class LearnedOptimiser(LinearLearner):
    """A linear head from a meta-learned start, moved a few steps by a meta-learned rule.

    The whole support set is one batch, its labels balanced, so that order is irrelevant and an
    uneven support counts both labels alike. Without examples the answer is the meta-learned start;
    with one label only, what the rule makes of that label's gradient.

    Before training the start is zero (probability 0.5) and a step is gradient descent at a rate of
    about 0.01 on inputs of unit variance.

    Args:
        embedding_dim: d.
        steps: of the update rule, above 0; the paper has 12 for 1 example a label, 5 for 5.
        units: of the rule's LSTM.
        second_order: 1 to differentiate through the inner gradients; 0 as published.
    """

    name: ClassVar[str] = "learned-optimiser"

    def __init__(
        self, embedding_dim: int, steps: int = 8, units: int = 20, second_order: int = 0
    ) -> None:
        super().__init__(embedding_dim)
        if steps < 1:
            raise SupportError(f"the learned optimiser needs a step, got steps = {steps}")
        self.steps, self.second_order = steps, bool(second_order)
        self.rule = GatedUpdate(units)
        self.start = nn.Parameter(torch.zeros(embedding_dim + 1))
        # Rows of unit length have entries of size 1/sqrt(d), and gradients too: a gate, which is
        # below 1, could not move such a head far. The gain is learned from unit variance on.
        self.log_gain = nn.Parameter(torch.tensor(0.5 * math.log(embedding_dim)))

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets at once; differentiable."""
        gain = self.log_gain.exp()
        inputs = functional.pad(gain * embeddings, (0, 1), value=1.0)
        one_hot = torch.stack([is_placeholder, ~is_placeholder], dim=-1).to(inputs.dtype)
        start = self.start.expand(len(embeddings), 1, -1)
        head = adapt_heads(
            self.rule, start, inputs, one_hot, present, self.steps, second_order=self.second_order
        )[:, 0]
        return torch.cat([gain * head[:, :-1], head[:, -1:]], dim=1)

    @torch.no_grad()
    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability (n,) of each example under the head fitted to the others, in batches."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        everyone = torch.arange(len(embeddings), device=embeddings.device)
        found = [torch.empty(0, device=embeddings.device)]
        for first in range(0, len(embeddings), _SETS_AT_ONCE):
            left_out = everyone[first : first + _SETS_AT_ONCE]
            sets = embeddings.float().expand(len(left_out), -1, -1)
            labels = is_placeholder.expand(len(left_out), -1)
            states = self.fit_batch(sets, labels, left_out[:, None] != everyone)
            found.append(self.score_many(states, embeddings[left_out]))
        return torch.cat(found)
