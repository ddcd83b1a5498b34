"""The lines of the table: each release with its learner, and logistic regression beside it."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import Float

from model import calibration, learners
from model import episodes as episodes_module
from model.encoder import Encoder
from model.episodes import EpisodeSampler
from model.errors import MetricError
from model.learners import Learner, linear, meta
from model.reports import baselines, few_shot
from model.reports.baselines import (
    PlainLogistic,
    PulledLogistic,
    Scaling,
    ZeroShot,
    fit_zero_shot,
)
from model.reports.few_shot import Choice, LearnerAnswerer, Method, choose_penalty
from model.reports.figures import Figures
from model.reports.pool import Pool


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


def training_positions(pool: Pool) -> list[int]:
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


def build_methods(
    pool: Pool,
    training: Sequence[int],
    candidates: Sequence[Candidate],
    features: Mapping[str, Float[np.ndarray, "p d"]],
    keys: Mapping[str, str],
    *,
    episodes: int,
    seed: int,
    cache: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Method], Figures]:
    """Every method, its constants chosen on the training split.

    Args:
        training: positions in the pool that may be fitted to.
        features: of the whole pool, by candidate. keys: of the candidates' encoders.
        episodes: of each sort and K, for choosing constants; what was chosen is kept in ``cache``.

    Returns:
        The methods, and what was chosen for each.
    """
    is_standin = np.array([pool.items[i].is_standin for i in training])
    groups = [pool.items[i].group for i in training]
    sampler = EpisodeSampler([pool.items[i].traits for i in training])
    methods: list[Method] = []
    chosen: Figures = {}
    steps = 2 * len(candidates) + 1
    for candidate in candidates:
        rows = features[candidate.name]
        own = rows[list(training)]
        key = _digest(keys[candidate.name], pool.digest(), list(training), _code(baselines))
        progress(len(methods), steps)
        prior = fit_zero_shot(own, is_standin, groups)
        if candidate.learner is not None:
            code = _code(learners, linear, meta, inspect.getmodule(type(candidate.learner)))
            method = Method(
                candidate.name,
                candidate.title,
                rows,
                LearnerAnswerer(candidate.learner),
                _digest(candidate.sha256, keys[candidate.name], code),
            )
            methods.append(method)
        for name, title, kind in _baselines(candidate):
            progress(len(methods), steps)
            own_key = _digest(key, kind.__name__, episodes, seed, _code(few_shot, episodes_module))
            path = cache / f"chosen-{own_key[:16]}.json"
            best = _read(path)
            if best is None:
                best = choose_penalty(kind, prior, own, sampler, episodes=episodes, seed=seed)
                path.write_text(json.dumps(asdict(best)), encoding="utf-8")
            answerer = kind(prior, Scaling.of(own, best.standardised), best.penalty)
            methods.append(
                Method(name, title, rows, answerer, _digest(own_key, _code(calibration)))
            )
            chosen[name] = {"few_shot": _figures(best)}
            if kind is PlainLogistic:
                chosen[name]["zero_shot"] = _figures(_choice_of(prior))
    progress(steps, steps)
    return methods, chosen


def _baselines(
    candidate: Candidate,
) -> list[tuple[str, str, type[PlainLogistic] | type[PulledLogistic]]]:
    plain = f"{candidate.title}, logistic regression"
    if candidate.learner is not None:
        return [(f"{candidate.name}-logistic", plain, PlainLogistic)]
    pulled = f"{candidate.title}, head pulled to the zero-shot one"
    return [
        (f"{candidate.name}-logistic", plain, PlainLogistic),
        (f"{candidate.name}-pulled", pulled, PulledLogistic),
    ]


def _choice_of(prior: ZeroShot) -> Choice:
    return Choice(prior.penalty, prior.standardised, prior.tried)


def _figures(choice: Choice) -> Figures:
    return {
        "C": choice.penalty,
        "standardised": choice.standardised,
        "mean_log_loss": choice.tried,
    }


def _read(path: Path) -> Choice | None:
    try:
        return Choice(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):  # not yet, or killed while it was written
        return None


def _code(*modules: ModuleType | None) -> list[str]:
    return [inspect.getsource(module) for module in modules if module is not None]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
