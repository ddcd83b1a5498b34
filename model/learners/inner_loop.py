"""Gradient descent on a task's loss that a gradient can be taken through: the inner loop of MAML.

Model-agnostic: the caller brings a loss over named parameters, and this file knows nothing of what
the loss is made of. The learners ``maml``, ``fomaml``, ``anil`` and ``fine-tuning`` call it, and so
do regression of sinusoids, navigation by policy gradient and the convolutional network of the
Omniglot runs (``model.yardsticks``).

After one step of rate a from theta, the outer loss L' at theta' = theta - a grad L(theta) has the
gradient (Finn et al. 2017, arXiv:1703.03400, equation 1)

    d L'(theta') / d theta = (I - a H(theta)) grad L'(theta'),    H the Hessian of L,

which autograd finds by differentiating the step. The first-order approximation leaves H out
(ibid., section 5.2): gradients of the inner loss are taken as constants.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from torch import Tensor
from torch.func import grad

from model.errors import SupportError

Parameters = dict[str, Tensor]
"""As ``dict(module.named_parameters())`` gives them and ``functional_call`` takes them."""

Rate = float | Tensor | Mapping[str, float | Tensor]
"""Inner learning rate: one for all, or one for each name adapted. A tensor may be meta-learned; it
holds one number, or one for each number of the parameter (Li et al. 2017, arXiv:1707.09835)."""


def adapt_parameters(
    loss: Callable[[Parameters], Tensor],
    params: Mapping[str, Tensor],
    *,
    steps: int,
    rate: Rate,
    first_order: bool = False,
    only: Collection[str] | None = None,
) -> Parameters:
    """Parameters after some steps of gradient descent on a task's loss.

    Differentiable with respect to ``params``, ``rate`` and whatever else the loss closes over,
    whether an outer ``backward()`` or an outer ``torch.func.grad`` asks. Works inside
    ``torch.no_grad`` (the inner gradients are still taken, nothing is recorded outside) and inside
    ``torch.vmap``, which adapts to many tasks at once:

        adapt = torch.vmap(lambda x, y: adapt_parameters(partial(loss, x, y), params, ...))
        adapted = adapt(inputs, targets)  # every tensor with a first axis of tasks

    A loss that changes from step to step (fresh trajectories of the adapted policy) is several
    calls of one step each.

    Args:
        loss: all parameters to a scalar; called once a step.
        params: where descent begins; left as they are.
        steps: how many, 0 or more; 0 gives ``params`` back.
        rate: see ``Rate``; a name that is adapted and has no rate is an error.
        first_order: take inner gradients as constants, so that no Hessian enters the outer ones.
        only: the names adapted; None adapts all. The others keep their values, and still receive
            outer gradients.
    Returns:
        All parameters, adapted or not, under their names and in the order of ``params``.
    Raises:
        SupportError: steps below 0, a name that ``params`` lacks, or one without a rate.

    Example:
        >>> import torch
        >>> start = {"w": torch.tensor(4.0)}
        >>> adapt_parameters(lambda p: p["w"] ** 2 / 2, start, steps=1, rate=0.25)
        {'w': tensor(3.)}
    """
    names = [name for name in params if only is None or name in only]
    _check(params, steps, rate, names, only)
    fixed = {name: value for name, value in params.items() if name not in names}
    adapted = {name: params[name] for name in names}
    # Only what is adapted is differentiated: the gradient of the rest would be thrown away.
    gradient = grad(lambda moving: loss({**fixed, **moving}))
    for _ in range(steps if names else 0):
        slope = gradient(adapted)
        if first_order:
            slope = {name: value.detach() for name, value in slope.items()}
        adapted = {
            name: value - (rate[name] if isinstance(rate, Mapping) else rate) * slope[name]
            for name, value in adapted.items()
        }
    return {name: adapted.get(name, value) for name, value in params.items()}


def _check(
    params: Mapping[str, Tensor],
    steps: int,
    rate: Rate,
    names: Collection[str],
    only: Collection[str] | None,
) -> None:
    if steps < 0:
        raise SupportError(f"steps of the inner loop must be 0 or more, got {steps}")
    unknown = sorted(set(only or ()) - set(params))
    if unknown:
        raise SupportError(f"no parameter {unknown[0]!r} to adapt; known: {', '.join(params)}")
    lacking = [name for name in names if isinstance(rate, Mapping) and name not in rate]
    if lacking:
        raise SupportError(f"parameter {lacking[0]!r} is adapted, and has no inner rate")
