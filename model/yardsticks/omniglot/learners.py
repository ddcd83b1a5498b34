"""The learners of this yardstick, by name."""

from __future__ import annotations

import torch

from model.errors import StandinError
from model.yardsticks.omniglot.adapting import AnilNet, LearnedSteps, MamlNet, MemoryNet
from model.yardsticks.omniglot.base import OneShot
from model.yardsticks.omniglot.comparing import (
    MatchingNet,
    PlainConvNet,
    PrototypicalNet,
    RidgeHead,
    SiameseNet,
)

LEARNERS: dict[str, type[OneShot]] = {
    kind.name: kind
    for kind in (
        PlainConvNet,
        SiameseNet,
        MatchingNet,
        PrototypicalNet,
        RidgeHead,
        MamlNet,
        AnilNet,
        LearnedSteps,
        MemoryNet,
    )
}


class UnknownLearner(StandinError, ValueError):
    """A learner was asked for that the yardstick does not have."""


def find(name: str) -> type[OneShot]:
    """The learner of that name.

    Raises:
        UnknownLearner: none has it; the message lists all names.
    """
    if name not in LEARNERS:
        raise UnknownLearner(f"no learner {name!r} on Omniglot; there are {', '.join(LEARNERS)}")
    return LEARNERS[name]


def build(name: str, ways: int, classes: int, seed: int) -> OneShot:
    """A learner before its training, the same for the same seed.

    Raises:
        UnknownLearner: none has that name.
    """
    kind = find(name)
    # PyTorch initialises from a generator of the whole program: it is put back as it was.
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return kind(ways, classes)
