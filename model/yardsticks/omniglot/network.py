"""The network of every learner on this yardstick: four convolutions (Vinyals et al. 2016, 4.1.1).

Sixty-four filters of 3 x 3, a rectifier and 2 x 2 pooling, four times: 28 x 28 pixels become 64
numbers. One thing differs from the literature: groups of channels are normalised instead of
batches (Wu and He 2018, arXiv:1803.08494). The statistics of a batch tell a query about the other
queries, which the runs do not allow, and MAML's inner loop would need a copy for every step.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

CHANNELS = 64
WIDTH = 64  # numbers in an embedding
_GROUPS = 8


class ConvNet(nn.Module):
    """Pictures to embeddings; every picture by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(_block(before, CHANNELS) for before in (1, CHANNELS, CHANNELS, CHANNELS)),
            nn.Flatten(),
        )
        # A third faster on a CPU, and the same numbers.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it

    def forward(self, pictures: Float[Tensor, "n 1 side side"]) -> Float[Tensor, "n d"]:
        found: Tensor = self.blocks(pictures)
        return found


def _block(before: int, after: int) -> nn.Sequential:
    # Pooling before the rectifier gives the same numbers as after it, for a quarter of its work.
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.GroupNorm(_GROUPS, after),
        nn.MaxPool2d(2),
        nn.ReLU(),
    )
