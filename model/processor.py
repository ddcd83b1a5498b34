"""What this machine's processor can do, as far as it decides how the networks are run."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Intel's name for the instructions that multiply bytes and add the products up in 32 bits, with
# 512 bits at a time or 256: Vector Neural Network Instructions.
_VNNI = frozenset(("avx512_vnni", "avx_vnni"))


@lru_cache(maxsize=4)
def adds_products_of_bytes(cpuinfo: Path = CPUINFO) -> bool:
    """Whether an instruction multiplies bytes and adds the products up without loss.

    Without one (AVX2 alone), pairs of products are added up in 16 bits and cut off there, so that
    a network in 8 bits gives other numbers, and is hardly faster. Other processors than x86, and
    systems that have no such file, are taken to have none: nothing was measured there.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = (line.partition(":")[2] for line in text.splitlines() if line.startswith("flags"))
    return bool(_VNNI & set(next(flags, "").split()))
