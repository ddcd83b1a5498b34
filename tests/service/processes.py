"""Processes beside the service, as the kernel tells of them."""

from __future__ import annotations

import time
from pathlib import Path


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_all_end(pids: list[int]) -> None:
    """With the service, or soon after it."""
    patience = time.monotonic() + 30
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < patience, "they outlived the service"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
