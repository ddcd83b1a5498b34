"""One small real model for all tests of the service, and a service over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model import Model, load
from tests.service.harness import Service, settings_for
from tests.service.weights import save_small_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model card of small random weights: the released network, at 64 pixels."""
    return save_small_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def small_model(weights: Path) -> Model:
    """The model of that card."""
    return load(weights, "cpu")


@pytest.fixture(scope="module")
def shared(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for a file of tests; each test takes categories of its own."""
    with Service(settings_for(tmp_path_factory.mktemp("data")), small_model) as service:
        service.wait_until_ready()
        yield service


@pytest.fixture
def category(request: pytest.FixtureRequest) -> str:
    """A category that no other test of the file uses."""
    return "".join(char if char.isalnum() else "-" for char in request.node.name.lower())[:90]
