"""One picture of a request on its way: as it came, by its name, and what is known of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from model import images
from model.ensemble import Ensemble
from model.errors import PictureError
from model.experts.signals import Signals
from model.look import Look
from model.questions import Known, Question
from service.errors import UnreadableBase64

Source = bytes | str | PictureError
"""One picture as it came: its bytes, its base64, or why there is none."""


class Examines(Protocol):
    """What this module asks of :class:`model.ensemble.Ensemble`."""

    @property
    def image_size(self) -> int:
        """Side of the square that pictures are letterboxed to."""

    @property
    def looks(self) -> bool:
        """Whether there are experts that look at a picture beside its decoding."""

    def examine(
        self,
        looks: Sequence[Look],
        categories: Sequence[Known] = (),
        questions: Sequence[Question] | None = None,
    ) -> Signals:
        """Signals, as far as the questions need them; all of them without questions."""

    def enough(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> npt.NDArray[np.bool_]:
        """Shape (q,): whether each question can be answered from these signals."""


@dataclass(frozen=True)
class Named:
    """A picture's bytes and their SHA-256, which is its name from here on."""

    data: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True)
class Embedded:
    """What is known of one picture: its signals (one row), and the size of the original.

    Attributes:
        thumbnail: for people, where it was made beside the decoding.
        enough_for: of categories as they were, the numbers of items that shared the picture for
            which the signals are enough. Grows as it is asked about.
    """

    sha256: str
    signals: Signals = field(repr=False)
    width: int
    height: int
    format: str
    thumbnail: bytes | None = field(default=None, repr=False)
    enough_for: WeakKeyDictionary[Known, set[int]] = field(
        default_factory=WeakKeyDictionary, repr=False
    )

    def serves(self, wish: Wish | None) -> bool:
        """Whether it is known to be enough."""
        return wish is not None and wish.shared in self.enough_for.get(wish.known, ())

    def will_serve(self, wish: Wish) -> None:
        """It is enough: nobody need ask again."""
        self.enough_for.setdefault(wish.known, set()).add(wish.shared)

    @property
    def embedding(self) -> npt.NDArray[np.float32]:
        """Shape (d,), unit length; zeros where the encoder was not asked."""
        row: npt.NDArray[np.float32] = self.signals.visual[0]
        return row

    def packed(self, ensemble: Ensemble) -> bytes | None:
        """What the store keeps of the other signals; None where nobody else looks."""
        return self.signals.packed(0, ensemble.mark) if self.signals.looked[0] else None


@dataclass(frozen=True, eq=False)
class Wish:
    """What one picture is computed for: a category as it is now, and how many items share the
    picture. Everything that can be known of it where there is no wish."""

    known: Known
    shared: int = 1


def questions_of(wishes: Sequence[tuple[int, Wish]]) -> tuple[list[Known], list[Question]]:
    """The distinct categories among wishes, and a question for each wish about its row."""
    numbers: dict[int, int] = {}
    categories: list[Known] = []
    questions = []
    for row, wish in wishes:
        number = numbers.setdefault(id(wish.known), len(categories))
        if number == len(categories):
            categories.append(wish.known)
        questions.append(Question(row, number, wish.shared))
    return categories, questions


def name(source: Source) -> Named | PictureError:
    if isinstance(source, PictureError):
        return source
    if isinstance(source, str):
        try:
            # Line breaks, as `base64` and MIME write them, are not part of the data.
            source = base64.b64decode("".join(source.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            hint = "; leave out what stands before the comma" if source[:5] == "data:" else ""
            return UnreadableBase64(f"`data` is not base64: {error}{hint}")
    return Named(source, hashlib.sha256(source).hexdigest())


def thumbnail(
    picture: Named | PictureError, longest: int, limits: images.Limits
) -> bytes | PictureError:
    if isinstance(picture, PictureError):
        return picture
    try:
        return images.thumbnail(picture.data, longest, limits)
    except PictureError as error:
        return error
