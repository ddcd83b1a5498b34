"""What is measured: Standin and its peers, how each is started, and what it is sent."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .bodies import Address, Picture, Writer, form, json_image, json_items, multipart, raw
from .catalogue import Shelf
from .processes import Server, ServerError, exchange, free_port

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
NEW = "new"
MIXED = tuple(f"mixed-{number:02}" for number in range(100))
_START_SECONDS = 90.0


@dataclass(frozen=True)
class Sent:
    """One sort of request: how it is written, and how many pictures it holds."""

    title: str
    write: Callable[[], Writer]
    each: int = 1


@dataclass(frozen=True)
class System:
    """Something that answers pictures over HTTP.

    Attributes:
        needs: the package that the peers' Python must have; empty for Standin.
        script: of ``peers/``, and its arguments.
        sent: by name; the first is what it is compared by.
        main: measured at every number of clients; others at a few.
    """

    name: str
    title: str
    needs: str
    sent: Mapping[str, Sent]
    script: Sequence[str] = ()
    main: bool = True
    told: Mapping[str, str] = field(default_factory=dict)


def _own(picture: Picture) -> str:
    return picture.category


def _in_turn(categories: Iterator[str]) -> Address:
    return lambda picture: next(categories)


def _form(category: Address) -> Writer:
    return multipart("/v1/score?category=", "images", category)


_STANDIN = {
    "one": Sent("categories with 10 examples", lambda: _form(_own)),
    "new": Sent("a category without examples", lambda: _form(lambda picture: NEW)),
    "unlike": Sent("categories taught with other goods", lambda: _form(lambda p: p.other)),
    "json": Sent("base64 in JSON", lambda: json_items("/v1/score", _own)),
    "sixteen": Sent("16 pictures a request", lambda: _form(_own), 16),
    "sixteen-json": Sent("16 pictures a request, JSON", lambda: json_items("/v1/score", _own), 16),
    # As the categories of the next, so that only their number is another.
    "alike": Sent(
        "16 pictures of one of 100 categories a request, JSON",
        lambda: json_items("/v1/score", lambda picture: MIXED[0]),
        16,
    ),
    "mixed": Sent(
        f"16 pictures of {len(MIXED)} categories a request, JSON",
        lambda: json_items("/v1/score", _in_turn(itertools.cycle(MIXED))),
        16,
    ),
}
_BASE64 = {"one": Sent("base64 in JSON", lambda: json_image("/predict", "image_data"))}
_FILE = {"one": Sent("multipart", lambda: multipart("/score", "image"))}
_BODY = {"one": Sent("the picture alone", lambda: raw("/"))}


def _peer(name: str, title: str, needs: str, sent: Mapping[str, Sent], *script: str) -> System:
    main = name in {"fastapi", "litserve", "bentoml", "ray"}
    return System(name, title, needs, sent, script, main)


SYSTEMS = {
    system.name: system
    for system in (
        System("standin", "Standin", "", _STANDIN),
        _peer("fastapi", "FastAPI, our engine", "fastapi", _FILE, "peer_fastapi.py"),
        _peer("litserve", "LitServe, our engine", "litserve", _BASE64, "peer_litserve.py"),
        _peer("bentoml", "BentoML, our engine", "bentoml", _FILE, "peer_bentoml.py"),
        _peer("ray", "Ray Serve, our engine", "ray", _BODY, "peer_ray.py"),
        _peer(
            *("litserve-decoding", "LitServe, our engine and decoding", "litserve", _BASE64),
            *("peer_litserve.py", "--decode", "ours"),
        ),
        _peer(
            *("litserve-two", "LitServe, our engine, two workers", "litserve", _BASE64),
            *("peer_litserve.py", "--workers", "2"),
        ),
        _peer(
            *("litserve-batch", "LitServe, our engine, batches of 8", "litserve", _BASE64),
            *("peer_litserve.py", "--batch", "8"),
        ),
        _peer(
            *("litserve-torch", "LitServe, eager torch", "litserve", _BASE64),
            *("peer_litserve.py", "--engine", "torch"),
        ),
        _peer(
            *("fastapi-torch", "FastAPI, eager torch", "fastapi", _FILE),
            *("peer_fastapi.py", "--engine", "torch"),
        ),
    )
}


class Starter:
    """Starts systems, each in a database and a process group of its own.

    Args:
        python: that has the peers.
        shelves: what Standin's categories learn from.
        logs: folder for what the servers print.
    """

    def __init__(self, python: Path, shelves: Sequence[Shelf], logs: Path) -> None:
        self._python = python
        self._shelves = shelves
        self._logs = logs

    def missing(self, system: System) -> str | None:
        """Why it cannot be started here, or None."""
        if not system.needs:
            return None
        code = (
            "import importlib.util, sys; wanted = sys.argv[1:]; "
            "sys.exit(any(importlib.util.find_spec(name) is None for name in wanted))"
        )
        if (
            subprocess.run(
                [self._python, "-c", code, system.needs, "torch"], check=False
            ).returncode
            == 0
        ):
            return None
        return (
            f"skipped {system.title}: this Python has no {system.needs}; "
            "pip install -e '.[bench]', or name a Python that has it with --peers-python"
        )

    @contextmanager
    def running(
        self, system: System, first: bytes, deadline: float | None
    ) -> Iterator[tuple[Server, float]]:
        """The system while it answers, and the seconds that it took to its first answer.

        Args:
            first: a request that it answers with 200 once it is ready.
            deadline: seconds that a request may take, where the system has a setting for that.
        Raises:
            ServerError: it did not start.
        """
        port = free_port()
        log = self._logs / f"{system.name}.log"
        with tempfile.TemporaryDirectory() as data:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
            environment |= {"PYTHONWARNINGS": "ignore", "HOME": data, **system.told}
            if system.needs:
                script = [str(PEERS / system.script[0]), *system.script[1:], "--port", str(port)]
                command = [str(self._python), *script]
                if deadline is not None:
                    command += ["--timeout", str(deadline)]
            else:
                # Everything is to be computed, as if no picture had been seen before.
                environment |= {
                    "STANDIN_DATA_DIR": data,
                    "STANDIN_LOG_LEVEL": "warning",
                    "STANDIN_CACHE_PICTURES": "0",
                }
                if deadline is not None:
                    environment["STANDIN_DEADLINE"] = str(deadline)
                command = [sys.executable, "-m", "service", "--port", str(port)]
            server = Server(command, port, environment, log)
            try:
                spent = server.wait(first, _START_SECONDS)
                if not system.needs:
                    self._teach(port)
                yield server, spent
            finally:
                server.stop()

    def _teach(self, port: int) -> None:
        """Its examples for each shelf's category, and two of one shelf's for each of many."""
        for shelf in self._shelves:
            ten = [(label, jpeg) for label, jpegs in shelf.examples.items() for jpeg in jpegs]
            _add_examples(port, shelf.category, ten)
        two = [(label, jpegs[0]) for label, jpegs in self._shelves[0].examples.items()]
        for category in MIXED:
            _add_examples(port, category, two)


def _add_examples(port: int, category: str, examples: Sequence[tuple[str, bytes]]) -> None:
    request = form(f"/v1/categories/{category}/examples", examples)
    answer = exchange(port, request)
    if answer.split(b" ", 2)[1] not in {b"200", b"201"}:
        raise ServerError(f"adapting {category} was answered {answer[:500]!r}")
