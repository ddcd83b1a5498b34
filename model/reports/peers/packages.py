"""Peers are packages of the extra ``peers``: imported when they are measured, not before."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from model.errors import StandinError


class PeerMissing(StandinError):
    """A peer's package is not installed."""


def load(module: str, package: str) -> Any:
    """Import a module of a peer's package.

    Raises:
        PeerMissing: it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PeerMissing(
            f"the peer {package} is not installed ({error}); "
            "pip install 'standin[peers]', or leave peers out with --no-peers"
        ) from error


def version_of(package: str) -> str:
    """Its version.

    Raises:
        PeerMissing: it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise PeerMissing(
            f"the peer {package} is not installed; pip install 'standin[peers]', or leave peers "
            "out with --no-peers"
        ) from error
