"""A peer: perceptual hash (imagededup's pHash) and the nearest example.

64 bits a picture (Zauner 2010: signs of low frequencies of a cosine transform). The score is by
how many bits the nearest real example is farther than the nearest placeholder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from model.reports.peers.packages import load, version_of

_PACKAGE = "imagededup"
# Of two pictures that have nothing in common: half of the bits. A label without examples is as far.
_UNRELATED = 32.0


class HashReader:
    """Hashes a picture.

    Raises:
        PeerMissing: imagededup is not installed.
    """

    def __init__(self) -> None:
        self._version = version_of(_PACKAGE)

    @property
    def key(self) -> str:
        return f"{_PACKAGE} {self._version} PHash"

    @cached_property
    def _hasher(self) -> Any:
        return load("imagededup.methods.hashing", _PACKAGE).PHash(verbose=False)

    def read(self, picture: Image.Image) -> str:
        """16 hexadecimal digits."""
        return str(self._hasher.encode_image(image_array=np.asarray(picture)))

    def row(self, seen: Any) -> Float[np.ndarray, " f"]:
        """64 numbers, 0 or 1."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(seen), dtype=np.uint8))
        return bits.astype(np.float32)


@dataclass(frozen=True)
class NearestHash:
    """Nearest neighbour by Hamming distance."""

    def adapt(
        self, support: Float[np.ndarray, "n f"], is_placeholder: Bool[np.ndarray, " n"]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The hashes of both labels; None without any."""
        if not len(support):
            return None
        return support[is_placeholder], support[~is_placeholder]

    def log_odds(
        self, state: tuple[np.ndarray, np.ndarray], queries: Float[np.ndarray, "q f"]
    ) -> Float[np.ndarray, " q"]:
        """Bits by which the nearest real example is farther than the nearest placeholder."""
        placeholder, real = (_nearest(queries, rows) for rows in state)
        found: np.ndarray = real - placeholder
        return found

    def size(self, state: tuple[np.ndarray, np.ndarray] | None) -> int:
        """Eight bytes a hash, and one for its label."""
        return 0 if state is None else 9 * sum(map(len, state))


def _nearest(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not len(rows):
        return np.full(len(queries), _UNRELATED)
    distance = np.abs(queries[:, None] - rows[None]).sum(-1)
    found: np.ndarray = distance.min(1).astype(np.float64)
    return found
