"""A server with everything that it starts: begun, asked whether it answers, counted, and ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MARK = "BENCH_SERVING_RUN"


class ServerError(Exception):
    """A server did not start, or does not answer as it should; holds the end of its log."""


class Server:
    """A command whose children and theirs are found by a variable that they inherit.

    Args:
        command: with its port in it.
        log: gets what it prints.
    """

    def __init__(
        self, command: Sequence[str], port: int, environment: Mapping[str, str], log: Path
    ) -> None:
        self.port = port
        self.log = log
        self._mark = f"{_MARK}={secrets.token_hex(8)}"
        name, _, value = self._mark.partition("=")
        self._began = time.monotonic()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                env={**environment, name: value},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, request: bytes, seconds: float) -> float:
        """Until it answers this request with 200.

        Returns:
            Seconds from its start.
        Raises:
            ServerError: it ended, or the time is up.
        """
        last = "nothing"
        while time.monotonic() - self._began < seconds:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                last = exchange(self.port, request).partition(b"\r\n")[0].decode("latin-1")
                if last.split()[1:2] == ["200"]:
                    return time.monotonic() - self._began
            time.sleep(0.1)
        tail = self.log.read_text(errors="replace")[-1500:]
        raise ServerError(f"it answered {last}, and printed:\n{tail}")

    def cpu(self) -> float:
        """Seconds of processor time so far of all its processes that still run."""
        total = 0.0
        for folder in self._folders():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(") ")[2].split()
                total += (int(fields[11]) + int(fields[12])) / _TICKS
        return total

    def memory_mib(self) -> float:
        """Resident memory of all its processes, what they share counted once (PSS)."""
        total = 0
        for folder in self._folders():
            with contextlib.suppress(OSError):
                for line in (folder / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024

    def stop(self) -> None:
        """End it and all it has started; those that do not go are killed."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        patience = time.monotonic() + 3
        while time.monotonic() < patience and (self.process.poll() is None or self._any()):
            time.sleep(0.05)
        for _ in range(50):  # killing one may start another
            left = list(self._folders())
            if not left:
                break
            for folder in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(folder.name), signal.SIGKILL)
            time.sleep(0.05)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _any(self) -> bool:
        return next(self._folders(), None) is not None

    def _folders(self) -> Iterator[Path]:
        wanted = self._mark.encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if wanted in (folder / "environ").read_bytes().split(b"\0"):
                        yield folder


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def exchange(port: int, request: bytes, seconds: float = 60) -> bytes:
    """Send a whole request on a connection of its own, and read the answer to its end.

    Raises:
        OSError: nobody listens, or the connection broke.
    """
    head, _, content = request.partition(b"\r\n\r\n")
    request = head + b"\r\nConnection: close\r\n\r\n" + content
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        chunks = []
        while chunk := connection.recv(1 << 16):
            chunks.append(chunk)
    return b"".join(chunks)
