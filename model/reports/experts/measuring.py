"""Figures of each expert, of all together, and of all but one, over logged tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.calibration import bin_edges, bin_sums, pooled_calibration_error, reliability_of, sigmoid
from model.ensemble import Experts
from model.episodes import Episode, EpisodeSampler, Shots, Sort, Traits
from model.experts import ASKS, EXPERTS
from model.experts.glance import by_expert
from model.experts.panel import Panel
from model.experts.sameness import Sameness
from model.intervals import Interval, bootstrap_ranking, difference_interval, mean_interval
from model.metalearner.combination import Combination
from model.metalearner.conformal import bucket_of
from model.metalearner.context import record
from model.metrics import (
    auroc,
    auroc_of,
    average_precision_of,
    recall_at_false_alarms_of,
    tally,
    threshold_at_false_alarms,
)
from model.policy.log import Log
from model.policy.mdp import Trained, context_bucket
from model.policy.policy import follow
from model.training.expert_log import Pool, ask_everyone

TOP = "together"
BINS = 15
_MOST = 30.0  # log odds: beyond, float32's logistic function is 0 or 1
Answers = Mapping[str, NDArray[np.float64]]


def answers_of(log: Log, combination: Combination, left_out: bool = False) -> Answers:
    """Log odds (n,) of each expert alone and of all together; with ``left_out`` of all but one,
    too. An expert that abstains says even odds."""
    # Everybody glances and looks.
    z, spoke = (torch.from_numpy(each) for each in by_expert(log.logits, log.answered))
    context = torch.from_numpy(log.context)
    found: dict[str, NDArray[np.float64]] = {
        name: log.logits[:, i].astype(np.float64) for i, name in enumerate(EXPERTS)
    }
    with torch.no_grad():
        found[TOP] = combination(z, spoke, context).double().numpy()
        for i, name in enumerate(EXPERTS):
            if left_out:
                others = spoke.clone()
                others[:, i] = False
                found[f"without {name}"] = combination(z, others, context).double().numpy()
    return {name: value.clip(-_MOST, _MOST) for name, value in found.items()}


def zero_shot(log: Log, answers: Answers, rng: np.random.Generator) -> dict[str, Any]:
    """Ranking with bootstrap intervals over pictures, calibration error and log loss."""
    metrics = {
        "auroc": auroc_of,
        "average_precision": average_precision_of,
        "recall_at_0.01": lambda counted: recall_at_false_alarms_of(counted, 0.01),
        "recall_at_0.001": lambda counted: recall_at_false_alarms_of(counted, 0.001),
    }
    found: dict[str, Any] = {name: {} for name in answers}
    for title, metric in metrics.items():
        for name, interval in bootstrap_ranking(answers, log.label, metric, generator=rng).items():
            found[name][title] = plain(interval)
    edges = bin_edges(np.array([0.0, 1.0]), BINS, "width")
    for name, z in answers.items():
        p = sigmoid(z)
        found[name]["calibration_error"] = reliability_of(
            bin_sums(p, log.label, edges), edges
        ).error
        found[name]["log_loss"] = float(_loss(z, log.label).mean())
        if name in EXPERTS:
            found[name]["answered"] = float(log.answered[:, EXPERTS.index(name)].mean())
    return found


def by_kind(log: Log, answers: Answers) -> list[dict[str, Any]]:
    """Each kind of stand-in and each hard tag of products: how many, the share that is above the
    threshold of 1 % false alarms, by the visual head alone and by all together, and the mean
    probability that all together give."""
    rows = []
    for sort, among in (("stand-in", log.label), ("product", ~log.label)):
        for kind in sorted(set(log.kind[among].tolist()) - {""}):
            mine = among & (log.kind == kind)
            row: dict[str, Any] = {"sort": sort, "kind": kind, "pictures": int(mine.sum())}
            for name in ("visual", TOP):
                threshold = threshold_at_false_alarms(answers[name], log.label, 0.01)
                row[name] = float((answers[name][mine] >= threshold).mean())
            row["mean_probability"] = float(sigmoid(answers[TOP][mine]).mean())
            rows.append(row)
    return rows


def few_shot(log: Log, answers: Answers, rng: np.random.Generator) -> dict[str, Any]:
    """Means over tasks with intervals; recall at one threshold and calibration over all queries;
    and how much less log loss all together have than the best expert, paired."""
    tasks = _tasks(log)
    edges = bin_edges(np.array([0.0, 1.0]), BINS, "width")
    found: dict[str, Any] = {}
    losses: dict[str, NDArray[np.float64]] = {}
    for name, z in answers.items():
        right = (z > 0) == log.label
        losses[name] = np.array([_loss(z[rows], log.label[rows]).mean() for rows in tasks])
        sums = np.stack([bin_sums(sigmoid(z[rows]), log.label[rows], edges) for rows in tasks])
        found[name] = {
            "accuracy": plain(mean_interval(np.array([right[rows].mean() for rows in tasks]))),
            "auroc": plain(
                mean_interval(np.array([auroc(z[rows], log.label[rows]) for rows in tasks]))
            ),
            "log_loss": plain(mean_interval(losses[name])),
            "calibration_error": plain(
                pooled_calibration_error(sums, generator=rng, resamples=300)
            ),
            "recall_at_0.001": plain(_recall(z, log.label, tasks, rng)),
        }
    best = min(EXPERTS, key=lambda name: losses[name].mean())
    found["best"] = best
    found["gain"] = plain(difference_interval(losses[best], losses[TOP]))
    return found


def unsure(log: Log, z: NDArray[np.float64], surely: Sequence[float]) -> dict[str, float]:
    """What the guarantee keeps: the mean share of a task's queries whose label is excluded, how
    many are unsure, and how often the others are wrong."""
    t = np.array([surely[bucket_of(*shots)] for shots in log.shots.tolist()])
    p = sigmoid(z)
    truth = np.where(log.label, p, 1 - p)
    open_ = (p > t) & (p < 1 - t)
    excluded = np.array([(truth[rows] < t[rows]).mean() for rows in _tasks(log)])
    wrong = (truth < 0.5) & ~open_
    return {
        "excluded": float(excluded.mean()),
        "excluded_half_width": float(1.96 * excluded.std() / np.sqrt(len(excluded))),
        "unsure": float(open_.mean()),
        "wrong_of_the_others": float(wrong.sum() / max(1, (~open_).sum())),
        "wrong_of_all": float((truth < 0.5).mean()),
    }


def with_policy(experts: Experts, log: Log) -> dict[str, Any]:
    """What the released policy saves and what it costs: the share of pictures that each expert is
    asked about, milliseconds on one core as the policy counts them, ranking and log loss, beside
    everybody's."""
    assert experts.policy is not None  # the caller has looked
    costs, combine = np.array(experts.policy.costs), Trained(experts.combination)
    asked = np.zeros((len(log), len(costs)), np.bool_)
    asked[:, [EXPERTS.index("statistics"), EXPERTS.index("sameness")]] = True
    logits, answered = log.logits[:, : len(costs)], log.answered[:, : len(costs)]

    def so_far(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return combine(logits[rows], answered[rows] & asked[rows], log.context[rows])

    follow(experts.policy, so_far, asked, context_bucket(log.shots, record(log.context)))
    found: dict[str, Any] = {
        "asked": {name: float(each) for name, each in zip(ASKS, asked.mean(0), strict=False)},
        "milliseconds": float((asked @ costs).mean()),
        "of_everybody": float((asked @ costs).mean() / costs.sum()),
    }
    for title, who in (("policy", asked), ("everybody", np.ones_like(asked))):
        said = combine(logits, answered & who, log.context)
        tally_ = tally(said, log.label)
        found[title] = {
            "auroc": float(auroc_of(tally_).item()),
            "recall_at_0.01": float(recall_at_false_alarms_of(tally_, 0.01).item()),
            "recall_at_0.001": float(recall_at_false_alarms_of(tally_, 0.001).item()),
            "log_loss": float(_loss(said.clip(-_MOST, _MOST), log.label).mean()),
        }
    return found


def logged(
    panel: Panel,
    pool: Pool,
    traits: Sequence[Traits],
    sort: Sort,
    shots: Shots,
    episodes: int,
    seed: int,
    tell: Callable[[int], None],
) -> Log:
    """What everyone says in tasks of one condition; in both sorts the tasks of a seed are those
    of every other release."""
    sampler = EpisodeSampler(traits)
    rng = np.random.default_rng([seed, shots.placeholder, shots.real])
    tasks = (sampler.sample(sort, shots, rng) for _ in range(episodes))
    return ask_everyone(panel, Sameness(), pool, tasks, tell)


def unnamed(panel: Panel, pool: Pool, traits: Sequence[Traits]) -> Log:
    """What everyone says of all pictures in a category that has no examples."""
    labels = np.array([each.is_standin for each in traits])
    nothing = np.zeros(0, np.int64)
    everything = Episode(
        nothing, nothing.astype(np.bool_), np.arange(len(labels)), labels, "ordinary", ""
    )
    return ask_everyone(panel, Sameness(), pool, [everything])


def plain(interval: Interval) -> dict[str, float]:
    """For JSON."""
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}


def _tasks(log: Log) -> list[NDArray[np.int64]]:
    order = np.argsort(log.episode, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(log.episode[order])) + 1)


def _loss(z: NDArray[np.float64], label: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.logaddexp(0, np.where(label, -z, z))


def _recall(
    z: NDArray[np.float64],
    label: NDArray[np.bool_],
    tasks: Sequence[NDArray[np.int64]],
    rng: np.random.Generator,
    resamples: int = 200,
) -> Interval:
    """Recall at 0.1 % false alarms over all queries, tasks resampled."""

    def of(rows: NDArray[np.int64]) -> float:
        real = np.sort(z[rows][~label[rows]])[::-1]
        threshold = real[int(0.001 * len(real))]
        return float((z[rows][label[rows]] > threshold).mean())

    drawn = [
        of(np.concatenate([tasks[i] for i in rng.integers(len(tasks), size=len(tasks))]))
        for _ in range(resamples)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(of(np.arange(len(z))), float(low), float(high), len(tasks))
