"""What sameness and statistics are worth alone, and the weights of sameness.

Sameness is fitted and measured on tasks with K known stand-ins and K known real pictures. Fitted on
the training side: the queries are copies of what is known, as shops' software makes them, and
pictures that are not known. Measured on held-out pictures (``model.holdout``, and folders that
nothing was trained on) by three questions: is a known stand-in found in its copy; is a stand-in
found by others of its shop; how often is a real picture taken for one.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from model.experts.sameness import Nearness, Sameness, nearness
from model.experts.signals import Signals
from model.intervals import Interval, bootstrap_ranking, proportion_interval
from model.metrics import auroc_of, recall_at_false_alarms_of
from model.reports.copies import Copies

SHOTS = (1, 5, 10)
_TASKS = 300  # to fit on, of each K
_OTHERS = 20  # queries of each label that are copies of nothing known
# Times the sum of squares of the weights, beside a mean log loss: where all copies are told right,
# the weights would grow for ever without it.
_PENALTY = 2e-4


def signals_of(copies: Copies, rows: NDArray[np.int64], embedded: bool) -> Signals:
    """What sameness sees of some pictures."""
    seen = copies.embeddings[rows] if embedded else np.zeros((len(rows), 0), np.float32)
    return replace(
        Signals.empty(len(rows), (0, 0, seen.shape[1])),
        looked=np.ones(len(rows), np.bool_),
        hashes=copies.hashes[rows],
        embedded=np.full(len(rows), embedded),
        visual=seen,
    )


def fit(copies: Copies, seed: int) -> Sameness:
    """The weights of sameness, from the training side.

    Logistic regression without a constant, both labels weighing the same, no weight below 0.
    """
    rng = np.random.default_rng([seed, 1])
    original = copies.is_original & ~copies.held_out
    standins = np.flatnonzero(original & copies.is_standin)
    real = np.flatnonzero(original & ~copies.is_standin)
    copy = ~copies.is_original & ~copies.held_out
    copied = np.intersect1d(real, copies.original[copy])
    found: dict[bool, list[tuple[Nearness, NDArray[np.bool_]]]] = {False: [], True: []}
    for shots in SHOTS * _TASKS:
        known = [
            rng.choice(standins, shots, replace=False),
            rng.choice(copied, shots, replace=False),
        ]
        again = np.flatnonzero(copy & np.isin(copies.original, np.concatenate(known)))
        others = [rng.choice(np.setdiff1d(side, mine), _OTHERS, replace=False)
                  for side, mine in zip((standins, real), known, strict=True)]  # fmt: skip
        queries = np.concatenate([again, *others])
        for embedded in found:
            near = nearness(
                signals_of(copies, queries, embedded),
                signals_of(copies, np.concatenate(known), embedded),
                np.arange(2 * shots) < shots,
            )
            found[embedded].append((near, copies.is_standin[queries]))
    alone = _weights(found[False], with_cosine=False)
    beside = _weights(found[True], with_cosine=True)
    return Sameness((alone[0], alone[1]), (beside[0], beside[1]), (beside[2], beside[3]))


def _weights(found: list[tuple[Nearness, NDArray[np.bool_]]], with_cosine: bool) -> list[float]:
    rows = np.concatenate([np.hstack([n.hash, n.cosine])[n.answered] for n, _ in found])
    label = np.concatenate([label[n.answered] for n, label in found])
    x = (rows * [1, -1, 1, -1])[:, : 4 if with_cosine else 2]
    weight = np.where(label, 0.5 / max(1, label.sum()), 0.5 / max(1, (~label).sum()))
    sign = np.where(label, 1.0, -1.0)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (x @ w)
        wrong = 1 / (1 + np.exp(np.clip(margin, -50, 50)))
        value = float(weight @ np.logaddexp(0, -margin) + _PENALTY * w @ w)
        return value, -(weight * sign * wrong) @ x + 2 * _PENALTY * w

    best = minimize(loss, np.ones(x.shape[1]), jac=True, bounds=[(0, None)] * x.shape[1])
    return [round(float(w), 2) for w in best.x]


def measure_sameness(copies: Copies, expert: Sameness, seed: int) -> list[dict[str, Any]]:
    """Rows of a table: by K and by what is compared, shares with 95 % intervals."""
    original = copies.is_original
    standins = np.flatnonzero(original & copies.is_standin & copies.held_out)
    real = np.flatnonzero(original & ~copies.is_standin & copies.held_out)
    trained = np.flatnonzero(original & copies.is_standin & ~copies.held_out)
    rows: list[dict[str, Any]] = []
    for embedded in (False, True):
        for shots in SHOTS:
            rng = np.random.default_rng([seed, 2, shots])
            hits: dict[str, list[bool]] = {"copies": [], "mates": [], "alarms": []}
            for row in standins:
                others = np.setdiff1d(standins, [row])
                goods = rng.choice(real, shots, replace=False)
                known = np.append(rng.choice(others, shots - 1, replace=False), row)
                copy = rng.choice(np.flatnonzero((copies.original == row) & ~original))
                hits["copies"].append(_called(copies, expert, copy, known, goods, embedded))
                mates = others[copies.group[others] == copies.group[row]]
                if len(mates):
                    known = rng.permutation(mates)[:shots]
                    hits["mates"].append(_called(copies, expert, row, known, goods, embedded))
            for row in real:
                goods = rng.choice(np.setdiff1d(real, [row]), shots, replace=False)
                known = rng.choice(standins, shots, replace=False)
                hits["alarms"].append(_called(copies, expert, row, known, goods, embedded))
            rows.append({"compared": "hash and embedding" if embedded else "hash", "known": shots}
                        | {name: _share(each) for name, each in hits.items()})  # fmt: skip
        everything: dict[str, Any] = {
            "compared": "hash and embedding" if embedded else "hash",
            "known": f"{len(trained)} of other shops",
        }
        for name, side in (("mates", standins), ("alarms", real)):
            none = np.zeros(0, np.int64)
            said = [_called(copies, expert, row, trained, none, embedded) for row in side]
            everything[name] = _share(said)
        rows.append(everything)
    return rows


def _called(
    copies: Copies,
    expert: Sameness,
    query: np.int64,
    known: NDArray[np.int64],
    goods: NDArray[np.int64],
    embedded: bool,
) -> bool:
    """Whether one picture is called a stand-in, given known stand-ins and goods."""
    said = expert.answer(
        signals_of(copies, np.array([query]), embedded),
        signals_of(copies, np.concatenate([known, goods]), embedded),
        np.arange(len(known) + len(goods)) < len(known),
    )
    return bool(said.logit[0] > 0)


def _share(hits: list[bool]) -> dict[str, float]:
    return asdict(proportion_interval(sum(hits), len(hits)))


def measure_statistics(copies: Copies, seed: int) -> list[dict[str, Any]]:
    """Zero-shot: fitted to the training side with its copies, measured on held-out originals.

    Logistic regression on standardised numbers, what a linear head can have; the same on the hidden
    layer of a small network; boosted trees, what else the numbers hold.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    train = ~copies.held_out
    scaler = StandardScaler().fit(copies.statistics[train])
    x, y = np.clip(scaler.transform(copies.statistics), -4, 4), copies.is_standin
    asked = copies.held_out & copies.is_original
    entrants = {
        "logistic regression": LogisticRegression(C=0.03, max_iter=3000),
        "network, 48 hidden units": MLPClassifier(
            (48,), alpha=0.3, max_iter=40, learning_rate_init=2e-3, random_state=seed
        ),
        "boosted trees": HistGradientBoostingClassifier(
            max_iter=200, learning_rate=0.07, max_leaf_nodes=15, random_state=seed
        ),
    }
    with warnings.catch_warnings():
        # Forty passes are the setting: the network stops before it has converged, on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for each in entrants.values():
            each.fit(x[train], y[train])
    scores = {
        name: each.predict_proba(x[asked])[:, 1].astype(np.float64)
        for name, each in entrants.items()
    }
    figures: dict[str, dict[str, Interval]] = {
        "AUROC": _ranked(scores, y[asked], auroc_of, seed),
        "recall at 1 %": _ranked(
            scores, y[asked], lambda tally: recall_at_false_alarms_of(tally, 0.01), seed
        ),
    }
    return [
        {"method": name} | {figure: asdict(found[name]) for figure, found in figures.items()}
        for name in scores
    ]


def _ranked(
    scores: dict[str, NDArray[np.float64]], label: NDArray[np.bool_], metric: Any, seed: int
) -> dict[str, Interval]:
    return bootstrap_ranking(
        scores, label, metric, generator=np.random.default_rng(seed), resamples=1000
    )
