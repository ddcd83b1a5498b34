"""What can go wrong with a log or a policy, below the one root of :mod:`model.errors`."""

from __future__ import annotations

from model.errors import StandinError


class LogError(StandinError, ValueError):
    """A log of experts' answers whose arrays do not belong together, or a file that is none."""


class PolicyError(StandinError, ValueError):
    """A policy that cannot be: sizes, costs or choices that do not fit together."""
