"""One measurement: every method over the same pictures and the same episodes.

Resumable: embeddings lie in the feature store, and the answers of each finished condition in a
folder named by everything they depend on.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from model import episodes as episodes_module
from model import learners as learners_module
from model.encoder import Encoder
from model.episodes import EpisodeSampler, Shots
from model.errors import MetricError
from model.learners import Learner
from model.learners import linear as linear_module
from model.reports import baselines, few_shot
from model.reports.baselines import (
    PlainLogistic,
    PulledLogistic,
    Scaling,
    ZeroShot,
    fit_zero_shot,
)
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.few_shot import (
    Answers,
    Condition,
    LearnerAnswerer,
    Method,
    answer_all,
    choose_penalty,
    draw_episodes,
)
from model.reports.figures import Figures, few_shot_figures, zero_shot_figures
from model.reports.pool import Item, Pool

SHOTS = tuple(Shots(k, k) for k in (0, 1, 2, 5, 10, 20))
ODD_SHOTS = (Shots(3, 0), Shots(0, 3), Shots(10, 2), Shots(2, 10))
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Candidate:
    """An encoder, and where it is a release its learner.

    Attributes:
        name: short, for JSON. title: for people.
        sha256: of the weights.
    """

    name: str
    title: str
    sha256: str
    encoder: Encoder
    learner: Learner | None = None


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
    training = _training(pool)
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
    methods, priors, chosen = _methods(pool, training, candidates, features, settings, progress)
    baseline = f"{candidates[-1].name}-logistic"
    return {
        "pool": _describe(pool, training),
        "methods": {m.name: m.title for m in methods},
        "baseline": baseline,
        "chosen": chosen,
        "zero_shot": _zero_shot(pool, methods, priors, settings, baseline),
        "few_shot": _few_shot(pool, methods, keys, settings, baseline, progress),
    }


def _training(pool: Pool) -> list[int]:
    """Real pictures of the training split; drawn ones only where there are no real ones."""
    everything = pool.training
    real = [i for i in everything if pool.items[i].origin != "drawn"]
    for chosen in (real, everything):
        if 0 < sum(pool.items[i].is_standin for i in chosen) < len(chosen):
            return chosen
    raise MetricError(
        f"the training split has {len(everything)} pictures, not both stand-ins and products; the "
        "baseline cannot be fitted"
    )


def _methods(
    pool: Pool,
    training: Sequence[int],
    candidates: Sequence[Candidate],
    features: dict[str, np.ndarray],
    settings: Settings,
    progress: Progress,
) -> tuple[list[Method], dict[str, ZeroShot], Figures]:
    is_standin = np.array([pool.items[i].is_standin for i in training])
    groups = [pool.items[i].group for i in training]
    sampler = EpisodeSampler([pool.items[i].traits for i in training])
    methods: list[Method] = []
    priors: dict[str, ZeroShot] = {}
    chosen: Figures = {}
    steps = 3 * len(candidates)
    for number, candidate in enumerate(candidates):
        rows = features[candidate.name]
        own = rows[list(training)]
        progress("baselines", 3 * number, steps)
        prior = fit_zero_shot(own, is_standin, groups)
        named = f"{candidate.name}-logistic"
        chosen[named] = {"zero_shot": _choice(prior.penalty, prior.standardised, prior.tried)}
        if candidate.learner is not None:
            learner = LearnerAnswerer(candidate.learner)
            methods.append(Method(candidate.name, candidate.title, rows, learner))
        kinds: list[tuple[str, str, type[PlainLogistic] | type[PulledLogistic]]] = [
            (named, f"{candidate.title}, logistic regression", PlainLogistic)
        ]
        if candidate.learner is None:
            pulled = f"{candidate.name}-pulled"
            title = f"{candidate.title}, head pulled to the zero-shot one"
            kinds.append((pulled, title, PulledLogistic))
        for step, (name, title, kind) in enumerate(kinds, start=1):
            progress("baselines", 3 * number + step, steps)
            best = choose_penalty(
                kind, prior, own, sampler, episodes=settings.tuning_episodes, seed=settings.seed
            )
            scaling = Scaling.of(own, best.standardised)
            methods.append(Method(name, title, rows, kind(prior, scaling, best.penalty)))
            chosen.setdefault(name, {})["few_shot"] = _choice(
                best.penalty, best.standardised, best.tried
            )
        priors[named] = prior
    progress("baselines", steps, steps)
    return methods, priors, chosen


def _choice(penalty: float, standardised: bool, tried: dict[str, float]) -> Figures:
    return {"C": penalty, "standardised": standardised, "mean_log_loss": tried}


def _zero_shot(
    pool: Pool,
    methods: Sequence[Method],
    priors: dict[str, ZeroShot],
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
    keys: dict[str, str],
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
    folder = settings.cache / f"answers-{_run_key(pool, keys, methods, settings)[:16]}"
    total = len(wanted) * settings.episodes
    answers: dict[Condition, Answers] = {}
    for number, condition in enumerate(wanted):
        before = number * settings.episodes
        progress("episodes", before, total)
        path = folder / f"{condition.name}.npz"
        if path.exists():
            answers[condition] = Answers.load(path)
            continue
        drawn = draw_episodes(samplers[condition.pool], condition, settings.episodes, settings.seed)
        answers[condition] = answer_all(
            methods,
            drawn,
            positions[condition.pool],
            lambda done, before=before: progress("episodes", before + done, total),  # type: ignore[misc]
        )
        answers[condition].save(path)
    progress("episodes", total, total)
    return _summaries(answers, settings, baseline, progress)


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


def _run_key(
    pool: Pool, keys: dict[str, str], methods: Sequence[Method], settings: Settings
) -> str:
    code: list[ModuleType] = [episodes_module, few_shot, baselines, linear_module, learners_module]
    parts: list[Any] = [
        pool.digest(),
        sorted(keys.items()),
        settings.episodes,
        settings.seed,
        settings.tuning_episodes,
        [inspect.getsource(module) for module in code],
        [
            inspect.getsource(type(m.answerer.learner))  # a learner's own file may have changed
            for m in methods
            if isinstance(m.answerer, LearnerAnswerer)
        ],
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


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
