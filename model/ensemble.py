"""From decoded pictures and categories to one probability each, asking no more than it takes.

The cheap experts look at every picture where it is decoded. The dear ones, the reader and the
encoder, are asked in batches, and only where the policy says that the answer is worth it. The
route of a picture through the experts depends on the picture and the category alone, never on
what else is in the batch: another category's wish for the encoder changes nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoder import Encoder
from model.experts import EXPERTS
from model.experts.category import CategoryState
from model.experts.hashing import perceptual_hash
from model.experts.panel import Panel
from model.experts.signals import Signals
from model.experts.statistics import STATISTICS, statistics
from model.experts.words import SIGNAL, Reader
from model.learners.base import Learner, to_probability
from model.metalearner.combination import Combination
from model.metalearner.conformal import bucket_of
from model.metalearner.context import CONTEXT, record
from model.policy.mdp import context_bucket
from model.policy.policy import Policy

if TYPE_CHECKING:
    from model.experts.sameness import Sameness

_WORDS, _VISUAL = EXPERTS.index("words"), EXPERTS.index("visual")
_LOOKED = (EXPERTS.index("statistics"), EXPERTS.index("sameness"))


@dataclass(frozen=True, eq=False)
class Experts:
    """What stands beside the encoder and its learner in a release.

    Attributes:
        surely: by ``conformal.bucket_of``, the probability of a label under which it is not
            excluded; an answer between it and its complement is unsure.
        policy: None asks everyone.
        digest: SHA-256 of all of it, in hexadecimal.
    """

    reader: Reader
    panel: Panel
    sameness: Sameness
    combination: Combination
    surely: tuple[float, ...]
    policy: Policy | None
    digest: str


@dataclass(frozen=True, eq=False)
class Look:
    """A decoded picture, and what the experts that cost nothing saw in it.

    Attributes:
        pixels: shape (size, size, 3), uint8, letterboxed.
        statistics: shape (s,), float32.
        hash: the perceptual hash.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    statistics: NDArray[np.float32] = field(repr=False)
    hash: np.uint64


@dataclass(frozen=True, eq=False)
class Known:
    """A category as it is now: what it taught, and its examples.

    Attributes:
        state: of its experts.
        signals: of its m examples.
        is_placeholder: shape (m,), bool.
    """

    state: CategoryState
    signals: Signals
    is_placeholder: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Question:
    """One picture for one category.

    Attributes:
        row: of the picture among those that were looked at.
        category: position of the category.
        shared: how many items, this one included, carry the same picture.
    """

    row: int
    category: int
    shared: int = 1


@dataclass(frozen=True, eq=False)
class Route:
    """How far q questions have come.

    Attributes:
        logits, answered, asked: shape (q, e): each expert's log odds, whether it had something to
            say, and whether it was asked.
        combined: shape (q,), log odds of the top level over those that answered.
        weights: shape (q, e), of the experts in it.
        wants: shape (q,), int8: the expert whose signal is missing, or -1 at the end of the route.
    """

    logits: Tensor
    answered: Tensor
    asked: Tensor
    combined: Tensor
    weights: Tensor
    wants: NDArray[np.int8]

    @property
    def probability(self) -> Tensor:
        """Shape (q,), strictly inside (0, 1)."""
        return to_probability(self.combined)


class Ensemble:
    """The experts, the top level and the policy of one release.

    Args:
        experts: None where a release has none: the visual head answers alone.
    """

    def __init__(self, encoder: Encoder, learner: Learner, experts: Experts | None) -> None:
        self.encoder = encoder
        self.learner = learner
        self.experts = experts
        self.widths = (len(STATISTICS), SIGNAL, learner.embedding_dim)
        self.base = self.adapt(self.nothing, np.zeros(0, np.bool_))

    @property
    def name(self) -> str:
        """Names learner and experts: a category's state of another name must not be used."""
        beside = "" if self.experts is None else f"+{self.experts.digest[:12]}"
        return f"{self.learner.name}{beside}"

    @property
    def mark(self) -> int:
        """Tells signals of these experts from those of others, below 2**32."""
        return 0 if self.experts is None else int(self.experts.digest[:8], 16)

    @property
    def image_size(self) -> int:
        """Side of the square that pictures are letterboxed to."""
        return self.encoder.image_size

    @property
    def nothing(self) -> Signals:
        """Signals of no pictures."""
        return Signals.empty(0, self.widths)

    # -- looking

    def look(self, pixels: NDArray[np.uint8], width: int, height: int) -> Look:
        """What costs nothing beside decoding; runs in a decoder's thread.

        Args:
            pixels: shape (size, size, 3), letterboxed.
            width, height: of the original.
        """
        if self.experts is None:
            return Look(pixels, np.zeros(len(STATISTICS), np.float32), np.uint64(0))
        size = np.array([[width, height]])
        row = statistics(pixels[None], size)[0]
        return Look(pixels, row, perceptual_hash(pixels[None], size)[0])

    def examine(
        self,
        looks: Sequence[Look],
        categories: Sequence[Known] = (),
        questions: Sequence[Question] | None = None,
    ) -> Signals:
        """Signals of pictures, as far as the questions need them; all of them without questions.

        Raises:
            SupportError: pictures of different sizes.
        """
        signals = self._looked_at(looks)
        if not looks:
            return signals
        if questions is None or self.experts is None or self.experts.policy is None:
            everything = np.arange(len(looks))
            if self.experts is not None:
                signals = self._read(signals, looks, everything)
            return self._embed(signals, looks, everything)
        while True:
            wants = self.route(signals, categories, questions).wants
            rows = np.array([question.row for question in questions], dtype=np.int64)
            if not (wants >= 0).any():
                return signals
            for expert, ask in ((_WORDS, self._read), (_VISUAL, self._embed)):
                wanted = np.unique(rows[wants == expert])
                if len(wanted):
                    signals = ask(signals, looks, wanted)

    def _looked_at(self, looks: Sequence[Look]) -> Signals:
        signals = Signals.empty(len(looks), self.widths)
        for row, look in enumerate(looks):
            signals.statistics[row], signals.hashes[row] = look.statistics, look.hash
        signals.looked[:] = self.experts is not None
        return signals

    def _read(self, signals: Signals, looks: Sequence[Look], rows: NDArray[np.int64]) -> Signals:
        assert self.experts is not None  # nobody asks for words elsewhere
        pixels = np.stack([looks[row].pixels for row in rows.tolist()])
        reading = self.experts.reader.read(torch.from_numpy(pixels))
        signals.read[rows] = True
        signals.words[rows] = reading.signal.numpy()
        signals.lettering[rows] = reading.lettering.numpy()
        return signals

    def _embed(self, signals: Signals, looks: Sequence[Look], rows: NDArray[np.int64]) -> Signals:
        pixels = np.stack([looks[row].pixels for row in rows.tolist()])
        signals.visual[rows] = self.encoder.embed(pixels)
        signals.embedded[rows] = True
        return signals

    def enough(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> bool:
        """Whether the questions can be answered from these signals."""
        return not (self.route(signals, categories, questions).wants >= 0).any()

    # -- learning

    def adapt(self, support: Signals, is_placeholder: NDArray[np.bool_]) -> CategoryState:
        """What one category teaches its experts.

        Raises:
            SupportError: the shapes do not belong together, or a value is not finite.
        """
        if self.experts is not None:
            return self.experts.panel.adapt(support, is_placeholder)
        seen, labels = torch.from_numpy(support.visual), torch.from_numpy(is_placeholder)
        head = self.learner.adapt(seen, labels)
        positive = int(is_placeholder.sum())
        context = np.zeros(len(CONTEXT), np.float32)
        return CategoryState(
            {"visual": head.state}, context, positive, len(is_placeholder) - positive
        )

    # -- answering

    def route(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> Route:
        """Follow every question through the experts, up to its end or to a signal that is missing.

        Args:
            signals: of the pictures that the questions' rows count.
        """
        if self.experts is None:
            return self._visual_alone(signals, categories, questions)
        rows = np.array([question.row for question in questions], dtype=np.int64)
        logits, answered, context = self._everyone(signals, categories, questions)
        there = np.ones((len(rows), len(EXPERTS)), np.bool_)
        there[:, _WORDS], there[:, _VISUAL] = signals.read[rows], signals.embedded[rows]
        asked = np.zeros_like(there)
        asked[:, _LOOKED] = True
        wants = np.full(len(rows), -1, np.int8)
        if self.experts.policy is None:
            asked[:] = True
            wants[~there[:, _VISUAL]] = _VISUAL
            wants[~there[:, _WORDS]] = _WORDS
        else:
            states = [categories[question.category].state for question in questions]
            counts = np.array([[state.placeholder, state.real] for state in states]).reshape(-1, 2)
            bucket = context_bucket(counts, record(context.numpy()))
            self._follow(
                self.experts.policy, logits, answered, context, bucket, there, asked, wants
            )
        return self._combined(logits, answered, context, torch.from_numpy(asked), wants)

    def answered(
        self,
        signals: Signals,
        categories: Sequence[Known],
        questions: Sequence[Question],
        asked: Tensor,
    ) -> Route:
        """The answers of the experts that were asked, shape (q, e), without asking any further."""
        if self.experts is None:
            return self._visual_alone(signals, categories, questions)
        logits, answered, context = self._everyone(signals, categories, questions)
        nothing = np.full(len(questions), -1, np.int8)
        return self._combined(logits, answered, context, asked, nothing)

    def _everyone(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (q, e), whether answered (q, e), and contexts (q, c): of all signals there are."""
        assert self.experts is not None
        panel = self.experts.panel
        rows = np.array([question.row for question in questions], dtype=np.int64)
        of = np.array([question.category for question in questions], dtype=np.int64)
        states = [category.state for category in categories]
        logits, answered = panel.logits(states, of, panel.sees(signals), rows)
        self._same(signals, categories, questions, logits, answered)
        known = np.array([states[i].context for i in of.tolist()], dtype=np.float32)
        return logits, answered, torch.from_numpy(known.reshape(len(of), len(CONTEXT)))

    def _combined(
        self,
        logits: Tensor,
        answered: Tensor,
        context: Tensor,
        asked: Tensor,
        wants: NDArray[np.int8],
    ) -> Route:
        assert self.experts is not None
        spoke = answered & asked
        with torch.no_grad():
            combined = self.experts.combination(logits, spoke, context)
            weights, _ = self.experts.combination.weights(spoke, context)
        return Route(logits, spoke, asked, combined, weights, wants)

    def _follow(
        self,
        policy: Policy,
        logits: Tensor,
        answered: Tensor,
        context: Tensor,
        bucket: NDArray[np.int8],
        there: NDArray[np.bool_],
        asked: NDArray[np.bool_],
        wants: NDArray[np.int8],
    ) -> None:
        """Ask one expert after the other; changes ``asked`` and ``wants``."""
        assert self.experts is not None  # a policy comes with experts
        going = np.arange(len(asked))
        while len(going):
            spoke = answered[going] & torch.from_numpy(asked[going])
            with torch.no_grad():
                so_far = self.experts.combination(logits[going], spoke, context[going])
            action = policy.next_expert(asked[going], so_far.double().numpy(), bucket[going])
            on = action < len(EXPERTS)
            going, action = going[on], action[on]
            missing = ~there[going, action]
            wants[going[missing]] = action[missing]
            going, action = going[~missing], action[~missing]
            asked[going, action] = True

    def _same(
        self,
        signals: Signals,
        categories: Sequence[Known],
        questions: Sequence[Question],
        logits: Tensor,
        answered: Tensor,
    ) -> None:
        """Fill in what sameness says, category by category: by hashes, which are always there, so
        that its answer does not depend on who else asked for the encoder."""
        assert self.experts is not None
        column = EXPERTS.index("sameness")
        of = np.array([question.category for question in questions])
        rows = np.array([question.row for question in questions])
        shared = np.array([question.shared for question in questions])
        for number, category in enumerate(categories):
            mine = np.flatnonzero(of == number)
            if not len(mine):
                continue
            said = self.experts.sameness.answer(
                signals.take(rows[mine]).without_embedding(),
                category.signals.without_embedding(),
                category.is_placeholder,
                shared[mine],
            )
            logits[mine, column] = torch.from_numpy(said.logit)
            answered[mine, column] = torch.from_numpy(said.answered)

    def _visual_alone(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> Route:
        rows = np.array([question.row for question in questions], dtype=np.int64)
        of = np.array([question.category for question in questions], dtype=np.int64)
        q, column = len(rows), _VISUAL
        logits, weights = torch.zeros(q, len(EXPERTS)), torch.zeros(q, len(EXPERTS))
        answered = torch.zeros(q, len(EXPERTS), dtype=torch.bool)
        if q:
            heads = torch.stack([category.state.heads["visual"] for category in categories])
            said = self.learner.score_many(heads[of], torch.from_numpy(signals.visual[rows]))
            logits[:, column] = torch.logit(said)
        answered[:, column], weights[:, column] = True, 1.0
        wants = np.where(signals.embedded[rows], -1, column).astype(np.int8)
        return Route(logits, answered, answered, logits[:, column], weights, wants)

    def unsure_below(self, placeholder: int, real: int) -> float:
        """t: an answer with t < p < 1 - t is unsure in a category of so many examples; 0.5 where
        none is."""
        if self.experts is None:
            return 0.5
        return self.experts.surely[bucket_of(placeholder, real)]
