"""From drawings to what networks see: small pictures of ink, and small changes that keep meaning.

Ink is 1 on a ground of 0. Drawings are kept at twice the network's size, so that turning and
shearing them loses no strokes; one warp makes a network's input of any number of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from model.errors import SupportError

SIDE = 28  # pixels of a network's input, as in the literature since Vinyals et al. (2016)
KEPT = 2 * SIDE


def shrink(ink: Bool[np.ndarray, "n height width"]) -> Float[Tensor, "n kept kept"]:
    """Share of ink in each of the cells of a grid of KEPT x KEPT, its middle where the ink's is.

    Where on the sheet somebody drew says nothing about the character; the modified Hausdorff
    distance sets the ink's mean to the origin, too.

    Raises:
        SupportError: a drawing has no ink.
    """
    if not ink.any(axis=(1, 2)).all():
        raise SupportError("a drawing has no ink")
    cells = F.adaptive_avg_pool2d(torch.from_numpy(ink).float()[:, None], KEPT)
    mass = cells[:, 0].sum((1, 2))
    at = torch.arange(KEPT) - (KEPT - 1) / 2
    shift = torch.stack(
        [(cells[:, 0].sum(1) @ at) / mass, (cells[:, 0].sum(2) @ at) / mass], -1
    )  # in cells, x before y as grids have it
    moved = torch.eye(2, 3).repeat(len(ink), 1, 1)
    moved[:, :, 2] = shift * 2 / KEPT
    grid = F.affine_grid(moved, [len(ink), 1, KEPT, KEPT], align_corners=False)
    return F.grid_sample(cells, grid, align_corners=False)[:, 0].clamp(0, 1)


@dataclass(frozen=True)
class Wobble:
    """How much a drawing may change and still be the same character.

    The affine part is Koch et al. (2015), section 3.2; the bending is Simard et al. (2003, ICDAR),
    coarse, since strokes are bent by hands and not by pixels.

    Attributes:
        turn: degrees, either way.
        shear: largest off-diagonal element, either way.
        stretch: largest change of scale, either way, each axis apart.
        shift: share of the side, either way.
        bend: standard deviation of the coarse displacements, as a share of the side.
    """

    turn: float = 10.0
    shear: float = 0.2
    stretch: float = 0.2
    shift: float = 0.04
    bend: float = 0.02


def render(drawings: Float[Tensor, "n kept kept"]) -> Float[Tensor, "n 1 side side"]:
    """Network inputs, nothing changed."""
    return F.avg_pool2d(drawings[:, None], 2)


def render_wobbled(
    drawings: Float[Tensor, "n kept kept"], wobble: Wobble, generator: torch.Generator
) -> Float[Tensor, "n 1 side side"]:
    """Network inputs, each drawing turned, sheared, stretched, shifted and bent by chance."""
    n, side = len(drawings), drawings.shape[-1] // 2

    def within(most: float, *shape: int) -> Tensor:
        return (torch.rand(n, *shape, generator=generator) * 2 - 1) * most

    angle = within(math.radians(wobble.turn))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turned = torch.stack([cosine, -sine, sine, cosine], -1).reshape(n, 2, 2)
    sheared = torch.eye(2) + within(wobble.shear, 2, 2) * (1 - torch.eye(2))
    stretched = torch.diag_embed(1 + within(wobble.stretch, 2))
    shift = within(2 * wobble.shift, 2, 1)
    affine = torch.cat([turned @ sheared @ stretched, shift], -1)
    # A bilinear sample between four cells of a drawing averages them, as ``render`` does.
    grid = F.affine_grid(affine, [n, 1, side, side], align_corners=False)
    coarse = torch.randn(n, 2, 4, 4, generator=generator) * 2 * wobble.bend
    bent = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
    return F.grid_sample(drawings[:, None], grid + bent.permute(0, 2, 3, 1), align_corners=False)
