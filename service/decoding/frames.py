"""What goes between the service and a process that decodes: frames over a pair of sockets.

A request is a head and the file's bytes. An answer begins with a part whose length follows from
the size that was asked for: a head, the statistics, and pixels; what is behind it, a thumbnail or
the message of an error, has the length that the head says. Where the head of the request says so,
the file lies on the desk between the two (service/decoding/desk.py), the pixels come there as well,
and neither is part of the frames. Both sides run the same code, so numbers are in the machine's own
order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from model.errors import PictureError, PictureTooLarge, UnreadablePicture
from model.experts.statistics import STATISTICS
from model.images import FORMATS, Picture
from model.look import Look
from service.decoding.desk import Desk

# Bytes of the file, side of the square, longest side of a thumbnail, whether to look, and where on
# the desk the file lies.
REQUEST = struct.Struct("=IHH?B")
NOWHERE = 0
"""In place of a place: on no desk, but in the frame."""
GREETING = 1
"""Bytes that a process sends before anything else: it is there."""
# Kind, format, width, height, hash, bytes behind, seconds of decoding and of looking.
_ANSWER = struct.Struct("=BBIIQIff")
_STATISTICS = 4 * len(STATISTICS)
_PICTURE = 255
# What each kind of answer is; any other error is a defect, and told by its message.
_ERRORS: tuple[type[Exception], ...] = (
    UnreadablePicture,
    PictureTooLarge,
    PictureError,
    RuntimeError,
)


@dataclass(frozen=True, eq=False)
class Decoded:
    """One picture, what was seen in it, and how many seconds each of the two took."""

    picture: Picture
    look: Look
    decoding: float
    looking: float


def whole(size: int, place: int = NOWHERE) -> int:
    """Bytes of the part of an answer that is always there."""
    return _ANSWER.size + _STATISTICS + (0 if place else 3 * size * size)


def answer(decoded: Decoded, desk: Desk, place: int = NOWHERE) -> list[bytes | memoryview]:
    """Parts of the answer to a picture that could be decoded.

    Args:
        place: of the pixels on the desk; else they are part of the answer.
    """
    picture, look = decoded.picture, decoded.look
    behind = picture.thumbnail or b""
    head = _ANSWER.pack(
        _PICTURE,
        FORMATS.index(picture.format),
        picture.width,
        picture.height,
        int(look.hash),
        len(behind),
        decoded.decoding,
        decoded.looking,
    )
    begun: list[bytes | memoryview] = [head, look.statistics.tobytes()]
    if not place:
        return [*begun, look.pixels.data.cast("B"), behind]
    desk.draw(place, look.pixels)
    return [*begun, behind]


def refusal(error: Exception, size: int, place: int = NOWHERE) -> list[bytes | memoryview]:
    """Parts of the answer to a picture that could not."""
    kind = next((i for i, each in enumerate(_ERRORS) if isinstance(error, each)), len(_ERRORS) - 1)
    known = isinstance(error, PictureError)
    said = str(error) if known else f"{type(error).__name__}: {error}"
    behind = said.encode()
    head = _ANSWER.pack(kind, 0, 0, 0, 0, len(behind), 0.0, 0.0)
    return [head, bytes(whole(size, place) - _ANSWER.size), behind]


def behind(begun: bytearray) -> int:
    """How many bytes of this answer come behind the part that is always there."""
    return int(_ANSWER.unpack_from(begun)[5])


def read(
    begun: bytearray, behind: bytes, size: int, desk: Desk, place: int = NOWHERE
) -> Decoded | Exception:
    """What an answer says."""
    kind, form, width, height, fingerprint, _, decoding, looking = _ANSWER.unpack_from(begun)
    if kind != _PICTURE:
        error: Exception = _ERRORS[kind](behind.decode())
        return error
    statistics = np.frombuffer(begun, np.float32, len(STATISTICS), _ANSWER.size)
    if not place:
        pixels = np.frombuffer(begun, np.uint8, offset=_ANSWER.size + _STATISTICS)
        square = pixels.reshape(size, size, 3)
    else:
        square = desk.square(place, size)
    return Decoded(
        Picture(square, width, height, FORMATS[form], behind or None),
        Look(square, statistics, np.uint64(fingerprint)),
        decoding,
        looking,
    )
