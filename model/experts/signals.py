"""What the experts saw of some pictures, once for all categories, and its bytes for a store."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import SupportError

_FORMAT = 1
_HEADER = struct.Struct("<BBHHI")  # format, flags, numbers of statistics and of words, mark
_HASH = slice(_HEADER.size, _HEADER.size + 8)  # behind it, 8 bytes
_NO_HASH = bytes(8)
_READ, _FLEETING, _BOTH = 1, 2, 4
"""Flags: the reader looked; the embedding is a glance's; a glance's embedding follows."""


@dataclass(frozen=True, eq=False)
class Signals:
    """Signals of n pictures; what was not computed is said to be so, and its row is 0.

    Attributes:
        looked: shape (n,), bool: whether statistics and hash are there. (Not so of examples that an
            earlier release kept.)
        statistics: shape (n, s), float32.
        hashes: shape (n,), uint64: the perceptual hash.
        read: shape (n,), bool: whether the reader looked at the picture.
        words: shape (n, w), float32, rows of unit length where read.
        lettering: shape (n,), float32: log odds that there is lettering at all, where read.
        embedded: shape (n,), bool: whether the encoder did.
        visual: shape (n, d), float32, rows of unit length where embedded.
        glanced: shape (n,), bool: whether the encoder did at fewer pixels.
        glance: shape (n, d), float32, its guess of ``visual``: rows of unit length where glanced.
    """

    looked: NDArray[np.bool_]
    statistics: NDArray[np.float32]
    hashes: NDArray[np.uint64]
    read: NDArray[np.bool_]
    words: NDArray[np.float32]
    lettering: NDArray[np.float32]
    embedded: NDArray[np.bool_]
    visual: NDArray[np.float32]
    glanced: NDArray[np.bool_]
    glance: NDArray[np.float32]

    def __post_init__(self) -> None:
        counts = {name: len(getattr(self, name)) for name in _NAMES}
        if len(set(counts.values())) != 1:
            raise SupportError(f"every signal needs one row a picture, got {counts}")

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Signals:
        """Signals of some pictures, by position or mask."""
        return Signals(**{name: getattr(self, name)[rows] for name in _NAMES})

    @staticmethod
    def empty(n: int, widths: tuple[int, int, int]) -> Signals:
        """Signals of n pictures that nobody has looked at; ``widths`` are s, w and d."""
        s, w, d = widths
        return Signals(
            looked=np.zeros(n, np.bool_),
            statistics=np.zeros((n, s), np.float32),
            hashes=np.zeros(n, np.uint64),
            read=np.zeros(n, np.bool_),
            words=np.zeros((n, w), np.float32),
            lettering=np.zeros(n, np.float32),
            embedded=np.zeros(n, np.bool_),
            visual=np.zeros((n, d), np.float32),
            glanced=np.zeros(n, np.bool_),
            glance=np.zeros((n, d), np.float32),
        )

    @staticmethod
    def hashed(
        looked: NDArray[np.bool_], hashes: NDArray[np.uint64], widths: tuple[int, int, int]
    ) -> Signals:
        """Signals of n pictures of which only hashes are known: rows of zeros that share one
        number."""
        n = len(hashes)
        s, w, d = (rows_of_zeros(n, width) for width in widths)
        nobody = _NOBODY[:n]
        return Signals(looked, s, hashes, nobody, w, w[:, 0], nobody, d, nobody, d)

    @property
    def closest(self) -> NDArray[np.float32]:
        """What is nearest to having looked, (n, d): the embedding, else a glance's, else zeros."""
        return np.where(self.embedded[:, None], self.visual, self.glance)

    def one(self, row: int) -> Signals:
        """A copy of one picture's, in less memory where nobody looked: rows of zeros that share one
        number."""
        found = {name: getattr(self, name)[row : row + 1] for name in _NAMES}
        for name, there in (("visual", self.embedded), ("glance", self.glanced)):
            if not there[row]:
                found[name] = rows_of_zeros(1, found[name].shape[1])
        kept = {name: rows.copy() if any(rows.strides) else rows for name, rows in found.items()}
        return Signals(**kept)

    @staticmethod
    def concatenated(parts: Sequence[Signals]) -> Signals:
        """One after the other.

        Raises:
            SupportError: nothing to concatenate.
        """
        if not parts:
            raise SupportError("there are no signals to concatenate")
        return Signals(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES}
        )

    def packed(self, row: int, mark: int) -> bytes:
        """One picture's signals but for ``closest``, which a store keeps by itself.

        Little-endian: format (1 byte), flags (1), two widths (2 each), mark (4), hash (8),
        statistics in half precision, and likewise where the picture was read lettering and words,
        where it was glanced at before it was looked at the glance.

        Args:
            mark: of the experts that saw them, below 2**32.
        """
        read = bool(self.read[row])
        flags = _READ if read else 0
        if self.glanced[row]:
            flags |= _BOTH if self.embedded[row] else _FLEETING
        widths = (self.statistics.shape[1], self.words.shape[1] if read else 0)
        parts = [self.hashes[row : row + 1].astype("<u8"), self.statistics[row].astype("<f2")]
        if read:
            parts += [self.lettering[row : row + 1].astype("<f2"), self.words[row].astype("<f2")]
        if flags & _BOTH:
            parts.append(self.glance[row].astype("<f2"))
        return _HEADER.pack(_FORMAT, flags, *widths, mark) + b"".join(
            part.tobytes() for part in parts
        )


def rows_of_zeros(n: int, width: int) -> NDArray[np.float32]:
    """Shape (n, width), read-only, in no memory: all share one number."""
    return _zeros(width)[:n]


@lru_cache(maxsize=16)
def _zeros(width: int) -> NDArray[np.float32]:
    """More rows than there are pictures: NumPy takes its time over one of them as over all."""
    return np.broadcast_to(np.float32(0), (_MANY, width))


_MANY = 2**31
_NOBODY = np.broadcast_to(np.bool_(False), _MANY)
_NAMES = tuple(field.name for field in fields(Signals))


def unpack(
    packed: Sequence[bytes | None],
    closest: NDArray[np.float32],
    widths: tuple[int, int, int],
    mark: int,
) -> Signals:
    """Signals of n pictures from :meth:`Signals.packed` and the embeddings beside them.

    Where the bytes are of another format, mark or widths, an expert was changed since, and what it
    saw then means nothing now: the picture counts as one of which nothing else was kept. Of that
    the embedding is left, as one of the encoder's.

    Args:
        packed: n of them; None where nothing else was kept.
        closest: shape (n, d), rows of :attr:`Signals.closest`; zeros where the encoder was not
            asked.
        widths, mark: as they are now.
    """
    found = Signals.empty(len(packed), widths)
    lit = closest.any(axis=1)
    fleeting = np.zeros(len(packed), np.bool_)
    alike: dict[tuple[bytes, int], list[int]] = {}  # rows whose bytes mean the same
    for row, data in enumerate(packed):
        if data is not None:
            alike.setdefault((data[: _HEADER.size], len(data)), []).append(row)
    for (head, length), rows in alike.items():
        layout = _layout(head, length, widths, mark)
        if layout is None:
            continue
        parts = np.frombuffer(b"".join(packed[row] or b"" for row in rows), layout)
        found.looked[rows] = True
        found.statistics[rows], found.hashes[rows] = parts["statistics"], parts["hash"]
        if "words" in layout.names:
            found.read[rows] = True
            found.lettering[rows], found.words[rows] = parts["lettering"], parts["words"]
        if "glance" in layout.names:
            found.glanced[rows], found.glance[rows] = True, parts["glance"]
        fleeting[rows] = bool(head[1] & _FLEETING)
    for seen, embedding, mine in (
        (found.glanced, found.glance, lit & fleeting),
        (found.embedded, found.visual, lit & ~fleeting),
    ):
        seen[mine], embedding[mine] = True, closest[mine]
    return found


def fingerprints(
    packed: Sequence[bytes | None], widths: tuple[int, int, int], mark: int
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Of what :func:`unpack` finds in bytes of n pictures, ``looked`` and ``hashes``: all that
    another picture is compared with as long as the encoder has not seen it.

    Args:
        packed, widths, mark: as there.
    """
    found = [
        None
        if data is None or _layout(data[: _HEADER.size], len(data), widths, mark) is None
        else data[_HASH]
        for data in packed
    ]
    hashes = np.frombuffer(b"".join(one or _NO_HASH for one in found), "<u8")
    return np.array([one is not None for one in found], np.bool_), hashes


@lru_cache(maxsize=64)  # there are few, and NumPy takes its time over one
def _layout(head: bytes, length: int, widths: tuple[int, int, int], mark: int) -> Any:
    """How bytes with this head lie, as NumPy takes it; None where they mean nothing now."""
    if len(head) < _HEADER.size:
        return None
    kind, flags, statistics, words, marked = _HEADER.unpack(head)
    s, w, d = widths
    fields = [("head", "u1", _HEADER.size), ("hash", "<u8"), ("statistics", "<f2", s)]
    if flags & _READ:
        fields += [("lettering", "<f2"), ("words", "<f2", w)]
    if flags & _BOTH:
        fields += [("glance", "<f2", d)]
    layout = np.dtype(fields)
    same = (kind, marked, statistics) == (_FORMAT, mark, s) and length == layout.itemsize
    return layout if same and (words == w or not flags & _READ) else None
