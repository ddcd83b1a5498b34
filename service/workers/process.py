"""A process that works: ``python -m service.workers.process TERMS SOCKET DESK ...``.

What is started where the service has no nursery (service/workers/nursery.py), or has lost it.
Imports what the work takes, and becomes one process for each socket, which share what they have
imported and loaded. Each works off what it is sent (service/workers/bench.py), and ends when the
other side is gone, however it went; the two share the memory of the desk behind the socket. Signals
that end the service are its own affair: what it still waits for is finished.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence

from model.errors import StandinError
from service.memory import keep_freed_memory, look_for_cycles_in_what_is_new
from service.threads import call_this_thread
from service.workers import frames
from service.workers.bench import Bench, Experts, work
from service.workers.desk import Desk
from service.workers.terms import Terms

_PIECE = 2**18  # bytes read at a time
YIELDS = 5
"""Steps by which whoever works is less urgent than the service: everybody waits for its event loop,
which at overload refuses thousands while each refusal takes a tenth of a millisecond."""


class _Inbox:
    """Frames as they come."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        # Not select, which knows no file above the 1024th; a busy service has more.
        self._ready = select.poll()
        self._ready.register(connection, select.POLLIN)
        self._held = bytearray()

    def read(self, patience: float | None) -> Iterator[tuple[int, memoryview]] | None:
        """Those that are there; None where the other side is gone.

        Args:
            patience: seconds to wait for one; None for as long as it takes.
        """
        if patience != 0.0:
            self._ready.poll(None if patience is None else math.ceil(1000 * patience))
        try:
            while True:
                piece = self._connection.recv(_PIECE, socket.MSG_DONTWAIT)
                if not piece:
                    return None
                self._held += piece
                if len(piece) < _PIECE:
                    break
        except BlockingIOError:
            pass
        return self._frames()

    def _frames(self) -> Iterator[tuple[int, memoryview]]:
        while len(self._held) >= frames.HEAD.size:
            kind, length = frames.HEAD.unpack_from(self._held)
            end = frames.HEAD.size + length
            if len(self._held) < end:
                break
            body = bytes(memoryview(self._held)[frames.HEAD.size : end])
            del self._held[:end]
            yield kind, memoryview(body)


def serve(connection: socket.socket, desk: Desk, terms: Terms, experts: Experts | None) -> None:
    """Work until the other side is gone."""
    connection.setblocking(True)
    with contextlib.suppress(OSError):  # a sandbox that forbids it
        os.nice(YIELDS)

    def send(parts: list[bytes | memoryview]) -> None:
        connection.sendall(b"".join(parts))

    with contextlib.suppress(ConnectionError):
        send(frames.frame(frames.GREETING))
        work(Bench(desk, terms, experts, send), _Inbox(connection).read)


def experts_of(terms: Terms) -> Experts | None:
    """The experts of these weights; None for who decodes and no more.

    Raises:
        WeightsError: see :func:`model.load`.
    """
    if not terms.computes:
        return None
    import torch

    import model
    from service.judging import Judge
    from service.knowledge import Knowledge

    torch.set_num_threads(1)
    ensemble = model.load(terms.weights, "cpu", terms.engine, terms.precision).ensemble
    return Experts(Judge(ensemble), Knowledge(ensemble))


def settle() -> None:
    """Be a process whose children work, or that works."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    call_this_thread("work")


def multiply(
    ends: Sequence[tuple[socket.socket, Desk]],
    terms: Terms,
    experts: Experts | None,
    others: Sequence[socket.socket] = (),
) -> list[int]:
    """A process for each connection and desk, which works there; they are closed here.

    Args:
        others: what they must not hold open either.
    Returns:
        The processes' numbers.
    """
    look_for_cycles_in_what_is_new()
    children = []
    for mine, desk in ends:
        child = os.fork()
        if not child:
            # Held by anybody else, a connection would seem open after its process has ended.
            for other, its_desk in ends:
                if other is not mine:
                    other.close()
                    its_desk.close()
            for other in others:
                other.close()
            serve(mine, desk, terms, experts)
            os._exit(0)
        children.append(child)
    for connection, desk in ends:
        connection.close()
        desk.close()
    return children


def ends_of(numbers: Sequence[int]) -> list[tuple[socket.socket, Desk]]:
    """Connections and desks by their files' numbers, in turn."""
    sockets, desks = numbers[::2], numbers[1::2]
    return [
        (socket.socket(fileno=here), Desk.shared(there))
        for here, there in zip(sockets, desks, strict=True)
    ]


def main(arguments: Sequence[str]) -> int:
    """Serve every socket, a process each, until all have ended."""
    terms = Terms.from_json(arguments[0])
    keep_freed_memory()
    settle()
    try:
        experts = experts_of(terms)
    except StandinError:  # weights that cannot be used: the service finds so, too, and says it
        return 1
    for child in multiply(ends_of([int(each) for each in arguments[1:]]), terms, experts):
        os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
