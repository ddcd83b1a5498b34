"""One bake-off: every entrant over the same pictures and the same episodes.

Resumable: embeddings and readings lie in stores, trained learners and answers in files that are
named by everything they depend on.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from model import episodes as episodes_module
from model.episodes import EpisodeSampler, Shots
from model.errors import MetricError
from model.reports import few_shot
from model.reports.bakeoff import entrants as entrants_module
from model.reports.bakeoff.entrants import Cost, Entrant
from model.reports.bakeoff.figures import condition_figures
from model.reports.few_shot import Answers, Condition, draw_episodes
from model.reports.figures import Figures
from model.reports.pool import Pool
from model.reports.run import conditions

SHOTS = (*(Shots(k, k) for k in (0, 1, 5, 10, 20)), Shots(3, 0), Shots(0, 3))
COST_SHOTS = Shots(5, 5)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        episodes: of each condition; where tasks turn around they are shared out among the looks.
        cache: folder for answers.
    """

    episodes: int
    seed: int
    cache: Path
    shots: Sequence[Shots] = field(default=SHOTS)
    resamples: int = 1000


def measure(
    pool: Pool,
    entrants: Sequence[Entrant],
    settings: Settings,
    progress: Progress = lambda what, done, total: None,
) -> Figures:
    """All figures, ready for JSON.

    Args:
        entrants: the default first, which the differences are to.

    Raises:
        MetricError: nothing is held out, or the pictures give no task.
    """
    positions, sampler, name = _measured(pool)
    wanted = conditions({name: sampler}, settings.shots)
    groups: dict[Condition, list[Condition]] = {}
    for condition in wanted:
        groups.setdefault(replace(condition, subject=None), []).append(condition)
    if not groups:
        raise MetricError("the measured pictures give no task of any condition")
    total = len(entrants) * len(groups) * settings.episodes
    found: list[Figures] = []
    for number, (condition, members) in enumerate(groups.items()):
        each = -(-settings.episodes // len(members))
        parts = []
        for place, member in enumerate(members):
            before = len(entrants) * (number * settings.episodes + place * each)
            tell = _Tell(progress, before, total, each)
            parts.append(_answers(pool, entrants, member, each, sampler, positions, settings, tell))
        figures = condition_figures(
            parts, seed=settings.seed, against=entrants[0].name, resamples=settings.resamples
        )
        found.append(
            {
                "sort": condition.sort,
                "placeholder": condition.shots.placeholder,
                "real": condition.shots.real,
                "subjects": [member.subject for member in members if member.subject],
                **figures,
            }
        )
    progress("episodes", total, total)
    return {
        "pool": {"name": name, "measured": len(positions), "digest": pool.digest()},
        "entrants": {
            e.name: {"title": e.title, "family": e.family, "source": e.source} for e in entrants
        },
        "conditions": found,
        "costs": _costs(entrants, sampler, positions, settings, name, progress),
    }


def _measured(pool: Pool) -> tuple[list[int], EpisodeSampler, str]:
    """Real held-out pictures; drawn ones only where there are no real ones."""
    real = [i for i in pool.measured if pool.items[i].origin != "drawn"]
    drawn = [i for i in pool.measured if pool.items[i].origin == "drawn"]
    for name, at in (("real", real), ("drawn", drawn)):
        if 0 < sum(pool.items[i].is_standin for i in at) < len(at):
            return at, EpisodeSampler([pool.items[i].traits for i in at]), name
    raise MetricError(
        f"{len(pool.measured)} pictures are held out, not both stand-ins and products"
    )


@dataclass(frozen=True)
class _Tell:
    """Progress of one condition, one entrant after the other."""

    progress: Progress
    before: int
    total: int
    each: int

    def __call__(self, entrant: int, done: int) -> None:
        self.progress(
            "episodes", min(self.total, self.before + entrant * self.each + done), self.total
        )


def _answers(
    pool: Pool,
    entrants: Sequence[Entrant],
    condition: Condition,
    count: int,
    sampler: EpisodeSampler,
    positions: Sequence[int],
    settings: Settings,
    tell: Callable[[int, int], None],
) -> Answers:
    drawn = draw_episodes(sampler, condition, count, settings.seed)
    parts: list[Answers] = []
    for number, entrant in enumerate(entrants):
        tell(number, 0)
        file = _file(pool, condition, count, entrant, settings)
        if not file.exists():
            said = entrant.answer(
                drawn,
                positions,
                lambda done, number=number: tell(number, done),  # type: ignore[misc]
            )
            said.save(file)
        parts.append(Answers.load(file))
    return Answers.joined(parts)


def _file(
    pool: Pool, condition: Condition, count: int, entrant: Entrant, settings: Settings
) -> Path:
    """Where an entrant's answers lie: named by everything that they depend on."""
    modules = (episodes_module, few_shot, entrants_module)
    code = [inspect.getsource(module) for module in modules]
    parts = (pool.digest(), count, settings.seed, entrant.name, entrant.key, code)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return settings.cache / "bakeoff" / f"{entrant.name}-{digest[:16]}" / f"{condition.name}.npz"


def _costs(
    entrants: Sequence[Entrant],
    sampler: EpisodeSampler,
    positions: Sequence[int],
    settings: Settings,
    name: str,
    progress: Progress,
) -> dict[str, Any]:
    """Of every entrant, on the same support set of ten pictures, one after the other."""
    for sort in ("ordinary", "turning"):
        for shots in (COST_SHOTS, Shots(1, 1)):
            if not sampler.subjects(sort, shots):
                continue
            condition = Condition(name, sort, shots)
            (episode,) = draw_episodes(sampler, condition, 1, settings.seed)
            found = {}
            for number, entrant in enumerate(entrants):
                progress("costs", number, len(entrants))
                found[entrant.name] = _figures(entrant.cost(episode, positions))
            progress("costs", len(entrants), len(entrants))
            return {"support": len(episode.support), "queries": len(episode.query), **found}
    raise MetricError("the measured pictures give no task with both labels")


def _figures(cost: Cost) -> Figures:
    return {
        "adapt_ms": cost.adapt_ms,
        "score_ms": cost.score_ms,
        "state_bytes": cost.state_bytes,
        "look_ms": cost.look_ms if np.isfinite(cost.look_ms) else None,
    }
