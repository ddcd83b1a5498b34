"""What every expert says in many tasks: what the top level and the policy learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.episodes import Episode
from model.experts import ASKS, EXPERTS
from model.experts.hashing import perceptual_hash
from model.experts.panel import Panel
from model.experts.sameness import Sameness
from model.experts.signals import Signals
from model.experts.statistics import statistics
from model.experts.words import Reader
from model.metalearner.context import CONTEXT
from model.policy.log import Log
from model.training.run import Tell

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Pool:
    """Pictures that tasks are drawn from.

    Attributes:
        signals: of n pictures, all experts asked, and maybe all glanced at.
        kinds: of each a word for tables: the stand-in's kind or the product's hard tag.
    """

    signals: Signals
    kinds: NDArray[np.str_]


def ask_everyone(
    panel: Panel,
    sameness: Sameness,
    pool: Pool,
    episodes: Iterable[Episode],
    tell: Callable[[int], None] = lambda done: None,
) -> Log:
    """Adapt the panel to each task's support set and ask every expert about its queries; for
    glances, too, where all pictures were glanced at."""
    everyone = ASKS if pool.signals.glanced.all() else EXPERTS
    seen = panel.sees(pool.signals, everyone)
    rows: list[dict[str, NDArray[np.generic]]] = []
    for number, episode in enumerate(episodes):
        support = pool.signals.take(episode.support)
        state = panel.adapt(support, episode.support_is_placeholder)
        q = len(episode.query)
        logits, answered = (
            each[:, : len(everyone)]
            for each in panel.logits([state], np.zeros(q, np.int64), seen, episode.query)
        )
        same = sameness.answer(
            pool.signals.take(episode.query), support, episode.support_is_placeholder, by_hash=True
        )
        column = EXPERTS.index("sameness")
        logits[:, column], answered[:, column] = same.logit, same.answered
        rows.append(
            {
                "logits": logits,
                "answered": answered,
                "context": np.tile(state.context, (q, 1)),
                "label": episode.query_is_placeholder,
                "episode": np.full(q, number),
                "sort": np.full(q, episode.sort),
                "shots": np.tile(np.array([state.placeholder, state.real]), (q, 1)),
                "kind": pool.kinds[episode.query],
            }
        )
        tell(number + 1)
    return Log(
        **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]},
        context_names=CONTEXT,
    )


def see(
    shards: Sequence[NDArray[np.uint8]], sizes: NDArray[np.int64], reader: Reader, tell: Tell
) -> dict[str, NDArray[np.generic]]:
    """What the experts that look at pixels see: ``statistics``, ``hashes``, ``words`` and
    ``lettering`` of ``Signals``.

    Args:
        shards: pixels, shape (n_s, size, size, 3) each.
        sizes: shape (n, 2), width and height before letterboxing.
    """
    parts: dict[str, list[NDArray[np.generic]]] = {}
    done = 0
    for shard in shards:
        for start in range(0, len(shard), _BATCH):
            pixels = np.ascontiguousarray(shard[start : start + _BATCH])
            size = sizes[done : done + len(pixels)]
            reading = reader.read(torch.from_numpy(pixels))
            found = {
                "statistics": statistics(pixels, size),
                "hashes": perceptual_hash(pixels, size),
                "words": reading.signal.numpy(),
                "lettering": reading.lettering.numpy(),
            }
            for name, rows in found.items():
                parts.setdefault(name, []).append(rows)
            done += len(pixels)
            tell(done, len(sizes), "")
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def joined(logs: Sequence[Log]) -> Log:
    """One log of several, episodes numbered on."""
    parts: dict[str, list[NDArray[np.generic]]] = {}
    first = 0
    for log in logs:
        rows = {name: getattr(log, name) for name in _ROWS}
        rows["episode"] = log.episode + first
        first = int(rows["episode"].max()) + 1
        for name, values in rows.items():
            parts.setdefault(name, []).append(values)
    return Log(
        **{name: np.concatenate(values) for name, values in parts.items()},
        context_names=logs[0].context_names,
    )


_ROWS = ("logits", "answered", "context", "label", "episode", "sort", "shots", "kind")
