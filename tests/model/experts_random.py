"""An ensemble whose every number is random: what must hold whatever was learned."""

from __future__ import annotations

import numpy as np
import torch

from model.encoder import Encoder, build
from model.ensemble import Ensemble, Experts
from model.experts import ASKS, EXPERTS
from model.experts.glance import Glance
from model.experts.panel import Panel
from model.experts.sameness import Sameness
from model.experts.signal_expert import SignalExpert
from model.experts.statistics import STATISTICS
from model.experts.words import SIGNAL, Reader
from model.learners.blended_prior import BlendedPrior
from model.metalearner.combination import Combination
from model.metalearner.conformal import ONE_SIDED
from model.metalearner.context import CONTEXT
from model.policy.mdp import CONTEXTS
from model.policy.policy import Policy

SIZE = 64
DIM = 32
EDGES = np.array([-1.0, 0.0, 1.0])


def random_policy(rng: np.random.Generator, glances: bool = True) -> Policy:
    """Any allowed action in any state."""
    e = len(ASKS if glances else EXPERTS)
    table = np.full((1 << e, len(EDGES) + 1, len(CONTEXTS)), e, np.int8)
    for subset in range(1 << e):
        allowed = [j for j in range(e) if not subset >> j & 1] + [e]
        table[subset] = rng.choice(allowed, table.shape[1:])
    return Policy(table, EDGES, (0.2, 0.1, 4.0, 20.0, 7.0)[:e], 0.001, (0.0,))


def random_glance(rng: np.random.Generator, dim: int) -> Glance:
    """A map that moves embeddings about as far as they are long."""
    weight = rng.normal(size=(dim, dim), scale=dim**-0.5).astype(np.float32)
    return Glance(32, weight, rng.normal(size=dim, scale=0.1).astype(np.float32))


def random_experts(seed: int, learner: BlendedPrior, policy: bool, glances: bool = True) -> Experts:
    """Experts that have learned nothing, but each something else."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        small = [SignalExpert(len(STATISTICS), 2), SignalExpert(SIGNAL + 1, 2, hidden=8)]
        for expert in small:
            torch.nn.init.normal_(expert.learner.mean, std=0.5)
            expert.learner.set_zero_shot(torch.randn(expert.dim + 1))
            expert.eval().requires_grad_(False)
        combination = Combination(len(EXPERTS), len(CONTEXT)).eval().requires_grad_(False)
        for parameter in combination.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.4)
        reader = Reader(16, 16, 2).eval()
    return Experts(
        reader=reader,
        panel=Panel(small[0], small[1], learner).eval(),
        sameness=Sameness(),
        combination=combination,
        surely=tuple(np.linspace(0.1, 0.5, ONE_SIDED + 1).tolist()),
        policy=random_policy(np.random.default_rng(seed), glances) if policy else None,
        digest="ab" * 32,
        mark=0xABABABAB,
        glance=random_glance(np.random.default_rng(seed), learner.embedding_dim),
    )


def random_ensemble(seed: int = 0, policy: bool = True, glances: bool = True) -> Ensemble:
    """The released backbone at 64 pixels with random weights, and random experts."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build("tf_efficientnet_lite0", DIM).eval()
        learner = BlendedPrior(DIM, 2).eval().requires_grad_(False)
        torch.nn.init.normal_(learner.mean, std=0.5)
        learner.set_zero_shot(torch.randn(DIM + 1))
    encoder = Encoder(net, SIZE, torch.device("cpu"))
    return Ensemble(encoder, learner, random_experts(seed, learner, policy, glances))
