"""How many numbers a learner's own projection of an embedding has."""

from __future__ import annotations

from model.errors import SupportError


def chosen_width(width: int, embedding_dim: int) -> int:
    """The width asked for, d where 0 was asked, and never more than d.

    Raises:
        SupportError: it is below 0.
    """
    if width < 0:
        raise SupportError(f"width must be at least 0 (0 means all {embedding_dim}), got {width}")
    return min(width or embedding_dim, embedding_dim)
