"""From pooled features to the embedding: principal components to start with."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.errors import SupportError


def principal_components(features: Float[Tensor, "n f"], dim: int) -> nn.Linear:
    """A projection (f to dim) onto the directions in which the features vary most, centred.

    Args:
        features: rows of unit length.
    Raises:
        SupportError: fewer features than dimensions are asked for.
    """
    if dim > features.shape[1]:
        raise SupportError(f"{features.shape[1]} features cannot be projected to {dim}")
    centre = features.mean(0)
    spread = (features - centre).double()
    _, directions = torch.linalg.eigh(spread.T @ spread / len(features))
    chosen = directions[:, -dim:].flip(1).T.float().contiguous()
    projection = nn.Linear(features.shape[1], dim)
    with torch.no_grad():
        projection.weight.copy_(chosen)
        projection.bias.copy_(-(chosen @ centre))
    return projection
