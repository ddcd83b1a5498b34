"""Small weights for tests: everything is real but what was learned."""

from __future__ import annotations

from pathlib import Path

import torch

from model import weights
from model.encoder import build
from model.learners import DEFAULT, LEARNERS

DIM = 32
SIZE = 64


def save_small_weights(folder: Path, seed: int = 0) -> Path:
    """Write a release of random weights; returns its card."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build("tf_efficientnet_lite0", DIM)
        config = {"embedding_dim": DIM}
        learner = LEARNERS[DEFAULT](**config)
    return weights.save(
        folder,
        "small",
        net,
        learner,
        learner.state_dict(),
        version="0.0.1",
        learner_config=config,
        training_data=[],
        metrics={},
        git_revision="test",
        recorded=[],
        image_size=SIZE,
    )
