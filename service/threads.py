"""Names of threads and processes, as tools of the system show them."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path


def call_this_thread(name: str) -> None:
    """Name it for ``top -H`` and scripts/bench_http.py; threads it starts inherit the name."""
    with contextlib.suppress(OSError):  # where there is no /proc, nobody looks for it there
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
