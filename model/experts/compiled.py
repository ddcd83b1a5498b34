"""The compiled half of counting, where the package was installed with a compiler at hand.

``counting.c`` is an optional extension (pyproject.toml): an installation without a compiler goes on
without it. It knows nothing of Python and is called by ctypes, which lets go of the interpreter's
lock meanwhile.
"""

from __future__ import annotations

import ctypes
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

_HISTOGRAMS, _SINGLES, _GRID = 5, 22, 32  # as in counting.c
_HEAD = 256 * _HISTOGRAMS


def load(folder: Path) -> Any:
    """The function ``standin_count`` of the library in a folder; None where there is none that this
    machine can run."""
    try:
        function = ctypes.CDLL(str(folder / f"_counting{EXTENSION_SUFFIXES[0]}")).standin_count
    except (OSError, AttributeError):
        return None
    pointer = ctypes.c_void_p
    function.argtypes = [pointer, ctypes.c_int64, ctypes.c_int, ctypes.c_int, *[pointer] * 4]
    function.restype = ctypes.c_int
    return function


_count = load(Path(__file__).parent)


def available() -> bool:
    """Whether pictures are counted by compiled code."""
    return _count is not None


def count(area: UInt8[np.ndarray, "h w 3"]) -> tuple[Any, ...] | None:
    """Fields of :class:`model.experts.counting.Counts`, in order; None where NumPy has to count:
    there is no library, it takes no picture so small or so large, or a row's pixels do not lie side
    by side."""
    h, w = area.shape[:2]
    if _count is None or area.strides[1:] != (3, 1):
        return None
    numbers = np.empty(_HEAD + _SINGLES + _GRID * _GRID, np.int64)
    columns, rows = np.empty(w // 2, np.int64), np.empty(h // 2, np.int64)
    colours = np.empty((h // 2) * (w // 2), np.int64)
    results = (each.ctypes.data for each in (numbers, columns, rows, colours))
    found = _count(area.ctypes.data, area.strides[0], h, w, *results)
    if found < 0:
        return None
    tables = numbers[:_HEAD].reshape(_HISTOGRAMS, 256)
    singles = numbers[_HEAD : _HEAD + _SINGLES].tolist()
    grid = numbers[_HEAD + _SINGLES :].reshape(_GRID, _GRID)
    return h, w, tables[:2], *tables[2:], grid, columns, rows, colours[:found], *singles
