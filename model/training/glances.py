"""Glances at the experts' pictures, and the map that guesses whole looks from them.

The map is fitted to pictures of training. What is logged of a fold is guessed by one that has not
seen the fold, as everything that is logged comes from strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.encoder import EncoderNet, normalise
from model.experts.glance import Glance, fit
from model.resizing import shrunk
from model.training.run import Tell

_BATCH = 16
_SHARE, _STEP = 4 / 7, 32  # of a look's side, and what every glance's is a multiple of


def glance_side(image_size: int) -> int:
    """Of what a release glances at: 128 pixels of 224, a third of the price (docs/glance.md)."""
    return max(_STEP, round(image_size * _SHARE / _STEP) * _STEP)


@torch.no_grad()
def pooled_glances(
    net: EncoderNet, shards: Sequence[NDArray[np.uint8]], side: int, path: Path, tell: Tell
) -> Float[Tensor, "n f"]:
    """Pooled features of pictures shrunk to this side, from a file where it is there already.

    Args:
        shards: pixels, shape (n_s, size, size, 3) each.
    """
    if not path.exists():
        total, rows = sum(map(len, shards)), []
        for shard in shards:
            for start in range(0, len(shard), _BATCH):
                small = torch.from_numpy(shrunk(np.array(shard[start : start + _BATCH]), side))
                rows.append(net.pooled(normalise(small)).half().numpy())
                tell(sum(map(len, rows)), total, "")
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, np.concatenate(rows))
        partial.replace(path)
    # From the file in the first run, too: a resumed run must not differ.
    return torch.from_numpy(np.load(path, allow_pickle=False)).float()


@torch.no_grad()
def projected(features: Float[Tensor, "n f"], projection: nn.Module) -> NDArray[np.float32]:
    """Embeddings (n, d), rows of unit length, of pooled features."""
    rows = projection(functional.normalize(features, dim=1))
    found: NDArray[np.float32] = functional.normalize(rows, dim=1).numpy()
    return found


def fitted_glance(
    glances: Float[Tensor, "n f"],
    looks: Float[Tensor, "n f"],
    projection: nn.Module,
    side: int,
    among: NDArray[np.int64],
) -> Glance:
    """The map between two sides' embeddings by one projection, from some of the pictures."""
    return fit(projected(glances[among], projection), projected(looks[among], projection), side)
