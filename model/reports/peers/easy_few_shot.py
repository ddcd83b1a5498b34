"""Peers of easyfsl (Bennequin 2021) on our embeddings: its methods need no training of their own.

Its matching network is given no encoders: what it would put around the embeddings is two LSTMs
that nobody has trained. Methods marked as transductive see all queries of a task together, half
of which are placeholders; a service rarely has that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from model.reports.peers.answering import both
from model.reports.peers.packages import load, version_of

PACKAGE = "easyfsl"
METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "easyfsl-prototypical": ("PrototypicalNetworks", "prototypical networks", {}),
    "easyfsl-matching": ("MatchingNetworks", "matching networks, no encoders", {}),
    "easyfsl-finetune": (
        "Finetune",
        "fine-tuned prototypes",
        # Its defaults (200 steps of 1e-4) leave the prototypes where they were.
        {"fine_tuning_steps": 40, "fine_tuning_lr": 1e-2, "temperature": 10.0},
    ),
    "easyfsl-bd-cspn": ("BDCSPN", "BD-CSPN (transductive)", {}),
    "easyfsl-laplacian": ("LaplacianShot", "LaplacianShot (transductive)", {}),
}


@dataclass(frozen=True)
class EasyFewShot:
    """One method; a class for real pictures (0) and one for placeholders (1).

    Attributes:
        method: the class's name in ``easyfsl.methods``.
        options: its keyword arguments.
    """

    method: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """Version and settings."""
        return f"{PACKAGE} {version_of(PACKAGE)} {self.method} {self.options}"

    def adapt(
        self, support: Float[np.ndarray, "n f"], is_placeholder: Bool[np.ndarray, " n"]
    ) -> Any:
        """The method with its support set; None where a label is missing."""
        if not both(is_placeholder):
            return None
        kind = getattr(load("easyfsl.methods", PACKAGE), self.method)
        options = dict(self.options)
        if self.method == "MatchingNetworks":
            options |= {"feature_dimension": support.shape[1], **_no_encoders()}
        found = kind(**options)
        found.process_support_set(
            torch.from_numpy(support), torch.from_numpy(is_placeholder.astype(np.int64))
        )
        return found

    def log_odds(self, state: Any, queries: Float[np.ndarray, "q f"]) -> Float[np.ndarray, " q"]:
        """Difference of the two classes' scores."""
        kept = state.prototypes.detach().clone()
        with torch.no_grad():
            scores: Tensor = state(torch.from_numpy(queries)).detach()
        # Some methods go on moving the prototypes at every call.
        state.prototypes = kept
        found: np.ndarray = (scores[:, 1] - scores[:, 0]).double().numpy()
        return found

    def size(self, state: Any) -> int:
        """Of prototypes or of the support set, whichever the method looks at."""
        held = [state.support_features, state.support_labels]
        if self.method in ("PrototypicalNetworks",):
            held = [state.prototypes]
        if self.method == "MatchingNetworks":
            held = [state.contextualized_support_features, state.one_hot_support_labels]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


class _NoSupportEncoder(nn.Module):
    """In place of a two-way LSTM: adds nothing to the features."""

    def forward(self, features: Tensor) -> tuple[Tensor]:
        return (torch.zeros(*features.shape[:-1], 2 * features.shape[-1]),)


class _NoQueryEncoder(nn.Module):
    """In place of an LSTM cell: its hidden state stays zero, so the query stays itself."""

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(state[0]), state[1]


def _no_encoders() -> dict[str, nn.Module]:
    return {"support_encoder": _NoSupportEncoder(), "query_encoder": _NoQueryEncoder()}
