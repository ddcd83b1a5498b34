"""Between the store and a learner: a support set goes in, an adaptation comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from service.store.records import UNSET, Label, Unset


@dataclass(frozen=True)
class Lesson:
    """The teacher's word on one prediction, where it taught the category something."""

    row: int
    """Of the support set: where its picture stands there."""
    label: Label
    probability: float
    """What was answered then, by the version that was in force then."""
    version: int
    answers: bytes | None = field(repr=False)
    """What each candidate answer said then, as ``ScoreRow.answers``."""


@dataclass(frozen=True)
class Support:
    """What a category has to learn from, in the order in which the labels came: newest last."""

    embeddings: npt.NDArray[np.float32] = field(repr=False)
    """Shape (n, d). n may be 0, when the last example was removed."""
    is_placeholder: npt.NDArray[np.bool_]
    """Shape (n,)."""
    signals: tuple[bytes | None, ...] = field(default=(), repr=False)
    """n of them, as ``NewExample.signals``; None where unknown."""
    previous_online: bytes | None = field(default=None, repr=False)
    """``Adaptation.online`` of the version before, None where it has none."""
    feedback: tuple[Lesson, ...] = ()
    """What the teacher said in this change, in the order in which it was said."""
    guessed: npt.NDArray[np.bool_] | None = None
    """Shape (n,): which the category labelled itself. They come first; None is none of them."""
    trial: Trial | None = None
    """What the guesses are judged on, where the teacher spoke."""


@dataclass(frozen=True)
class Trial:
    """Guesses before the teacher's words on other pictures."""

    before: Support
    """The set as it was, without the pictures that the words are about."""
    words: Support
    """Those pictures, with what the teacher says."""
    lost: float
    """Nats that the guesses have lost on earlier words: ``Adaptation.guess_loss`` of then."""


@dataclass(frozen=True)
class Adaptation:
    """What a learner made of a support set, ready to be kept.

    ``online`` are the weights that the category learns from its teacher, opaque to the store.
    Left UNSET they are carried along from the version before; None clears them.

    ``guess_loss`` answers a trial: nats that the guesses have lost by now, carried along where it
    is None. With ``drops_guesses`` all of them are removed, in a version after this one.
    """

    state: bytes = field(repr=False)
    learner: str
    model_sha256: str
    quality: Mapping[str, Any] | None = None
    online: bytes | Unset | None = field(default=UNSET, repr=False)
    guess_loss: float | None = None
    drops_guesses: bool = False


AdaptFn = Callable[[Support], Adaptation]
"""Called inside the write transaction, in a worker thread, so it should take milliseconds.

It may be called twice (a database that asks for a retry), so it must be pure. What it raises
reaches the caller unchanged, and nothing is written.
"""
