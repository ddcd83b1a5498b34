"""One measurement: every method over the same pictures and the same episodes.

Resumable: embeddings lie in the feature store, and the answers of each finished condition in a
folder named by everything they depend on.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from model import episodes as episodes_module
from model.episodes import EpisodeSampler, Shots
from model.reports import few_shot
from model.reports.baselines import PulledLogistic
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.few_shot import Answers, Condition, Method, answer_all, draw_episodes
from model.reports.figures import Figures, few_shot_figures, zero_shot_figures
from model.reports.methods import Candidate, build_methods, training_positions
from model.reports.pool import Item, Pool

SHOTS = tuple(Shots(k, k) for k in (0, 1, 2, 5, 10, 20))
ODD_SHOTS = (Shots(3, 0), Shots(0, 3), Shots(10, 2), Shots(2, 10))
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        episodes: of each condition (of each look where tasks turn around).
        tuning_episodes: of each sort and K, for choosing the baselines' constants on the
            training split.
        cache: folder for embeddings and answers.
    """

    episodes: int
    seed: int
    cache: Path
    tuning_episodes: int = 40
    shots: Sequence[Shots] = SHOTS + ODD_SHOTS
    resamples: int = 2000
    workers: int = 1


def measure(
    items: Sequence[Item],
    candidates: Sequence[Candidate],
    settings: Settings,
    progress: Progress = lambda what, done, total: None,
) -> Figures:
    """All figures, ready for JSON.

    Args:
        candidates: the release that is judged first; the plain baseline last.

    Raises:
        MetricError: nothing is held out, or the training split lacks a label.
        PictureError: a picture of the pool cannot be read.
    """
    pool = Pool(items)
    training = training_positions(pool)
    keys = {c.name: encoder_key(c.sha256, c.encoder) for c in candidates}
    with FeatureStore(settings.cache / "features.sqlite") as store:
        embed_all(
            items,
            {keys[c.name]: c.encoder for c in candidates},
            store,
            lambda done, total: progress("pictures", done, total),
            settings.workers,
        )
        features = {
            c.name: store.matrix(keys[c.name], [item.key for item in items]) for c in candidates
        }
    methods, chosen = build_methods(
        pool,
        training,
        candidates,
        features,
        keys,
        episodes=settings.tuning_episodes,
        seed=settings.seed,
        cache=settings.cache,
        progress=lambda done, total: progress("baselines", done, total),
    )
    baseline = f"{candidates[-1].name}-logistic"
    return {
        "pool": _describe(pool, training),
        "methods": {m.name: m.title for m in methods},
        "baseline": baseline,
        "chosen": chosen,
        "zero_shot": _zero_shot(pool, methods, settings, baseline),
        "few_shot": _few_shot(pool, methods, settings, baseline, progress),
    }


def _zero_shot(
    pool: Pool,
    methods: Sequence[Method],
    settings: Settings,
    baseline: str,
) -> Figures:
    """By set of stand-ins, each against all real held-out products."""
    items = pool.items
    # Drawn products have no category: whether a lone logo is goods nobody could say.
    real = [i for i in pool.measured if not items[i].is_standin and items[i].origin != "drawn"] or [
        i for i in pool.measured if not items[i].is_standin
    ]
    standins = [i for i in pool.measured if items[i].is_standin]
    sets = {
        "all": [i for i in standins if items[i].origin != "drawn"],
        "held_out_groups": [i for i in standins if items[i].origin == "standins"],
        "validation": [i for i in standins if items[i].origin == "validation"],
        "drawn": [i for i in standins if items[i].origin == "drawn"],
    }
    nothing = np.zeros(0, dtype=bool)
    found: Figures = {}
    for name, chosen in sets.items():
        if not chosen or not real:
            continue
        at = [*chosen, *real]
        said = {
            m.name: m.answerer.answer(m.features[:0], nothing, m.features[at])
            for m in methods
            # The pulled head is the zero-shot model until there is a support set.
            if not isinstance(m.answerer, PulledLogistic)
        }
        found[name] = zero_shot_figures(
            said,
            np.array([items[i].is_standin for i in at]),
            [items[i].traits.kind for i in at],
            [items[i].hardtag for i in at],
            seed=settings.seed,
            against=baseline,
            resamples=settings.resamples,
        )
    return found


def conditions(samplers: dict[str, EpisodeSampler], shots: Sequence[Shots]) -> list[Condition]:
    """Everything that the pools can give: categories of real pictures, and every look."""
    found: list[Condition] = []
    for pool, sampler in samplers.items():
        for each in shots:
            # Drawn products have no categories of their own.
            if pool == "real" and sampler.subjects("ordinary", each):
                found.append(Condition(pool, "ordinary", each))
            found += [
                Condition(pool, "turning", each, look) for look in sampler.subjects("turning", each)
            ]
    return found


def _few_shot(
    pool: Pool,
    methods: Sequence[Method],
    settings: Settings,
    baseline: str,
    progress: Progress,
) -> list[Figures]:
    positions = {
        "real": [i for i in pool.measured if pool.items[i].origin != "drawn"],
        "drawn": [i for i in pool.measured if pool.items[i].origin == "drawn"],
    }
    samplers = {
        name: EpisodeSampler([pool.items[i].traits for i in at])
        for name, at in positions.items()
        if 0 < sum(pool.items[i].is_standin for i in at) < len(at)
    }
    wanted = conditions(samplers, settings.shots)
    total = len(wanted) * settings.episodes
    answers: dict[Condition, Answers] = {}
    for number, condition in enumerate(wanted):
        before = number * settings.episodes
        progress("episodes", before, total)
        files = {m.name: _file(pool, condition, m, settings) for m in methods}
        if missing := [m for m in methods if not files[m.name].exists()]:
            drawn = draw_episodes(
                samplers[condition.pool], condition, settings.episodes, settings.seed
            )
            found = answer_all(
                missing,
                drawn,
                positions[condition.pool],
                partial(_tell_after, progress, before, total),
            )
            for method in missing:
                found.only(method.name).save(files[method.name])
        answers[condition] = Answers.joined([Answers.load(file) for file in files.values()])
    progress("episodes", total, total)
    return _summaries(answers, settings, baseline, progress)


def _tell_after(progress: Progress, before: int, total: int, done: int) -> None:
    progress("episodes", before + done, total)


def _file(pool: Pool, condition: Condition, method: Method, settings: Settings) -> Path:
    """Where a method's answers lie: named by everything that they depend on."""
    code = [inspect.getsource(module) for module in (episodes_module, few_shot)]
    parts = (pool.digest(), settings.episodes, settings.seed, method.name, method.key, code)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return settings.cache / f"answers-{digest[:16]}" / f"{condition.name}.npz"


def _summaries(
    answers: dict[Condition, Answers], settings: Settings, baseline: str, progress: Progress
) -> list[Figures]:
    """Each condition alone, and the looks of a sort and shots together."""
    groups: dict[Condition, list[Condition]] = {}
    for condition in answers:
        groups.setdefault(replace(condition, subject=None), []).append(condition)
        if condition.subject:
            groups[condition] = [condition]
    found: list[Figures] = []
    for done, (condition, members) in enumerate(groups.items()):
        progress("intervals", done, len(groups))
        figures = few_shot_figures(
            [answers[c] for c in members],
            seed=settings.seed,
            against=baseline,
            resamples=max(50, settings.resamples // 8),
        )
        if condition.subject:  # curves of single looks would be most of the file
            for each in figures["methods"].values():
                del each["reliability"]
        found.append(
            {
                "pool": condition.pool,
                "sort": condition.sort,
                "subject": condition.subject,
                "placeholder": condition.shots.placeholder,
                "real": condition.shots.real,
                **figures,
            }
        )
    progress("intervals", len(groups), len(groups))
    return found


def _describe(pool: Pool, training: Sequence[int]) -> Figures:
    items, measured = pool.items, pool.measured
    standins = [i for i in measured if items[i].is_standin and items[i].origin != "drawn"]
    products = [i for i in measured if not items[i].is_standin and items[i].origin != "drawn"]
    return {
        "training_standins": sum(items[i].is_standin for i in training),
        "training_products": sum(not items[i].is_standin for i in training),
        "standins": len(standins),
        "standins_from_validation": sum(items[i].origin == "validation" for i in standins),
        "standin_groups": len({items[i].group for i in standins}),
        "products": len(products),
        "product_groups": len({items[i].group for i in products}),
        "categories": len({items[i].traits.category for i in products}),
        "drawn": sum(items[i].origin == "drawn" for i in measured),
        "drawn_families": len({items[i].group for i in measured if items[i].origin == "drawn"}),
        "digest": pool.digest(),
        "looks": {
            look: sum(items[i].traits.look == look for i in measured)
            for look in sorted({items[i].traits.look for i in measured} - {""})
        },
    }
