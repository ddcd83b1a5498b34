"""Embeddings as bytes, little-endian, whatever the machine: float32, and float16 in scores."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def pack(embedding: npt.NDArray[np.floating]) -> bytes:
    """Shape (d,) to 4 d bytes."""
    return np.asarray(embedding, dtype="<f4").tobytes()


def unpack(rows: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """n rows of 4 d bytes each to shape (n, d), native float32, read-only; (0, 0) where there are
    none."""
    matrix = np.zeros((0, 0), dtype=np.float32)
    if rows:
        kept = np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)
        matrix = kept.astype(np.float32, copy=False)
    matrix.flags.writeable = False
    return matrix


def unpack_half(row: bytes) -> npt.NDArray[np.float32]:
    """2 d bytes of float16, a vector of unit length, to shape (d,), float32 and that long again.

    Rounding to float16 moves the length by some 1e-4, more than what tells a picture from one
    that is compressed again; its direction it leaves alone.
    """
    vector = np.frombuffer(row, dtype="<f2").astype(np.float32)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector
