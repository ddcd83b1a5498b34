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
from model.questions import Question
from service.errors import UnreadableBase64
from service.judging import Answer
from service.knowledge import Category

Source = bytes | str | PictureError
"""One picture as it came: its bytes, its base64, or why there is none."""


class Examines(Protocol):
    """What batches ask of :class:`service.judging.Judge`."""

    @property
    def image_size(self) -> int:
        """Side of the square that pictures are letterboxed to."""

    @property
    def looks(self) -> bool:
        """Whether there are experts that look at a picture beside its decoding."""

    def examine(self, looks: Sequence[Look]) -> Signals:
        """All that can be known of pictures."""

    def examine_for(
        self, looks: Sequence[Look], categories: Sequence[Category], questions: Sequence[Question]
    ) -> tuple[Signals, list[Answer]]:
        """As much of pictures as questions take, and the answers."""

    def answers(
        self, signals: Signals, categories: Sequence[Category], questions: Sequence[Question]
    ) -> list[Answer | None]:
        """Of each question its answer; None where these signals are not enough for one."""


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
        answers: of categories as they were, by the number of items that shared the picture, what
            was answered. Grows as it is asked about.
    """

    sha256: str
    signals: Signals = field(repr=False)
    width: int
    height: int
    format: str
    thumbnail: bytes | None = field(default=None, repr=False)
    answers: WeakKeyDictionary[Category, dict[int, Answer]] = field(
        default_factory=WeakKeyDictionary, repr=False
    )

    def answer(self, wish: Wish) -> Answer | None:
        """What was answered; None where nobody has asked, or too little is known."""
        return self.answers.get(wish.category, {}).get(wish.shared)

    def answered(self, wish: Wish, answer: Answer) -> None:
        """Nobody need ask again."""
        self.answers.setdefault(wish.category, {})[wish.shared] = answer

    def serves(self, wish: Wish | None) -> bool:
        """Whether what was wished to be known is known; all that can be, where there is no wish."""
        if wish is None:
            seen = self.signals
            return bool(seen.embedded[0]) and bool(seen.read[0] or not seen.looked[0])
        return self.answer(wish) is not None

    @property
    def embedding(self) -> npt.NDArray[np.float32]:
        """Shape (d,), unit length: of a glance where nobody looked any closer, zeros where the
        encoder was not asked."""
        row: npt.NDArray[np.float32] = self.signals.closest[0]
        return row

    def packed(self, ensemble: Ensemble) -> bytes | None:
        """What the store keeps of the other signals; None where nobody else looks."""
        return self.signals.packed(0, ensemble.mark) if self.signals.looked[0] else None


@dataclass(frozen=True, eq=False)
class Wish:
    """What one picture is computed for: a category as it is now, and how many items share the
    picture. Everything that can be known of it where there is no wish."""

    category: Category
    shared: int = 1


def questions_of(wishes: Sequence[tuple[int, Wish]]) -> tuple[list[Category], list[Question]]:
    """The distinct categories among wishes, and a question for each wish about its row."""
    numbers: dict[int, int] = {}
    categories: list[Category] = []
    questions = []
    for row, wish in wishes:
        number = numbers.setdefault(id(wish.category), len(categories))
        if number == len(categories):
            categories.append(wish.category)
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
