"""One distinct picture on its way, who computes it, and how much goes at a time."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image

from model import images
from model.errors import PictureError
from model.look import Look
from service.pace import Pace
from service.pictures import Embedded, Named, Wish
from service.threads import call_this_thread

THUMBNAIL = 224
"""Pixels, at most, of a thumbnail's longer side: the released encoder's, so that it is there."""


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
    """One distinct picture on its way, and how many requests wait for it.

    Attributes:
        begun: whether what is computed is decided: a wish that comes now may not be answered.
        due: when the last of those who wait gives up, on the loop's clock.
        shown: whether somebody will look at it: a thumbnail is made, too.
    """

    __slots__ = ("begun", "done", "due", "look", "named", "picture", "shown", "waiters", "wishes")

    def __init__(self, named: Named, loop: asyncio.AbstractEventLoop) -> None:
        self.named = named
        self.waiters = 0
        self.picture: images.Picture | None = None
        self.look: Look | None = None
        self.wishes: list[Wish | None] = []
        self.begun = False
        self.due = -math.inf
        self.shown = False
        # Holds errors as results: one that nobody awaits any more must not be warned about.
        self.done: asyncio.Future[Embedded | Exception] = loop.create_future()


def begin_computing(name: str) -> None:
    """A thread of this name that meets torch: one thread inside it (see ``service/__init__.py``),
    whatever the process was told."""
    call_this_thread(name)
    torch.set_num_threads(1)


def plain_picture() -> bytes:
    """A file for whoever computes to begin with, before the first that somebody sends."""
    out = io.BytesIO()
    Image.new("L", (1, 1), images.GREY).save(out, "PNG")
    return out.getvalue()


def given(result: Embedded | Exception) -> Embedded | PictureError:
    if isinstance(result, Embedded | PictureError):
        return result
    raise result


class Supply(Protocol):
    """Where pictures come from, and where what was computed goes: all on the event loop."""

    @property
    def waiting(self) -> int:
        """Pictures taken and not computed yet."""

    @property
    def lined_up(self) -> int:
        """Of those, the ones that nobody has begun."""

    @property
    def calls(self) -> int:
        """Requests that wait."""

    def next(self) -> Work | None:
        """One picture of the request whose turn it is."""

    def computed(self, work: Work, known: Embedded) -> None:
        """It is done."""

    def unreadable(self, work: Work, error: Exception) -> None:
        """It could not be decoded."""

    def finish(self, work: Work, result: Embedded | Exception) -> None:
        """There is nothing but that."""


class Computes(Protocol):
    """Does pictures beside the event loop.

    Attributes:
        pace: how fast they go.
    """

    pace: Pace

    def work_for(self, supply: Supply) -> None:
        """Whose pictures these are; told once, before anything else."""

    async def warm_up(self) -> None:
        """A plain picture for everybody who computes."""

    def schedule(self) -> None:
        """Take what can be taken now."""

    @property
    def in_hand(self) -> int:
        """Pictures taken and not done."""

    def wished(self, works: Iterable[Work]) -> None:
        """Somebody waits for these who knows what for."""

    def dropped(self, work: Work) -> None:
        """Nobody waits for it any more."""

    async def close(self) -> None:
        """Finish what is being computed, and nothing else."""
