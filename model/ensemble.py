"""From decoded pictures and categories to one probability each, asking no more than it takes.

The cheap experts look at every picture where it is decoded. The dear ones, the reader and the
encoder, are asked in batches, and only where the policy says that the answer is worth it. The
route of a picture through the experts depends on the picture and the category alone, never on
what else is in the batch: another category's wish for the encoder changes nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoder import Encoder
from model.errors import WeightsError
from model.experts import ASKS, EXPERTS
from model.experts.category import CategoryState, heads_of
from model.experts.glance import Glance, by_expert
from model.experts.panel import GLANCING, Panel
from model.experts.sameness import Sameness
from model.experts.signals import Signals
from model.experts.statistics import STATISTICS
from model.experts.words import SIGNAL, Reads
from model.learners.base import Learner
from model.look import Look, look_at, unseen
from model.metalearner.combination import Combination, Weighing
from model.metalearner.conformal import bucket_of
from model.metalearner.context import ADAPTED, CONTEXT, record
from model.policy.mdp import context_bucket
from model.policy.policy import Policy, follow
from model.questions import Heard, Known, Question, Route

_STATISTICS, _SAME, _WORDS, _VISUAL = range(len(EXPERTS))
_LOOKED = (_STATISTICS, _SAME)
_NOBODY = -1


@dataclass(frozen=True, eq=False)
class Experts:
    """What stands beside the encoder and its learner in a release.

    Attributes:
        surely: by ``conformal.bucket_of``, the probability of a label under which it is not
            excluded; an answer between it and its complement is unsure.
        policy: None asks everyone.
        digest: SHA-256 of all of it, in hexadecimal.
        mark: of the signals, see ``model.experts.release.Released``.
        glance: how the encoder glances; None where it does not. Whether it does for a picture is
            the policy's to say, so without one that knows of it nobody does.
    Raises:
        WeightsError: the policy asks for glances, and there are none.
    """

    reader: Reads
    panel: Panel
    sameness: Sameness
    combination: Combination
    surely: tuple[float, ...]
    policy: Policy | None
    digest: str
    mark: int
    glance: Glance | None = None

    def __post_init__(self) -> None:
        if self.glances and self.glance is None:
            raise WeightsError("the policy asks for glances, and the release has none")

    @property
    def glances(self) -> bool:
        """Whether a picture may be glanced at."""
        return self.policy is not None and self.policy.stop == len(ASKS)


@dataclass(eq=False)
class _Walk:
    """q questions on their way through the experts.

    Attributes:
        logits, answered, asked: shape (q, a), of all that can be asked; filled in on the way.
        told: from :meth:`Ensemble._told`; None where the visual head answers alone.
    """

    heard: Heard
    logits: NDArray[np.float32]
    answered: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    told: tuple[Weighing, NDArray[np.int8]] | None


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
        self._known: WeakKeyDictionary[CategoryState, tuple[Weighing, np.int8]] = (
            WeakKeyDictionary()
        )
        self.base = self.adapt(self.nothing, np.zeros(0, np.bool_))
        self._dear = (("words", self._read), ("glance", self._glance), ("visual", self._embed))

    @property
    def name(self) -> str:
        """Names learner and experts: a category's state of another name must not be used."""
        beside = "" if self.experts is None else f"+{self.experts.digest[:12]}"
        return f"{self.learner.name}{beside}"

    @property
    def mark(self) -> int:
        """Tells signals of these experts from those of others, below 2**32; see ``Released``."""
        return 0 if self.experts is None else self.experts.mark

    @property
    def image_size(self) -> int:
        """Side of the square that pictures are letterboxed to."""
        return self.encoder.image_size

    @property
    def looks(self) -> bool:
        """Whether there are experts that look at a picture beside its decoding."""
        return self.experts is not None

    @property
    def nothing(self) -> Signals:
        """Signals of no pictures."""
        return Signals.empty(0, self.widths)

    # -- looking

    def look(self, pixels: NDArray[np.uint8], width: int, height: int) -> Look:
        """What costs nothing beside decoding; see :func:`model.look.look_at`."""
        return look_at(pixels, width, height) if self.looks else unseen(pixels)

    def examine(
        self,
        looks: Sequence[Look],
        categories: Sequence[Known] = (),
        questions: Sequence[Question] | None = None,
    ) -> Signals:
        """Signals of pictures, as far as the questions need them; without questions all that an
        example has: no glance at what is looked at.

        Raises:
            SupportError: pictures of different sizes.
        """
        if not looks:
            return self.nothing
        if questions is None or self.experts is None or self.experts.policy is None:
            signals, everything = self._looked_at(looks), np.arange(len(looks))
            if self.experts is not None:
                signals = self._read(signals, looks, everything)
            return self._embed(signals, looks, everything)
        return self._ask_on(looks, categories, questions)[0]

    def examine_and_route(
        self, looks: Sequence[Look], categories: Sequence[Known], questions: Sequence[Question]
    ) -> tuple[Signals, Route]:
        """:meth:`examine`, and what :meth:`route` would then say of the same questions, at hardly
        any price beside it.

        Raises:
            SupportError: pictures of different sizes.
        """
        if not looks or self.experts is None or self.experts.policy is None:
            signals = self.examine(looks, categories, questions)
            return signals, self.route(signals, categories, questions)
        return self._ask_on(looks, categories, questions)

    def _ask_on(
        self, looks: Sequence[Look], categories: Sequence[Known], questions: Sequence[Question]
    ) -> tuple[Signals, Route]:
        """As the policy says, until no question wants to know more."""
        assert self.experts is not None  # else there is no policy
        signals = self._looked_at(looks)
        states = [category.state for category in categories]
        heard = self._hear(signals, categories, questions)
        walk = self._set_out(heard, states)
        while True:
            # From where it stopped: who was asked before answers as before.
            wants = self._follow(walk)
            if not (wants >= 0).any():
                return signals, self._combined(walk, wants)
            new: list[str] = []
            for expert, ask in self._dear:
                wanted = np.unique(heard.rows[wants == ASKS.index(expert)])
                if len(wanted):
                    signals = ask(signals, looks, wanted)
                    new.append(expert)
            more = self.experts.panel.sees(signals, new)
            walk.heard = replace(walk.heard, seen={**walk.heard.seen, **more})
            said, spoke = self.experts.panel.logits(states, heard.of, more, heard.rows)
            for column in map(ASKS.index, new):
                walk.logits[:, column], walk.answered[:, column] = said[:, column], spoke[:, column]

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

    def _glance(self, signals: Signals, looks: Sequence[Look], rows: NDArray[np.int64]) -> Signals:
        assert self.experts is not None  # nobody asks for it elsewhere
        assert self.experts.glance is not None
        glance, pixels = self.experts.glance, [looks[row].pixels for row in rows.tolist()]
        signals.glance[rows] = glance.guess(self.encoder.embed_smaller(pixels, glance.side))
        signals.glanced[rows] = True
        return signals

    # -- learning

    def adapt(self, support: Signals, is_placeholder: NDArray[np.bool_]) -> CategoryState:
        """What one category teaches its experts.

        Raises:
            SupportError: the shapes do not belong together, or a value is not finite.
        """
        return self.study(support, is_placeholder)[0]

    def study(
        self, support: Signals, is_placeholder: NDArray[np.bool_]
    ) -> tuple[CategoryState, Tensor]:
        """What one category teaches its experts, and of each example that the encoder saw its
        probability under the visual head of all the others, in order; see :meth:`adapt`."""
        if self.experts is not None:
            return self.experts.panel.study(support, is_placeholder)
        seen, labels = torch.from_numpy(support.visual), torch.from_numpy(is_placeholder)
        studied = self.learner.study(seen, labels)
        positive = int(is_placeholder.sum())
        context = np.zeros(len(CONTEXT), np.float32)
        heads = {"visual": studied.head.state.numpy()}
        negative = len(is_placeholder) - positive
        return CategoryState(heads, context, positive, negative), studied.left_out

    # -- answering

    def route(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> Route:
        """Follow every question through the experts, up to its end or to a signal that is missing.

        Args:
            signals: of the pictures that the questions' rows count.
        """
        heard = self._hear(signals, categories, questions)
        walk = self._set_out(heard, [category.state for category in categories])
        return self._combined(walk, self._follow(walk))

    def under(
        self, route: Route, states: Sequence[CategoryState], chosen: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Probability (k,) of ``chosen`` questions of a route had their categories learned
        otherwise: by the same experts, without asking any further."""
        walk = replace(self._set_out(route.heard.take(chosen), states), asked=route.asked[chosen])
        return self._combined(walk, np.full(len(chosen), _NOBODY, np.int8)).probability

    def _hear(
        self, signals: Signals, categories: Sequence[Known], questions: Sequence[Question]
    ) -> Heard:
        """What is there to answer from; sameness is asked by hashes, which are always there, so
        that its answer does not depend on who else asked the encoder."""
        rows = np.array([question.row for question in questions], dtype=np.int64)
        of = np.array([question.category for question in questions], dtype=np.int64)
        if self.experts is None:
            nothing = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.bool_)
            return Heard(rows, of, {"visual": (signals.visual, signals.embedded)}, *nothing)
        shared = np.array([question.shared for question in questions], dtype=np.int64)
        examples = [(category.signals, category.is_placeholder) for category in categories]
        said = self.experts.sameness.answer_each(signals.take(rows), examples, of, shared)
        asked = GLANCING if self.experts.glances else ADAPTED
        return Heard(rows, of, self.experts.panel.sees(signals, asked), said.logit, said.answered)

    def _set_out(self, heard: Heard, states: Sequence[CategoryState]) -> _Walk:
        """With what everyone has to say already, and whoever is asked before any choice."""
        logits, answered = self._everyone(heard, states)
        asked = np.zeros(logits.shape, np.bool_)
        if self.experts is None:
            asked[:, _VISUAL] = True
            return _Walk(heard, logits, answered, asked, None)
        asked[:, _LOOKED if self.experts.policy is not None else range(len(EXPERTS))] = True
        return _Walk(heard, logits, answered, asked, self._told(states))

    def _follow(self, walk: _Walk) -> NDArray[np.int8]:
        """As far as answers are there: says (q,) whose answer is missing."""
        heard = walk.heard
        there = np.ones(walk.asked.shape, np.bool_)
        for name, (_, seen) in heard.seen.items():
            there[:, ASKS.index(name)] = seen[heard.rows]
        policy = None if self.experts is None else self.experts.policy
        if policy is None or walk.told is None:
            wants = np.full(len(there), _NOBODY, np.int8)
            wants[~there[:, _VISUAL]] = _VISUAL
            wants[~there[:, _WORDS]] = _WORDS
            return wants
        weighing, bucket = walk.told

        def so_far(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            spoke = walk.answered[rows] & walk.asked[rows]
            said = by_expert(walk.logits[rows], spoke)
            return weighing.combined(heard.of[rows], *said).astype(np.float64)

        return follow(policy, so_far, walk.asked, bucket[heard.of], there)

    def _told(self, states: Sequence[CategoryState]) -> tuple[Weighing, NDArray[np.int8]]:
        """Of each category how it weighs its experts, and its bucket for the policy: made once."""
        assert self.experts is not None  # alone, the visual head is not weighed
        new = [state for state in states if state not in self._known]
        if new:
            contexts = np.stack([state.context for state in new])
            counts = np.array([[state.placeholder, state.real] for state in new])
            buckets = context_bucket(counts, record(contexts))
            made = self.experts.combination.weighing(contexts)
            for row, state in enumerate(new):
                # Copies: a view would keep all of them as long as one is known.
                one = Weighing(made.weights[row].copy(), made.offsets[row].copy())
                self._known[state] = one, buckets[row]
        each = [self._known[state] for state in states]
        weighing = Weighing(
            np.stack([one.weights for one, _ in each]), np.stack([one.offsets for one, _ in each])
        )
        return weighing, np.array([bucket for _, bucket in each], np.int8)

    def _everyone(
        self, heard: Heard, states: Sequence[CategoryState]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Logits (q, a) of all that can be asked, and whether answered (q, a), under these
        states."""
        q = len(heard.rows)
        if self.experts is not None:
            panel = self.experts.panel
            logits, answered = panel.logits(states, heard.of, heard.seen, heard.rows)
            logits[:, _SAME], answered[:, _SAME] = heard.same, heard.same_answered
            if not self.experts.glances:  # nor does the policy know of it
                return logits[:, : len(EXPERTS)], answered[:, : len(EXPERTS)]
            return logits, answered
        logits = np.zeros((q, len(EXPERTS)), np.float32)
        answered = np.zeros((q, len(EXPERTS)), np.bool_)
        answered[:, _VISUAL] = True
        if q:
            rows = heard.seen["visual"][0][heard.rows]
            logits[:, _VISUAL] = self.learner.log_odds(heads_of(states, "visual", heard.of), rows)
        return logits, answered

    def _combined(self, walk: _Walk, wants: NDArray[np.int8]) -> Route:
        heard, asked = walk.heard, walk.asked
        logits, spoke = by_expert(walk.logits, walk.answered & asked)
        if walk.told is None:
            alone = spoke.astype(np.float32)
            return Route(heard, logits, spoke, asked, logits[:, _VISUAL], alone, wants)
        weighing, _ = walk.told
        combined = weighing.combined(heard.of, logits, spoke)
        return Route(heard, logits, spoke, asked, combined, weighing.of(heard.of, spoke)[0], wants)

    def unsure_below(self, placeholder: int, real: int) -> float:
        """t: an answer with t < p < 1 - t is unsure in a category of so many examples; 0.5 where
        none is."""
        if self.experts is None:
            return 0.5
        return self.experts.surely[bucket_of(placeholder, real)]
