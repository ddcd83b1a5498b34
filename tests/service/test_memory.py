"""glibc is told once, and never against an operator's word."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import resource
import numpy as np
from service.memory import keep_freed_memory

told = keep_freed_memory()
for turn in range(12):
    if turn == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = np.ones(50_000_000, np.uint8)
    del block
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment: str) -> tuple[bool, int]:
    """Whether glibc was told, and page faults of ten blocks of 50 MB, taken and freed in turn."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    told, count = done.stdout.split()
    return told == "True", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_freed_block_serves_again_without_page_faults() -> None:
    told, kept = faults()
    assert told
    # Ten blocks of 50 MB have 122,070 pages of 4 KiB; the interpreter's own are a few.
    assert kept < 1000
    untold, left_alone = faults(MALLOC_ARENA_MAX="4")
    assert not untold
    assert left_alone > kept
