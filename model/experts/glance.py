"""The visual expert at a glance: the encoder over fewer pixels.

A network made for 224 pixels answers at 128 for a third of the price, and mostly alike: objects are
smaller there than it has learned (Touvron et al. 2019, arXiv:1906.06423), which moves embeddings in
ways that a linear map knows much of. So a glance's embedding is a guess of the whole look's, in the
same space: heads that learned from whole looks judge it, and it is an example where nobody looked
any closer. Once the whole picture has been looked at, the glance keeps a share in what the expert
says. Whether it is enough the policy says, picture by picture (as cascades over resolutions
do: Yang et al. 2020, arXiv:2003.07326).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Shaped
from numpy.typing import NDArray

from model.errors import SupportError
from model.experts import ASKS, EXPERTS

SHARE = 0.25
"""Of a glance in what the visual expert says once it has looked as well: two sizes of a picture err
in different places. Chosen on the log that policies are learned from; more is worse there."""
_VISUAL, _GLANCE = EXPERTS.index("visual"), ASKS.index("glance")


@dataclass(frozen=True, eq=False)
class Glance:
    """How a release glances.

    Attributes:
        side: pixels, of the square that the encoder is given; each of its halvings must come out
            even, so a multiple of 32.
        weight: shape (d, d), of a map from the encoder's embedding at that side to what the whole
            look has more.
        bias: shape (d,).
    Raises:
        SupportError: the parts do not fit.
    """

    side: int
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        d = len(self.bias)
        if self.weight.shape != (d, d) or self.bias.shape != (d,):
            raise SupportError(
                f"a glance's map must have shapes (d, d) and (d,), got {self.weight.shape} and "
                f"{self.bias.shape}"
            )
        if self.side < 32 or self.side % 32:
            raise SupportError(f"a glance's side must be a multiple of 32, got {self.side}")

    def guess(self, embedded: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """The whole looks' embeddings as far as they can be told, rows of unit length.

        Args:
            embedded: by the encoder at this side.
        """
        rows = embedded + embedded @ self.weight + self.bias
        found: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
        return found


def fit(
    glances: Float32[np.ndarray, "n d"],
    looks: Float32[np.ndarray, "n d"],
    side: int,
    penalty: float = 10.0,
) -> Glance:
    """The map of least squares, held to leaving glances as they are (ridge regression).

    Args:
        glances, looks: embeddings of the same pictures at both sizes.
        penalty: on the squares of its numbers, above 0; chosen on pictures that were left out.
    """
    x = np.concatenate([glances, np.ones((len(glances), 1))], axis=1, dtype=np.float64)
    d = glances.shape[1]
    left = x.T @ x + penalty * np.eye(d + 1)
    found = np.linalg.solve(left, x.T @ (looks.astype(np.float64) - glances)).astype(np.float32)
    return Glance(side, np.ascontiguousarray(found[:d]), found[d])


def by_expert(
    logits: Shaped[np.ndarray, "q a"], spoke: Bool[np.ndarray, "q a"]
) -> tuple[Shaped[np.ndarray, "q e"], Bool[np.ndarray, "q e"]]:
    """Of all that can be asked (``ASKS``), or of the experts alone, log odds by expert and which of
    them spoke: the visual one by its glance until it has looked, and then by both, at ``SHARE``."""
    if logits.shape[1] == len(EXPERTS):
        return logits, spoke
    said, heard = logits[:, : len(EXPERTS)].copy(), spoke[:, : len(EXPERTS)].copy()
    glanced, looked = spoke[:, _GLANCE], spoke[:, _VISUAL]
    both = SHARE * logits[:, _GLANCE] + (1 - SHARE) * logits[:, _VISUAL]
    said[:, _VISUAL] = np.where(
        glanced, np.where(looked, both, logits[:, _GLANCE]), said[:, _VISUAL]
    )
    heard[:, _VISUAL] |= glanced
    return said, heard


__all__ = ["Glance", "by_expert", "fit"]
