"""Who takes part: a learner or a peer, answering the same episodes over its own features."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from model.episodes import Episode
from model.errors import MetricError
from model.learners.base import to_probability
from model.learners.meta import MetaLearner
from model.reports.few_shot import Answers
from model.reports.peers.answering import Calibrated
from model.training.objective import EpisodeBatch

Source = Literal["shipped", "meta-trained", "as built", "peer"]
_CHUNK = 32
_SECONDS = 0.4
_MOST = 200


@dataclass(frozen=True)
class Cost:
    """What one answer takes, beside the encoder's or the reader's look at each picture.

    Attributes:
        adapt_ms: to adapt to a support set. score_ms: for one query, asked 32 at a time.
        state_bytes: kept for a category. look_ms: for a picture, before any of that.
    """

    adapt_ms: float
    score_ms: float
    state_bytes: int
    look_ms: float


@runtime_checkable
class Entrant(Protocol):
    """A line of the table.

    Attributes:
        name: short, for JSON. title: for people. family: what it stands beside.
        key: names everything that its answers depend on.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def source(self) -> Source: ...

    @property
    def key(self) -> str: ...

    def answer(
        self,
        episodes: Sequence[Episode],
        positions: Sequence[int],
        progress: Callable[[int], None] = lambda done: None,
    ) -> Answers:
        """Adapt to and answer every episode; positions are those of the sampler's pictures."""

    def cost(self, episode: Episode, positions: Sequence[int]) -> Cost:
        """Of one episode on this machine, one after the other, median of many."""


@dataclass(frozen=True, eq=False)
class LearnerEntrant:
    """A learner over embeddings.

    Attributes:
        embeddings: of the whole pool, shape (pool, d), float32.
        look_ms: of the encoder, for a picture.
    """

    name: str
    title: str
    family: str
    source: Source
    key: str
    learner: MetaLearner
    embeddings: Float[Tensor, "p d"]
    look_ms: float = float("nan")

    def answer(
        self,
        episodes: Sequence[Episode],
        positions: Sequence[int],
        progress: Callable[[int], None] = lambda done: None,
    ) -> Answers:
        """Many tasks at a time: what every learner promises is the same one by one."""
        rows = self.embeddings[torch.tensor(list(positions), dtype=torch.long)]
        found, labels = _room(episodes)
        for start in range(0, len(episodes), _CHUNK):
            chunk = episodes[start : start + _CHUNK]
            batch = EpisodeBatch.of(chunk)
            with torch.no_grad():
                states = self.learner.fit_batch(
                    rows[batch.support], batch.support_label, batch.support_present
                )
                said = to_probability(self.learner.logits(states, rows[batch.query]))
            for row, episode in enumerate(chunk, start=start):
                asked = len(episode.query)
                labels[row, :asked] = episode.query_is_placeholder
                found[row, :asked] = said[row - start, :asked].double().numpy()
                if np.isnan(found[row, :asked]).any():
                    raise MetricError(f"{self.name} gave no probabilities for episode {row}")
            progress(start + len(chunk))
        return Answers({self.name: found}, labels, [episode.subject for episode in episodes])

    def cost(self, episode: Episode, positions: Sequence[int]) -> Cost:
        """As a service asks: one support set, then its queries."""
        at = torch.tensor(list(positions), dtype=torch.long)
        support = self.embeddings[at[episode.support]]
        label = torch.from_numpy(episode.support_is_placeholder)
        queries = self.embeddings[at[episode.query]]
        head = self.learner.adapt(support, label)
        return Cost(
            milliseconds(lambda: self.learner.adapt(support, label)),
            milliseconds(lambda: self.learner.score(head, queries)) / len(queries),
            head.state.numel() * head.state.element_size(),
            self.look_ms,
        )


@dataclass(frozen=True, eq=False)
class PeerEntrant:
    """A peer over embeddings, hashes, scores or words.

    Attributes:
        features: of the whole pool, shape (pool, f), float32; NaN where nothing was read.
    """

    name: str
    title: str
    key: str
    peer: Calibrated
    features: Float[np.ndarray, "p f"]
    look_ms: float = float("nan")
    family: str = "peers"
    source: Source = "peer"

    def answer(
        self,
        episodes: Sequence[Episode],
        positions: Sequence[int],
        progress: Callable[[int], None] = lambda done: None,
    ) -> Answers:
        """One task after the other."""
        rows = self.features[list(positions)]
        found, labels = _room(episodes)
        for row, episode in enumerate(episodes):
            asked = len(episode.query)
            said = self.peer.answer(
                rows[episode.support], episode.support_is_placeholder, rows[episode.query]
            )
            if said.shape != (asked,) or not ((said >= 0) & (said <= 1)).all():
                raise MetricError(f"{self.name} gave no probabilities for episode {row}")
            labels[row, :asked] = episode.query_is_placeholder
            found[row, :asked] = said
            progress(row + 1)
        return Answers({self.name: found}, labels, [episode.subject for episode in episodes])

    def cost(self, episode: Episode, positions: Sequence[int]) -> Cost:
        """As for learners."""
        rows = self.features[list(positions)]
        support, label = rows[episode.support], episode.support_is_placeholder
        queries, peer = rows[episode.query], self.peer.peer
        state = peer.adapt(support, label)
        score = milliseconds(lambda: peer.log_odds(state, queries)) if state is not None else 0.0
        return Cost(
            milliseconds(lambda: peer.adapt(support, label)),
            score / len(queries),
            peer.size(state),
            self.look_ms,
        )


def _room(episodes: Sequence[Episode]) -> tuple[np.ndarray, np.ndarray]:
    if not episodes:
        raise MetricError("nothing to measure: no episodes")
    most = max(len(episode.query) for episode in episodes)
    return np.full((len(episodes), most), np.nan), np.zeros((len(episodes), most), dtype=bool)


def milliseconds(work: Callable[[], object]) -> float:
    """Median time of a call, of as many as fit into less than a second, after one to warm up."""
    work()
    taken: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(taken) < 3 or (time.perf_counter() < end and len(taken) < _MOST):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken)) * 1000
