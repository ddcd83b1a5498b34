"""What is kept out of training, by rule: a name decides for itself, once and for all.

Pictures of one group share a studio, a background and a compressor, so a split by picture measures
memory. Whole groups, whole product categories and whole families of drawn stand-ins are kept out
instead. The rule hashes the name, so that nobody chooses, a new group falls on one side without
moving the others, and two people who split the same data agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

Axis = Literal["group", "category", "family"]

Role = Literal["encoder", "learner", "validation"]

# The shares that every released weight and every figure in docs/benchmarks.md use.
FRACTIONS: dict[Axis, float] = {"group": 0.2, "category": 0.15, "family": 0.15}

# Behind the held-out share of each axis lies one kept for the learner's stage: a learner that is
# meta-trained on features which the encoder was fitted to would trust them too much.
RESERVED = 0.15


def position(name: str, axis: str) -> float:
    """Where a name falls in [0, 1): the first 64 bits of SHA-256 of "axis:name"."""
    digest = hashlib.sha256(f"{axis}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def held_out(name: str, axis: Axis, fraction: float | None = None) -> bool:
    """True where ``name`` is kept for validation.

    Args:
        name: of a group, a product category or a family of stand-ins; the empty name (not
            known) is never held out.
        fraction: share of the names to keep out, 0 to 1; the default is the axis's in FRACTIONS.
    Raises:
        ValueError: fraction is not within [0, 1].
    """
    share = FRACTIONS[axis] if fraction is None else fraction
    if not 0 <= share <= 1:
        raise ValueError(f"a fraction lies between 0 and 1, got {share}")
    return bool(name) and position(name, axis) < share


def role(names: Mapping[Axis, str]) -> Role:
    """What a picture may be used for, from its names on the axes that it has.

    Validation wins over the learner's stage, and that over the encoder's, whichever axis says so.
    """
    if any(held_out(name, axis) for axis, name in names.items()):
        return "validation"
    if any(held_out(name, axis, FRACTIONS[axis] + RESERVED) for axis, name in names.items()):
        return "learner"
    return "encoder"
