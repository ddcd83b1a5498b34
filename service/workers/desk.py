"""Memory that the service and one process that works both see: a desk between the two.

Files lie on it on the way there, and pixels on the way back. Through a socket both would be copied
into the kernel and out of it, a hundred kilobytes each, with the event loop woken for every piece.
At its edge is a slate, on which the process writes what it is at: should it end there, the service
knows which picture ended it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from typing import Final

import numpy as np
from jaxtyping import UInt8

_FILE = 2**20
"""Bytes of the largest file that is laid here; a larger one takes so long to decode that a socket
costs nothing beside it."""
_SIDE = 512  # pixels: of the largest square
_PLACE = _FILE + 3 * _SIDE * _SIDE
_SLATE = mmap.PAGESIZE
NOBODY: Final = 0
"""On the slate of a process that is at nothing."""
MANY: Final = 2**32 - 1
"""On the slate of a process that is at several pictures."""


class Desk:
    """In each place one file and one square at a time; who has which is told by frames. Places
    count from 1.

    Memory is taken from the system where something was laid, and not before.

    Args:
        places: how many.
        fd: of a desk that exists; None makes a new one. Closed with it.
    Raises:
        OSError: there is no such file, or no memory.
    """

    def __init__(self, places: int, fd: int | None = None) -> None:
        self.places = places
        size = _SLATE + places * _PLACE
        self._fd = _new(size) if fd is None else fd
        self._memory = mmap.mmap(self._fd, size)
        self._slate = np.frombuffer(self._memory, np.uint32, 1)

    @classmethod
    def shared(cls, fd: int) -> Desk:
        """The desk of this file, which another process has made. Closes the file with it.

        Raises:
            OSError: there is no such file, or no memory.
        """
        return cls((os.fstat(fd).st_size - _SLATE) // _PLACE, fd)

    def fileno(self) -> int:
        """By which another process can share it."""
        return self._fd

    @staticmethod
    def holds(length: int, size: int) -> bool:
        """Whether there is room for a file of so many bytes, and a square of that side."""
        return length <= _FILE and size <= _SIDE

    def lay(self, place: int, data: bytes) -> None:
        """Put a file there."""
        start = self._start(place)
        self._memory[start : start + len(data)] = data

    def file(self, place: int, length: int) -> bytes:
        """The file that lies there."""
        start = self._start(place)
        return self._memory[start : start + length]

    def draw(self, place: int, square: UInt8[np.ndarray, "size size 3"]) -> None:
        """Put pixels there; the file stays."""
        self._square(place, len(square))[:] = square

    def square(self, place: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """A copy of the pixels that lie there."""
        return self._square(place, size).copy()

    @property
    def slate(self) -> int:
        """The picture that the process is at: its number, :data:`NOBODY` or :data:`MANY`."""
        return int(self._slate[0])

    @slate.setter
    def slate(self, number: int) -> None:
        self._slate[0] = number

    def close(self) -> None:
        """Let go of it; another process may keep it."""
        del self._slate  # a view, which would not let the memory go
        self._memory.close()
        os.close(self._fd)

    @staticmethod
    def _start(place: int) -> int:
        return _SLATE + (place - 1) * _PLACE

    def _square(self, place: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        start = self._start(place) + _FILE
        pixels = np.frombuffer(self._memory, np.uint8, 3 * size * size, start)
        return pixels.reshape(size, size, 3)


def _new(size: int) -> int:
    """A file that has no name, and on Linux none of the disk's blocks."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a sandbox that forbids it
            fd = os.memfd_create("standin-desk")
            os.truncate(fd, size)
            return fd
    with tempfile.TemporaryFile() as file:
        file.write(bytes(size))  # so that its blocks are there: a write that lacks one is fatal
        file.flush()
        return os.dup(file.fileno())
