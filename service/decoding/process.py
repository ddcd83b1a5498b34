"""A process that decodes: ``python -m service.decoding.process BYTES PIXELS SOCKET DESK ...``.

What is started where the service has no nursery (service/decoding/nursery.py), or has lost it.
Imports what decoding takes, and becomes one process for each socket, which share what they have
imported. Each answers one request after another (service/decoding/frames.py), and ends when the
other side is gone, however it went; the two share the memory of the desk behind the socket. Signals
that end the service are its own affair: what it still waits for is finished.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence

from model import images
from model.look import look_at, unseen
from service.decoding.desk import Desk
from service.decoding.frames import GREETING, REQUEST, Decoded, answer, refusal
from service.memory import keep_freed_memory
from service.threads import call_this_thread


def decode(data: bytes, size: int, thumbnail: int, looks: bool, limits: images.Limits) -> Decoded:
    """One picture; see :func:`model.images.decode` for what is raised."""
    began = time.perf_counter()
    picture = images.decode(data, size, limits, thumbnail=thumbnail)
    decoded = time.perf_counter()
    pixels = picture.pixels
    look = look_at(pixels, picture.width, picture.height) if looks else unseen(pixels)
    return Decoded(picture, look, decoded - began, time.perf_counter() - decoded)


def serve(connection: socket.socket, desk: Desk, limits: images.Limits) -> None:
    """Answer until the other side is gone."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(bytes(GREETING))
        while found := _next(connection, desk, limits):
            connection.sendall(b"".join(found))


def _next(connection: socket.socket, desk: Desk, limits: images.Limits) -> list[bytes | memoryview]:
    """What is answered to the next request; nothing where there is none."""
    head = _receive(connection, REQUEST.size)
    if head is None:
        return []
    length, size, thumbnail, looks, place = REQUEST.unpack(head)
    data = desk.file(place, length) if place else _receive(connection, length)
    if data is None:
        return []
    try:
        decoded = decode(bytes(data), size, thumbnail, looks, limits)
        return answer(decoded, desk, place)
    except Exception as error:  # whatever it is, one picture's fault must not cost the others
        return refusal(error, size, place)


def _receive(connection: socket.socket, length: int) -> bytearray | None:
    """So many bytes; None where the other side is gone before the last."""
    found = bytearray(length)
    view, got = memoryview(found), 0
    while got < length:
        more = connection.recv_into(view[got:], length - got, socket.MSG_WAITALL)
        if not more:
            return None
        got += more
    return found


def settle() -> None:
    """Be a process whose children decode, or that decodes."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    call_this_thread("decode")
    gc.freeze()  # what is imported stays: searching it would copy pages that all of them share


def multiply(
    ends: Sequence[tuple[socket.socket, Desk]],
    limits: images.Limits,
    others: Sequence[socket.socket] = (),
) -> list[int]:
    """A process for each connection and desk, which answers there; they are closed here.

    Args:
        others: what they must not hold open either.
    Returns:
        The processes' numbers.
    """
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
            serve(mine, desk, limits)
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
        (socket.socket(fileno=here), Desk(there))
        for here, there in zip(sockets, desks, strict=True)
    ]


def main(arguments: Sequence[str]) -> int:
    """Serve every socket, a process each, until all have ended."""
    max_bytes, max_pixels, *numbers = map(int, arguments)
    keep_freed_memory()
    settle()
    for child in multiply(ends_of(numbers), images.Limits(max_bytes, max_pixels)):
        os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
