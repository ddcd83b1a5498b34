"""What is kept of one version of a category, and its bytes for another process."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_WHOLE = struct.Struct("<B5i")  # kind; bytes of state, learner and online (-1: None), n, d
_BRIEF = struct.Struct("<B3i")  # kind; bytes of state and online, n
_IS_WHOLE, _IS_BRIEF = 0, 1


@dataclass(frozen=True, eq=False)
class Kept:
    """All that the store has of a version with n examples.

    Attributes:
        state: what the examples taught, as :meth:`model.teacher.candidates.Lessons.to_bytes`
            writes it; None for the base model.
        learner: whose state that is.
        online: how far each candidate is trusted; None before the teacher's first word.
        embeddings: shape (n, d), or (0, 0).
        signals: n of them; None where unknown.
        is_placeholder, is_guess: shape (n,).
    """

    state: bytes | None
    learner: str | None
    online: bytes | None
    embeddings: npt.NDArray[np.float32]
    signals: Sequence[bytes | None]
    is_placeholder: npt.NDArray[np.bool_]
    is_guess: npt.NDArray[np.bool_]

    @property
    def size(self) -> int:
        """Bytes of it."""
        return (
            len(self.state or b"")
            + self.embeddings.nbytes
            + sum(len(one or b"") for one in self.signals)
        )

    def to_bytes(self) -> bytes:
        """As :func:`from_bytes` reads it: a head, the labels and which are guesses (a byte each),
        how long each picture's signals are (4 bytes, -1 for None), the embeddings, the signals,
        and what the head has told the length of."""
        ends = (self.state, None if self.learner is None else self.learner.encode(), self.online)
        lengths = np.array([-1 if one is None else len(one) for one in self.signals], "<i4")
        told = (-1 if end is None else len(end) for end in ends)
        return b"".join(
            (
                _WHOLE.pack(_IS_WHOLE, *told, *self.embeddings.shape),
                self.is_placeholder.tobytes(),
                self.is_guess.tobytes(),
                lengths.tobytes(),
                self.embeddings.astype("<f4").tobytes(),
                *(one or b"" for one in self.signals),
                *(end or b"" for end in ends),
            )
        )


@dataclass(frozen=True, eq=False)
class Brief:
    """What answering takes of it, where its state can be used as it is: of the examples, only what
    another picture is compared with.

    Attributes:
        state, online, is_placeholder, is_guess: as :class:`Kept` has them.
        looked: shape (n,): of which examples there is a hash.
        hashes: shape (n,), uint64.
    """

    state: bytes
    online: bytes | None
    is_placeholder: npt.NDArray[np.bool_]
    is_guess: npt.NDArray[np.bool_]
    looked: npt.NDArray[np.bool_]
    hashes: npt.NDArray[np.uint64]

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.state) + 11 * len(self.hashes)

    def to_bytes(self) -> bytes:
        """As :func:`from_bytes` reads it: a head, labels, which are guesses and which have a hash
        (a byte each), the hashes, state and online weights."""
        online = -1 if self.online is None else len(self.online)
        return b"".join(
            (
                _BRIEF.pack(_IS_BRIEF, len(self.state), online, len(self.hashes)),
                self.is_placeholder.tobytes(),
                self.is_guess.tobytes(),
                self.looked.tobytes(),
                self.hashes.astype("<u8").tobytes(),
                self.state,
                self.online or b"",
            )
        )


def from_bytes(data: bytes) -> Kept | Brief:
    """What either's ``to_bytes`` wrote; the arrays are views of it."""
    return _brief(data) if data[0] == _IS_BRIEF else _whole(data)


class _Reader:
    """Goes through bytes from one part to the next."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def numbers(self, kind: str, count: int) -> npt.NDArray[Any]:
        """An array."""
        found = np.frombuffer(self._data, kind, count, self._at)
        self._at += found.nbytes
        return found

    def part(self, length: int) -> bytes | None:
        """Bytes; None where their length is below 0."""
        begin, self._at = self._at, self._at + max(0, length)
        return None if length < 0 else self._data[begin : self._at]


def _whole(data: bytes) -> Kept:
    _, *ends, n, d = _WHOLE.unpack_from(data)
    read = _Reader(data, _WHOLE.size)
    is_placeholder, is_guess = read.numbers("?", n), read.numbers("?", n)
    lengths = read.numbers("<i4", n).tolist()
    embeddings = read.numbers("<f4", n * d).reshape(n, d)
    signals = tuple(read.part(length) for length in lengths)
    state, learner, online = (read.part(length) for length in ends)
    told = None if learner is None else learner.decode()
    return Kept(state, told, online, embeddings, signals, is_placeholder, is_guess)


def _brief(data: bytes) -> Brief:
    _, state, online, n = _BRIEF.unpack_from(data)
    read = _Reader(data, _BRIEF.size)
    is_placeholder, is_guess, looked = (read.numbers("?", n) for _ in range(3))
    hashes = read.numbers("<u8", n)
    taught = read.part(state) or b""
    return Brief(taught, read.part(online), is_placeholder, is_guess, looked, hashes)


NOTHING = Kept(
    None, None, None, np.zeros((0, 0), np.float32), (), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
)
"""Of the base model."""
