"""What goes between the service and a process that works: frames over a pair of sockets.

Each is a head, which says its kind and its length, and a body. Where the body says so, the file of
a picture lies on the desk between the two (service/workers/desk.py), pixels come back there as
well, and neither is part of the frame. Both sides run the same code, so numbers are in the
machine's own order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import PictureError, PictureTooLarge, UnreadablePicture
from model.experts import EXPERTS
from model.experts.signals import Signals, rows_of_zeros
from model.experts.statistics import STATISTICS
from model.images import FORMATS, Picture
from model.look import Look
from model.questions import Opinion
from service.judging import Answer

HEAD = struct.Struct("=BI")
"""Kind, and bytes of the body."""
PICTURE, WISHES, DROP, CATEGORY, FORGET = range(5)
"""To the process."""
GREETING, REFUSED, LOOKED, PASSED = range(4)
"""From the process: it is there; of one picture there is nothing; it was decoded; a pass."""
NOWHERE = 0
"""In place of a place: on no desk, but in the frame."""

# Number, bytes of the file, its place, side of the square, longest side of a thumbnail, flags.
_PICTURE = struct.Struct("=IIIHHB")
_LOOKS, _RETURNS, _ALONE, _UNTOLD = 1, 2, 4, 8
_WISHES = struct.Struct("=H?")  # how many, and whether everything is wished to be known
_WISH = struct.Struct("=II")  # a category's number, and how many items share the picture
_NUMBER = struct.Struct("=I")
_REFUSED = struct.Struct("=IB")
# Number, format, width, height, bytes of the thumbnail, seconds of decoding and of looking.
_SEEN = struct.Struct("=IBIIIff")
_HASH = struct.Struct("=Q")
_PASSED = struct.Struct("=Hf3H")  # pictures, seconds, and how wide signals are
_SIGNALS = struct.Struct("=BQf")  # which of them there are, hash, lettering
_LOOKED, _READ, _EMBEDDED, _GLANCED = 1, 2, 4, 8
_ANSWER = struct.Struct("=?dB")  # whether there is one, probability, which experts answered
_OPINION = struct.Struct("=dd")
_GIVEN = 16  # bytes: four candidates, float32
_NONE = _ANSWER.pack(False, 0.0, 0)
# What each kind of refusal is; any other error is a defect, and told by its message.
_ERRORS: tuple[type[Exception], ...] = (
    UnreadablePicture,
    PictureTooLarge,
    PictureError,
    RuntimeError,
)

Wishes = tuple[bool, Sequence[tuple[int, int]]]
"""Whether everything is wished to be known of a picture; and for which categories, by number, with
how many items that share it, an answer is."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """One picture, what was seen in it, and how many seconds each of the two took."""

    picture: Picture
    look: Look
    decoding: float
    looking: float


@dataclass(frozen=True, eq=False)
class Order:
    """A picture as a process is sent it.

    Attributes:
        number: its name from here on, above 0 and below 2**32 - 1.
        length, place: of its file.
        size: side of the square, in pixels.
        thumbnail: bound on the longer side of a thumbnail; 0 makes none.
        looks: whether the experts that cost nothing shall look at it.
        returns: whether its pixels are wanted, and nothing else.
        alone: whether no other picture may be in its pass.
        wishes: None where they come later.
    """

    number: int
    length: int
    place: int
    size: int
    thumbnail: int
    looks: bool
    returns: bool = False
    alone: bool = False
    wishes: Wishes | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of a picture once it was decoded, beside its pixels and signals."""

    number: int
    format: str
    width: int
    height: int
    thumbnail: bytes | None
    decoding: float
    looking: float


@dataclass(frozen=True, eq=False)
class Passed:
    """One picture of a pass: its signals, one row, and an answer to each wish or None."""

    seen: Seen
    signals: Signals
    answers: Sequence[Answer | None]


def frame(kind: int, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """Its parts, to be written one after the other."""
    return [HEAD.pack(kind, sum(len(part) for part in parts)), *parts]


# -- to the process


def picture(order: Order, data: bytes = b"") -> list[bytes | memoryview]:
    """One to work on; ``data`` where it lies nowhere."""
    flags = (
        _LOOKS * order.looks
        | _RETURNS * order.returns
        | _ALONE * order.alone
        | _UNTOLD * (order.wishes is None)
    )
    head = _PICTURE.pack(
        order.number, order.length, order.place, order.size, order.thumbnail, flags
    )
    return frame(PICTURE, head, _wishes(order.wishes or (False, ())), data)


def read_picture(body: memoryview) -> tuple[Order, memoryview]:
    """The order, and the file where it lies nowhere else."""
    number, length, place, size, thumbnail, flags = _PICTURE.unpack_from(body)
    wishes, at = _read_wishes(body, _PICTURE.size)
    order = Order(
        number,
        length,
        place,
        size,
        thumbnail,
        bool(flags & _LOOKS),
        bool(flags & _RETURNS),
        bool(flags & _ALONE),
        None if flags & _UNTOLD else wishes,
    )
    return order, body[at:]


def wishes(number: int, wished: Wishes) -> list[bytes | memoryview]:
    """What a picture that was sent before is computed for."""
    return frame(WISHES, _NUMBER.pack(number), _wishes(wished))


def read_wishes(body: memoryview) -> tuple[int, Wishes]:
    """The picture's number, and what is wished."""
    return _NUMBER.unpack_from(body)[0], _read_wishes(body, _NUMBER.size)[0]


def about(kind: int, number: int, data: bytes = b"") -> list[bytes | memoryview]:
    """A :data:`DROP`, :data:`CATEGORY` or :data:`FORGET`."""
    return frame(kind, _NUMBER.pack(number), data)


def read_about(body: memoryview) -> tuple[int, memoryview]:
    """The number, and what is behind it."""
    return _NUMBER.unpack_from(body)[0], body[_NUMBER.size :]


def _wishes(wished: Wishes) -> bytes:
    everything, some = wished
    return _WISHES.pack(len(some), everything) + b"".join(_WISH.pack(*one) for one in some)


def _read_wishes(body: memoryview, at: int) -> tuple[Wishes, int]:
    count, everything = _WISHES.unpack_from(body, at)
    at += _WISHES.size
    end = at + count * _WISH.size
    return (everything, list(_WISH.iter_unpack(body[at:end]))), end


# -- from the process


def refused(number: int, error: Exception) -> list[bytes | memoryview]:
    """Of this picture there is nothing."""
    kind = next((i for i, each in enumerate(_ERRORS) if isinstance(error, each)), len(_ERRORS) - 1)
    known = isinstance(error, PictureError)
    said = str(error) if known else f"{type(error).__name__}: {error}"
    return frame(REFUSED, _REFUSED.pack(number, kind), said.encode())


def read_refused(body: memoryview) -> tuple[int, Exception]:
    """The picture's number, and why."""
    number, kind = _REFUSED.unpack_from(body)
    return number, _ERRORS[kind](bytes(body[_REFUSED.size :]).decode())


def looked(seen: Seen, look: Look, pixels: bool) -> list[bytes | memoryview]:
    """A picture whose pixels are wanted; they are part of the frame, or lie on the desk."""
    parts: list[bytes | memoryview] = [_HASH.pack(int(look.hash)), look.statistics.tobytes()]
    if pixels:
        parts.append(look.pixels.data.cast("B"))
    return frame(LOOKED, _seen(seen), *parts)


def read_looked(body: memoryview) -> tuple[Seen, NDArray[np.float32], np.uint64, memoryview]:
    """What was seen, statistics and hash, and the pixels where they are part of the frame."""
    seen, at = _read_seen(body, 0)
    (fingerprint,) = _HASH.unpack_from(body, at)
    at += _HASH.size
    statistics = np.frombuffer(body, np.float32, len(STATISTICS), at)
    return seen, statistics, np.uint64(fingerprint), body[at + statistics.nbytes :]


def passed(found: Sequence[Passed], seconds: float) -> list[bytes | memoryview]:
    """A pass over a few pictures."""
    rows = found[0].signals
    widths = (rows.statistics.shape[1], rows.words.shape[1], rows.visual.shape[1])
    parts = [_PASSED.pack(len(found), seconds, *widths)]
    for one in found:
        parts += [_seen(one.seen), _signals(one.signals), *map(_answer, one.answers)]
    return frame(PASSED, *parts)


def read_passed(body: memoryview, wished: Callable[[int], int]) -> tuple[list[Passed], float]:
    """The pictures, and how many seconds the pass took.

    Args:
        wished: of a picture's number, how many answers it was to have.
    """
    count, seconds, *widths = _PASSED.unpack_from(body)
    at, found = _PASSED.size, []
    for _ in range(count):
        seen, at = _read_seen(body, at)
        signals, at = _read_signals(body, at, widths)
        answers: list[Answer | None] = []
        for _ in range(wished(seen.number)):
            answer, at = _read_answer(body, at)
            answers.append(answer)
        found.append(Passed(seen, signals, answers))
    return found, seconds


def _seen(seen: Seen) -> bytes:
    small = seen.thumbnail or b""
    head = _SEEN.pack(
        seen.number,
        FORMATS.index(seen.format),
        seen.width,
        seen.height,
        len(small),
        seen.decoding,
        seen.looking,
    )
    return head + small


def _read_seen(body: memoryview, at: int) -> tuple[Seen, int]:
    number, form, width, height, length, decoding, looking = _SEEN.unpack_from(body, at)
    at += _SEEN.size
    small = bytes(body[at : at + length]) or None
    return Seen(number, FORMATS[form], width, height, small, decoding, looking), at + length


def _signals(one: Signals) -> bytes:
    there = (one.looked[0], one.read[0], one.embedded[0], one.glanced[0])
    rows = (one.statistics, one.words, one.visual, one.glance)
    flags = sum(1 << i for i, each in enumerate(there) if each)
    head = _SIGNALS.pack(flags, int(one.hashes[0]), float(one.lettering[0]))
    return head + b"".join(row.tobytes() for row, each in zip(rows, there, strict=True) if each)


def _read_signals(body: memoryview, at: int, widths: Sequence[int]) -> tuple[Signals, int]:
    flags, fingerprint, lettering = _SIGNALS.unpack_from(body, at)
    at += _SIGNALS.size
    there = [bool(flags & 1 << i) for i in range(4)]
    rows = []
    s, w, d = widths
    for each, width in zip(there, (s, w, d, d), strict=True):
        if each:
            rows.append(np.frombuffer(body, np.float32, width, at).reshape(1, width).copy())
            at += 4 * width
        else:
            rows.append(rows_of_zeros(1, width))
    looked, read, embedded, glanced = (_TRUTH[each] for each in there)
    statistics, words, visual, glance = rows
    found = Signals(
        looked=looked,
        statistics=statistics,
        hashes=np.array([fingerprint], np.uint64),
        read=read,
        words=words,
        lettering=np.array([lettering], np.float32),
        embedded=embedded,
        visual=visual,
        glanced=glanced,
        glance=glance,
    )
    return found, at


_TRUTH = {each: np.broadcast_to(np.bool_(each), 1) for each in (False, True)}


def _answer(answer: Answer | None) -> bytes:
    if answer is None:
        return _NONE
    answered = sum(1 << i for i, name in enumerate(EXPERTS) if name in answer.experts)
    opinions = (answer.experts[name] for name in EXPERTS if name in answer.experts)
    return b"".join(
        (
            _ANSWER.pack(True, answer.probability, answered),
            answer.given,
            *(_OPINION.pack(one.probability, one.weight) for one in opinions),
        )
    )


def _read_answer(body: memoryview, at: int) -> tuple[Answer | None, int]:
    there, probability, answered = _ANSWER.unpack_from(body, at)
    at += _ANSWER.size
    if not there:
        return None, at
    given = bytes(body[at : at + _GIVEN])
    at += _GIVEN
    experts = {}
    for i, name in enumerate(EXPERTS):
        if answered & 1 << i:
            experts[name] = Opinion(*_OPINION.unpack_from(body, at))
            at += _OPINION.size
    return Answer(probability, given, experts), at
