"""Embeddings as bytes: float32, little-endian, whatever the machine."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def pack(embedding: npt.NDArray[np.floating]) -> bytes:
    """Shape (d,) to 4 d bytes."""
    return np.asarray(embedding, dtype="<f4").tobytes()


def unpack(rows: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """n rows of 4 d bytes each to shape (n, d), native float32; (0, 0) where there are none."""
    if not rows:
        return np.zeros((0, 0), dtype=np.float32)
    matrix = np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)
    return matrix.astype(np.float32)
