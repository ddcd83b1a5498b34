"""The experts side by side: adapted together, asked together or one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from model.experts import ASKS
from model.experts.category import CategoryState, heads_of
from model.experts.signal_expert import SignalExpert
from model.experts.signals import Signals
from model.learners.base import Learner
from model.learners.blended_prior import study_together
from model.metalearner.context import ADAPTED, Record, describe

Seen: TypeAlias = tuple[Float32[np.ndarray, "n d_e"], Bool[np.ndarray, " n"]]
"""Embeddings of n pictures, and which of them an expert has seen."""

GLANCING = (*ADAPTED, "glance")
"""Whom to ask in a release that glances."""
LETTERING = 4.0
"""Log odds of lettering that weigh as much as the whole of what was read."""


def words_of(
    signals: Signals, rows: NDArray[np.int64] | slice = slice(None)
) -> NDArray[np.float32]:
    """What the expert for words learns from, (n, w + 1): what was read, and whether there was
    anything to read."""
    return np.concatenate([signals.words[rows], signals.lettering[rows, None] / LETTERING], axis=1)


class Panel(nn.Module):
    """The experts that adapt through a few-shot learner: statistics, words and the visual head.

    Sameness needs no head: it reads the examples themselves (``model.experts.sameness``).

    Args:
        statistics, words: each a scale, a rotation and a learner.
        visual: the released learner, over the encoder's embeddings.
    """

    def __init__(self, statistics: SignalExpert, words: SignalExpert, visual: Learner) -> None:
        super().__init__()
        self.statistics = statistics
        self.words = words
        self._visual = visual

    @property
    def learners(self) -> Mapping[str, Learner]:
        """By expert."""
        return {
            "statistics": self.statistics.learner,
            "words": self.words.learner,
            "visual": self._visual,
            "glance": self._visual,
        }

    def sees(self, signals: Signals, asked: Sequence[str] = ADAPTED) -> dict[str, Seen]:
        """Of each expert asked the embeddings (n, d_e), and which pictures it has seen.

        That there is no lettering is evidence, too: blank tiles and silhouettes have none, and
        few goods have as much of it as a notice.
        """
        found = {}
        if "statistics" in asked:
            found["statistics"] = self.statistics.embed(signals.statistics), signals.looked
        if "words" in asked:
            # Few, where a policy says who is asked.
            words, rows = np.zeros((len(signals), self.words.dim), np.float32), signals.read
            if rows.any():
                words[rows] = self.words.embed(words_of(signals, np.flatnonzero(rows)))
            found["words"] = words, rows
        if "visual" in asked:
            found["visual"] = signals.visual, signals.embedded
        if "glance" in asked:
            found["glance"] = signals.glance, signals.glanced
        return found

    def adapt(self, support: Signals, is_placeholder: NDArray[np.bool_]) -> CategoryState:
        """What one category teaches; no examples give the base model.

        Args:
            support: of n examples, n may be 0.
            is_placeholder: shape (n,).
        Raises:
            SupportError: the shapes do not belong together, or a value is not finite.
        """
        return self.study(support, is_placeholder)[0]

    def study(
        self, support: Signals, is_placeholder: NDArray[np.bool_]
    ) -> tuple[CategoryState, Float[Tensor, " n_embedded"]]:
        """What one category teaches, and each embedded example's probability under the visual
        head of all the others; see :meth:`adapt`."""
        labels = torch.from_numpy(is_placeholder)
        heads: dict[str, NDArray[np.float32]] = {}
        told: dict[str, Record] = {}
        left_out = torch.empty(0)
        learners = self.learners
        supports = {
            name: (learners[name], torch.from_numpy(rows[mask]), labels[mask])
            for name, (rows, mask) in self.sees(support).items()
        }
        together = study_together(list(supports.values()))
        for (name, (learner, x, y)), studied in zip(supports.items(), together, strict=True):
            nothing = studied.head if not len(x) else learner.adapt(x[:0], y[:0])
            base = learner.score(nothing, x)
            heads[name] = studied.head.state.numpy()
            told[name] = Record(studied.left_out.numpy(), base.numpy(), y.numpy())
            if name == "visual":
                left_out = studied.left_out
        state = CategoryState(
            arrays=heads,
            context=describe(told, is_placeholder),
            placeholder=int(is_placeholder.sum()),
            real=int((~is_placeholder).sum()),
        )
        return state, left_out

    def logits(
        self,
        states: Sequence[CategoryState],
        of: Int[np.ndarray, " q"],
        seen: Mapping[str, Seen],
        rows: Int[np.ndarray, " q"],
    ) -> tuple[Float32[np.ndarray, "q a"], Bool[np.ndarray, "q a"]]:
        """Log odds of each of ``ASKS``, for question i about picture ``rows[i]`` in category
        ``states[of[i]]``; sameness' column stays empty. A glance is judged by the visual head.

        Args:
            seen: from :meth:`sees`.
        Returns:
            Logits, 0 where an expert abstains or is not in ``seen``, and whether it answered.
        """
        logits = np.zeros((len(rows), len(ASKS)), np.float32)
        answered = np.zeros((len(rows), len(ASKS)), np.bool_)
        learners = self.learners
        for name, (x, mask) in seen.items():
            able = np.flatnonzero(mask[rows])
            if not len(able):
                continue
            head = "visual" if name == "glance" else name
            column, heads = ASKS.index(name), heads_of(states, head, of[able])
            logits[able, column] = learners[name].log_odds(heads, x[rows[able]])
            answered[able, column] = True
        return logits, answered
