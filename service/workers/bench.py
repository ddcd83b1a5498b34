"""The work of one process: pictures that lie there, and what is done next.

One after the other, and never waiting while there is something to do: a picture is decoded if a
pass is not full yet, else a pass is made of what is decoded. So passes grow with what is on its
way: what comes while one picture is decoded is decoded next, and only when nothing is left a pass
begins that is not full.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from model import images
from model.look import Look, look_at, unseen
from service.judging import Judge
from service.knowledge import Category, Knowledge
from service.passes import one_pass
from service.pictures import Wish
from service.workers import frames
from service.workers.desk import MANY, NOBODY, Desk
from service.workers.frames import NOWHERE, Decoded, Order, Passed, Seen
from service.workers.terms import Terms

Sends = Callable[[list[bytes | memoryview]], None]


def decode(data: bytes, size: int, thumbnail: int, looks: bool, limits: images.Limits) -> Decoded:
    """One picture; see :func:`model.images.decode` for what is raised."""
    began = time.perf_counter()
    picture = images.decode(data, size, limits, thumbnail=thumbnail)
    decoded = time.perf_counter()
    pixels = picture.pixels
    look = look_at(pixels, picture.width, picture.height) if looks else unseen(pixels)
    return Decoded(picture, look, decoded - began, time.perf_counter() - decoded)


@dataclass(frozen=True, eq=False)
class Experts:
    """Who makes the passes of a process, and reads what categories know."""

    judge: Judge
    knowledge: Knowledge


@dataclass(eq=False)
class _Ready:
    """A picture that is decoded."""

    order: Order
    seen: Seen
    look: Look
    since: float


class Bench:
    """Hears what the service sends, and works on it.

    Args:
        desk: where files lie.
        experts: None of a process that decodes and no more.
        send: writes a frame's parts.
    """

    def __init__(self, desk: Desk, terms: Terms, experts: Experts | None, send: Sends) -> None:
        self._desk = desk
        self._terms = terms
        self._limits = terms.limits
        self._experts = experts
        self._send = send
        self._todo: deque[tuple[Order, bytes]] = deque()
        self._ready: dict[int, _Ready] = {}
        self._wishes: dict[int, tuple[bool, list[Wish]]] = {}
        self._categories: dict[int, Category] = {}

    def hear(self, kind: int, body: memoryview) -> None:
        """Whatever is to be known before the next step."""
        if kind == frames.PICTURE:
            order, data = frames.read_picture(body)
            self._todo.append((order, bytes(data)))
            if order.wishes is not None:
                self._wish(order.number, order.wishes)
        elif kind == frames.WISHES:
            number, wished = frames.read_wishes(body)
            if self._has(number):  # else it could not be read, and that is told already
                self._wish(number, wished)
        elif kind == frames.DROP:
            self._drop(frames.read_about(body)[0])
        elif kind == frames.CATEGORY:
            assert self._experts is not None  # else nobody sends one
            number, data = frames.read_about(body)
            self._categories[number] = self._experts.knowledge.sent(bytes(data))
        elif kind == frames.FORGET:
            del self._categories[frames.read_about(body)[0]]

    def patience(self) -> float | None:
        """Seconds until there will be something to do though nothing comes; None: never."""
        if self._todo:
            return 0.0
        wished = self._wished()
        if not wished:
            return None
        if len(wished) >= self._terms.batch or not self._terms.wait:
            return 0.0
        since = min(self._ready[number].since for number in wished)
        return max(0.0, since + self._terms.wait - time.monotonic())

    def step(self) -> None:
        """Do what comes next, if there is anything."""
        wished = self._wished()
        if self._todo and len(wished) < self._terms.batch:
            self._look(*self._todo.popleft())
        elif wished and self.patience() == 0.0:
            self._pass(wished)
        self._desk.slate = NOBODY

    def _wished(self) -> list[int]:
        """Pictures that a pass can be made of, the oldest first."""
        return [number for number in self._ready if number in self._wishes]

    def _wish(self, number: int, wished: frames.Wishes) -> None:
        everything, some = wished
        # Categories as they are known now: one may be forgotten before the pass.
        mine = [Wish(self._categories[of], shared) for of, shared in some]
        self._wishes[number] = everything, mine

    def _has(self, number: int) -> bool:
        return number in self._ready or any(order.number == number for order, _ in self._todo)

    def _drop(self, number: int) -> None:
        """Nobody waits for it; its place is free once that is told."""
        if not self._has(number):  # it is answered already
            return
        self._todo = deque(each for each in self._todo if each[0].number != number)
        self._ready.pop(number, None)
        self._wishes.pop(number, None)
        self._send(frames.refused(number, RuntimeError("nobody waits for it")))

    def _look(self, order: Order, data: bytes) -> None:
        self._desk.slate = order.number
        if order.place != NOWHERE:
            data = self._desk.file(order.place, order.length)
        try:
            found = decode(data, order.size, order.thumbnail, order.looks, self._limits)
        except Exception as error:  # whatever it is, one picture's fault must not cost the others
            self._wishes.pop(order.number, None)
            self._send(frames.refused(order.number, error))
            return
        picture = found.picture
        seen = Seen(
            order.number,
            picture.format,
            picture.width,
            picture.height,
            picture.thumbnail,
            found.decoding,
            found.looking,
        )
        if not order.returns:
            self._ready[order.number] = _Ready(order, seen, found.look, time.monotonic())
            return
        if order.place != NOWHERE:
            self._desk.draw(order.place, found.look.pixels)
        self._send(frames.looked(seen, found.look, order.place == NOWHERE))

    def _pass(self, wished: list[int]) -> None:
        """Over the oldest that fit: one that shall be alone is, whatever else there is."""
        assert self._experts is not None  # else nobody wishes anything
        first = self._ready[wished[0]].order
        if first.alone:
            chosen = wished[:1]
        else:
            others = (number for number in wished if not self._ready[number].order.alone)
            chosen = list(others)[: self._terms.batch]
        self._desk.slate = chosen[0] if len(chosen) == 1 else MANY
        began = time.perf_counter()
        mine = [self._ready.pop(number) for number in chosen]
        asked = [self._wishes.pop(number) for number in chosen]
        try:
            found = one_pass(
                self._experts.judge,
                [one.look for one in mine],
                [[*some, None] if everything else some for everything, some in asked],
            )
        except Exception as error:  # whoever waits must hear of it
            for number in chosen:
                self._send(frames.refused(number, error))
            return
        passed = []
        for one, (_, some), (signals, answers) in zip(mine, asked, found, strict=True):
            said = {id(wish): answer for wish, answer in answers}
            passed.append(Passed(one.seen, signals, [said.get(id(wish)) for wish in some]))
        self._send(frames.passed(passed, time.perf_counter() - began))


def work(
    bench: Bench, read: Callable[[float | None], Iterable[tuple[int, memoryview]] | None]
) -> None:
    """Until the service is gone.

    Args:
        read: the frames that have come; waits for one no longer than told; None at the end.
    """
    while (heard := read(bench.patience())) is not None:
        for kind, body in heard:
            bench.hear(kind, body)
        bench.step()
