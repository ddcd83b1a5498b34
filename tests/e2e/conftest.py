"""One server for a file of tests, where the test does not need its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, serving
from tests.service.weights import save_small_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model card of small random weights."""
    return save_small_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ready server."""
    with serving(tmp_path_factory.mktemp("data"), weights, body_timeout=2) as running:
        yield running
