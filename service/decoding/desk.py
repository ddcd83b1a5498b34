"""Memory that the service and one process that decodes both see: a desk between the two.

The file lies on it on the way there and the pixels on the way back. Through a socket both would be
copied into the kernel and out of it, a hundred kilobytes each, with the event loop woken for every
piece.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile

import numpy as np
from jaxtyping import UInt8

_FILE = 2**20
"""Bytes of the largest file that is laid here; a larger one takes so long to decode that a socket
costs nothing beside it."""
_SIDE = 512  # pixels: of the largest square
_PLACE = _FILE + 3 * _SIDE * _SIDE
PLACES = 2
"""For the picture that is being decoded, and for the one behind it. They count from 1."""
_SIZE = PLACES * _PLACE


class Desk:
    """In each place one file and one square at a time; who has which is told by frames.

    Memory is taken from the system where something was laid, and not before.

    Args:
        fd: of a desk that exists; None makes a new one. Closed with it.
    Raises:
        OSError: there is no such file, or no memory.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = _new() if fd is None else fd
        self._memory = mmap.mmap(self._fd, _SIZE)

    def fileno(self) -> int:
        """By which another process can share it."""
        return self._fd

    @staticmethod
    def holds(length: int, size: int) -> bool:
        """Whether there is room for a file of so many bytes, and a square of that side."""
        return length <= _FILE and size <= _SIDE

    def lay(self, place: int, data: bytes) -> None:
        """Put a file there."""
        start = (place - 1) * _PLACE
        self._memory[start : start + len(data)] = data

    def file(self, place: int, length: int) -> bytes:
        """The file that lies there."""
        start = (place - 1) * _PLACE
        return self._memory[start : start + length]

    def draw(self, place: int, square: UInt8[np.ndarray, "size size 3"]) -> None:
        """Put pixels there; the file stays."""
        self._square(place, len(square))[:] = square

    def square(self, place: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """A copy of the pixels that lie there."""
        return self._square(place, size).copy()

    def close(self) -> None:
        """Let go of it; another process may keep it."""
        self._memory.close()
        os.close(self._fd)

    def _square(self, place: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        start = (place - 1) * _PLACE + _FILE
        pixels = np.frombuffer(self._memory, np.uint8, 3 * size * size, start)
        return pixels.reshape(size, size, 3)


def _new() -> int:
    """A file that has no name, and on Linux none of the disk's blocks."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a sandbox that forbids it
            fd = os.memfd_create("standin-desk")
            os.truncate(fd, _SIZE)
            return fd
    with tempfile.TemporaryFile() as file:
        file.write(bytes(_SIZE))  # so that its blocks are there: a write that lacks one is fatal
        file.flush()
        return os.dup(file.fileno())
