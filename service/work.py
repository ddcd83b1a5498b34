"""One distinct picture on its way through the threads, and how much goes at a time."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

import torch

from model import images
from model.errors import PictureError
from model.look import Look
from service.pictures import Embedded, Named, Wish
from service.threads import call_this_thread


@dataclass(frozen=True)
class Plan:
    """How much at a time. ``batch``, ``queue`` and ``cache`` count pictures, ``wait`` seconds.

    Attributes:
        deadline: seconds until a request is given up; what cannot be done by then is not begun.
        at_once: decodings and passes together: on a CPU they share its cores.
        batch: at most in a pass.
        few: in a pass while few pictures are on their way, at most ``batch``.
    """

    decode_threads: int
    encode_threads: int
    at_once: int
    deadline: float
    batch: int
    few: int
    wait: float
    queue: int
    cache: int


class Work:
    """One distinct picture on its way, and how many requests wait for it."""

    __slots__ = ("begun", "done", "due", "look", "named", "picture", "shown", "waiters", "wishes")

    def __init__(self, named: Named, loop: asyncio.AbstractEventLoop) -> None:
        self.named = named
        self.waiters = 0
        self.picture: images.Picture | None = None
        self.look: Look | None = None
        self.wishes: list[Wish | None] = []
        self.begun = False
        self.due = -math.inf  # when the last of those who wait gives up, on the loop's clock
        self.shown = False  # whether somebody will look at it: a thumbnail is made, too
        # Holds errors as results: one that nobody awaits any more must not be warned about.
        self.done: asyncio.Future[Embedded | Exception] = loop.create_future()


def begin_computing(name: str) -> None:
    """A thread of this name that meets torch: one thread inside it (see ``service/__init__.py``),
    whatever the process was told."""
    call_this_thread(name)
    torch.set_num_threads(1)


def given(result: Embedded | Exception) -> Embedded | PictureError:
    if isinstance(result, Embedded | PictureError):
        return result
    raise result
