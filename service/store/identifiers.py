"""Ids that nobody can guess the number of, and that still grow with time (RFC 9562, UUIDv7)."""

import os
import time


def new_ids(count: int) -> list[str]:
    """``count`` UUIDv7 as 32 hexadecimal digits each, ascending within the call.

    48 bits of milliseconds, then a 12-bit and 14-bit counter part that starts at random below a
    quarter of its range, then 48 random bits. Growing ids keep index inserts at the right edge
    and list examples in the order in which they came.
    """
    millis = time.time_ns() // 1_000_000
    noise = os.urandom(6 * count + 3)
    counter = int.from_bytes(noise[-3:], "big")  # 24 of 26 bits: room for 50 million more
    ids = []
    for index in range(count):
        value = counter + index
        number = (
            (millis & (1 << 48) - 1) << 80
            | 0x7 << 76
            | (value >> 14) << 64
            | 0b10 << 62
            | (value & 0x3FFF) << 48
            | int.from_bytes(noise[6 * index : 6 * index + 6], "big")
        )
        ids.append(f"{number:032x}")
    return ids


def new_id() -> str:
    """One id; see ``new_ids``."""
    return new_ids(1)[0]
