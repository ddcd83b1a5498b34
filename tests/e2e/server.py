"""A real server process on a free port, with a database of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


def environment(folder: Path, weights: Path, **given: object) -> dict[str, str]:
    """This process's, with no setting but the test's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STANDIN_")}
    chosen = {"data_dir": folder, "weights": weights, "threads": 1, "device": "cpu"} | given
    return (
        kept
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        | {f"STANDIN_{name.upper()}": str(value) for name, value in chosen.items()}
    )


class Server:
    """``python -m service``; ``said`` is what it printed before it listened."""

    def __init__(self, folder: Path, weights: Path, **given: object) -> None:
        # A file, not a pipe: nobody reads it while the server runs, and a full pipe would block.
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "--port", "0"],
                cwd=folder,
                env=environment(folder, weights, **given),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        found = None
        while not (found := re.search(r"listening on (http://[\d.]+):(\d+)", self.said)):
            assert self.process.poll() is None, self.said
            time.sleep(0.05)
        self.url = f"{found[1]}:{found[2]}"
        self.port = int(found[2])
        self.client = httpx.Client(base_url=self.url, timeout=120)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> None:
        while True:
            assert self.process.poll() is None, self.said
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)

    def kill(self) -> None:
        """As the kernel does when memory runs out: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.close()

    def stop(self) -> int:
        """As an operator does. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        self.client.close()
        return self.process.wait(60)


@contextmanager
def serving(folder: Path, weights: Path, **given: object) -> Iterator[Server]:
    """A ready server, gone afterwards."""
    server = Server(folder, weights, **given)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
