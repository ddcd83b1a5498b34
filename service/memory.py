"""How memory comes back: glibc's, told once before anything is allocated, and Python's.

A pass of the encoder on the CPU takes and frees hundreds of megabytes in blocks of many. By default
glibc returns each large block to the kernel and faults it in again, page by page: some 5,000 page
faults a picture, measured as a third of the encoder's processor time. Kept, they cost nothing, and
the peak is the same.
"""

from __future__ import annotations

import ctypes
import gc
import os

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
# Above the largest block of a pass, below what decoding a picture of 50 megapixels takes: that one
# goes back at once.
KEPT_BLOCK = 128 * 2**20
KEPT_HEAP = 512 * 2**20
_ALLOCATIONS = 10_000  # beyond what was freed again, between two searches; Python: 700


def keep_freed_memory() -> bool:
    """Let freed blocks be used again. False where the C library is not glibc, or is told already.

    Whoever sets one of glibc's own variables, or preloads another allocator, knows better.
    """
    told = ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD")
    if any(name in os.environ for name in told):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    # One arena: blocks that one thread freed serve the next, and the heap is counted once.
    return all(
        mallopt(name, value) == 1
        for name, value in (
            (_M_ARENA_MAX, 1),
            (_M_MMAP_THRESHOLD, KEPT_BLOCK),
            (_M_TRIM_THRESHOLD, KEPT_HEAP),
        )
    )


def look_for_cycles_in_what_is_new() -> None:
    """What is there by now stays: going through it takes 130 ms, in which every request waits,
    would come every few thousand scores, and copies pages that forked processes share. What comes
    from now on is looked through less often than Python would: hardly any of it is in cycles."""
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    gc.enable()
