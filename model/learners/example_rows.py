"""The examples themselves as a state, for learners that compare a query with each of them.

A state has a fixed size, so there is room for ``capacity`` examples, each a row of d numbers, its
label and whether the row is in use.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError

DEFAULT_CAPACITY = 64


def check_capacity(capacity: int) -> int:
    """The capacity, as it came.

    Raises:
        SupportError: there is room for no example.
    """
    if capacity < 1:
        raise SupportError(f"capacity must be at least 1 example, got {capacity}")
    return capacity


def state_size(dim: int, capacity: int) -> int:
    """s, for examples of ``dim`` numbers each."""
    return capacity * (dim + 2)


def pack(
    rows: Float[Tensor, "b n d"],
    is_placeholder: Bool[Tensor, "b n"],
    present: Bool[Tensor, "b n"],
    capacity: int,
) -> Float[Tensor, "b s"]:
    """States that hold the examples; s = capacity (d + 2). Differentiable in ``rows``.

    Raises:
        SupportError: a support set is larger than the capacity.
    """
    b, n, _ = rows.shape
    most = int(present.sum(1).max()) if n and b else 0
    if most > capacity:
        raise SupportError(
            f"a support set of {most} examples is larger than the capacity of {capacity}; "
            "build the learner with a larger capacity"
        )
    # Padding goes last, where it can be cut off.
    order = torch.argsort(~present, dim=1, stable=True)[:, :capacity]
    here = present.gather(1, order)[..., None]
    label = is_placeholder.gather(1, order)[..., None]
    kept = rows.gather(1, order[..., None].expand(-1, -1, rows.shape[2])) * here
    table = torch.cat([kept, (label & here).to(rows.dtype), here.to(rows.dtype)], dim=2)
    return functional.pad(table, (0, 0, 0, capacity - table.shape[1])).flatten(1)


def unpack(
    states: Float[Tensor, "b s"], dim: int
) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """Rows, labels and which rows are in use; n is the capacity."""
    table = states.view(len(states), states.shape[1] // (dim + 2), dim + 2)
    return table[..., :dim], table[..., dim] > 0.5, table[..., dim + 1] > 0.5


def two_way(is_placeholder: Bool[Tensor, "b n"]) -> Bool[Tensor, "b n 2"]:
    """Labels as one-hot rows: class 0 is a real picture, class 1 a placeholder."""
    return torch.stack([~is_placeholder, is_placeholder], dim=-1)
