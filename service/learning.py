"""From labelled pictures to a category's adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model import Model, PictureError, metrics
from model.experts.signals import Signals
from model.questions import Known, Question
from model.teacher.candidates import CANDIDATES, answer, learn, learn_all, taught
from model.teacher.guesses import Guessing, nats_lost
from service.batching import Embedder
from service.errors import ConflictingLabels, NothingUsable
from service.knowledge import Knowledge, weights_of
from service.metrics import Metrics
from service.pictures import Embedded, Named, Source
from service.store import Adaptation, Label, NewExample, Support, Trial


class Fitter:
    """The store's ``AdaptFn`` for one model: pure, milliseconds.

    Args:
        quality_examples: leave-one-out figures are left out above so many examples.
    """

    def __init__(
        self, model: Model, knowledge: Knowledge, quality_examples: int, counts: Metrics
    ) -> None:
        self.model = model
        self.knowledge = knowledge
        self.quality_examples = quality_examples
        self.counts = counts
        self.guessing = Guessing()

    def __call__(self, support: Support) -> Adaptation:
        """Adapt one category to its support set, judge it, and hear what the teacher said."""
        ensemble = self.model.ensemble
        signals, labels = self._examples(support)
        guessed = support.guessed
        with self.counts.adapt_seconds.time(), torch.inference_mode():
            lessons, left_out = learn(ensemble, signals, labels, guessed=guessed)
            # A category that judges itself by its own guesses is always right.
            own = np.ones(len(labels), np.bool_) if guessed is None else ~guessed
            mine, seen = own[signals.embedded], labels[signals.embedded & own]
            quality = None
            if len(labels) <= self.quality_examples and _enough(seen):
                quality = _quality(left_out[mine], seen)
            online = support.previous_online
            for lesson in support.feedback:
                online = self.taught(online, lesson.answers, lesson.label)
            lost = None if support.trial is None else self.tried(support.trial)
        return Adaptation(
            lessons.to_bytes(),
            ensemble.name,
            self.model.card.sha256,
            quality,
            online,
            guess_loss=lost,
            drops_guesses=lost is not None and lost > self.guessing.patience,
        )

    def tried(self, trial: Trial) -> float:
        """Nats that a category's guesses have lost on the teacher's words, these included: what
        all of its examples say of them, against what those say that the teacher labelled."""
        signals, labels = self._examples(trial.before)
        guessed = trial.before.guessed
        assert guessed is not None  # else there is nothing to try
        words, said = self._examples(trial.words)
        known = []
        for rows in (np.arange(len(labels)), np.flatnonzero(~guessed)):
            some, theirs = signals.take(rows), labels[rows]
            state, _ = learn_all(self.model.ensemble, some, theirs, guessed[rows])
            known.append(Known(state, some, theirs))
        questions = [Question(row, number) for number in (0, 1) for row in range(len(said))]
        nothing = [None, None]
        found = answer(self.model.ensemble, words, known, nothing, nothing, questions)
        with_them, without = found.probability.reshape(2, -1)
        return nats_lost(with_them, without, said, trial.lost)

    def _examples(self, support: Support) -> tuple[Signals, npt.NDArray[np.bool_]]:
        """Signals (n) and labels (n,) of a set."""
        # A copy: the store's array may be read-only, which torch has no notion of.
        shape = (len(support.is_placeholder), self.model.learner.embedding_dim)
        embeddings = np.array(support.embeddings, dtype=np.float32).reshape(shape)
        labels = np.array(support.is_placeholder, dtype=np.bool_)
        return self.knowledge.signals(embeddings, support.signals), labels

    def taught(
        self, previous_online: bytes | None, answers: bytes | None, label: Label
    ) -> bytes | None:
        """The category's online weights after one of the teacher's words.

        Args:
            previous_online: the weights before, None where it has none yet.
            answers: what each candidate answer said of the picture then, None where not kept.
            label: what the picture was.
        """
        given = np.frombuffer(answers or b"", "<f4")
        if len(given) != len(CANDIDATES):
            return previous_online
        weights = taught(weights_of(previous_online), given, label == "placeholder")
        return weights.to_array().astype("<f8").tobytes()


def _enough(is_placeholder: npt.NDArray[np.bool_]) -> bool:
    """Two of each label: with one, leaving it out leaves none."""
    positive = int(is_placeholder.sum())
    return min(positive, len(is_placeholder) - positive) >= 2


def _quality(
    probability: npt.NDArray[np.float32], is_placeholder: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Each example judged by a visual head that never saw it."""
    said = probability >= 0.5
    return {
        "method": "leave-one-out",
        "examples": len(is_placeholder),
        "accuracy": round(float((said == is_placeholder).mean()), 4),
        "auroc": round(metrics.auroc(probability, is_placeholder), 4),
        "missed_placeholders": int((~said & is_placeholder).sum()),
        "false_alarms": int((said & ~is_placeholder).sum()),
    }


@dataclass(frozen=True)
class Labelled:
    """One picture of an upload as it came, and what its sender says it is."""

    label: Label
    source: Source = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """An upload sorted out: what goes into the store, what was refused, what came twice."""

    additions: tuple[NewExample, ...]
    rejected: tuple[tuple[int, PictureError], ...]
    repeated: int


async def prepare(
    labels: Sequence[Label],
    pictures: Sequence[Named | PictureError],
    embedder: Embedder,
    model: Model,
) -> Prepared:
    """Compute what the store keeps of each picture.

    Raises:
        NothingUsable: not one picture could be taken.
        Overloaded: too many pictures are waiting.
    """
    checked = _refuse_conflicts(labels, pictures)
    embedded = await embedder.embed(checked, thumbnails=True)
    wanted: dict[str, int] = {}
    for index, known in enumerate(embedded):
        if isinstance(known, Embedded):
            wanted.setdefault(known.sha256, index)
    good = list(wanted.values())
    thumbnails = await _thumbnails(good, embedded, checked, embedder)
    rejected = {i: known for i, known in enumerate(embedded) if isinstance(known, PictureError)}
    additions = []
    for index, thumbnail in zip(good, thumbnails, strict=True):
        known = embedded[index]
        if isinstance(thumbnail, PictureError):
            rejected[index] = thumbnail
            continue
        assert isinstance(known, Embedded)  # `good` holds no others
        additions.append(
            NewExample(
                label=labels[index],
                sha256=known.sha256,
                width=known.width,
                height=known.height,
                format=known.format,
                embedding=known.embedding,
                thumbnail=thumbnail,
                model_sha256=model.card.sha256,
                signals=known.packed(model.ensemble),
            )
        )
    if not additions:
        raise NothingUsable(sorted(rejected.items()))
    repeated = len(embedded) - len(good) - sum(i not in wanted.values() for i in rejected)
    return Prepared(tuple(additions), tuple(sorted(rejected.items())), repeated)


async def _thumbnails(
    good: Sequence[int],
    embedded: Sequence[Embedded | PictureError],
    checked: Sequence[Named | PictureError],
    embedder: Embedder,
) -> list[bytes | PictureError]:
    """Of the pictures at these places: as they came with the decoding, or made now."""
    found: dict[int, bytes | PictureError] = {}
    for index in good:
        known = embedded[index]
        if isinstance(known, Embedded) and known.thumbnail is not None:
            found[index] = known.thumbnail
    missing = [index for index in good if index not in found]
    made = await embedder.thumbnails([checked[index] for index in missing])
    found |= zip(missing, made, strict=True)
    return [found[index] for index in good]


def _refuse_conflicts(
    labels: Sequence[Label], pictures: Sequence[Named | PictureError]
) -> list[Named | PictureError]:
    said: dict[str, set[Label]] = {}
    for label, picture in zip(labels, pictures, strict=True):
        if isinstance(picture, Named):
            said.setdefault(picture.sha256, set()).add(label)
    return [
        ConflictingLabels("this request gives the same picture both labels")
        if isinstance(picture, Named) and len(said[picture.sha256]) > 1
        else picture
        for picture in pictures
    ]
