"""Measuring transduction: batches of a mix, paired figures, and a tuned trust that may be none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.episodes import Episode, Sort, Traits
from model.errors import EpisodeError, MetricError
from model.holdout import role
from model.learners import LEARNERS
from model.learners.logistic import Logistic
from model.learners.transduction import Transduction
from model.metrics import auroc, log_loss
from model.reports import transduction_document
from model.reports.pool import Item, Pool
from model.reports.transduction import (
    BALANCED,
    MIXES,
    UNBALANCED,
    Mix,
    Task,
    answer,
    draw,
    linear,
    measure,
    tune,
    tuning_positions,
)

DIM = 6
Drawn = tuple[dict[tuple[Sort, int], list[Task]], np.ndarray]


def task(standins: int, real: int) -> Episode:
    n = standins + real
    return Episode(
        np.array([90, 91]),
        np.array([True, False]),
        np.arange(n),
        np.arange(n) < standins,
        "ordinary",
        "shoes",
    )


@given(standins=st.integers(1, 30), real=st.integers(1, 30), mix=st.sampled_from(MIXES))
def test_a_batch_is_of_its_mix_and_of_the_task(standins: int, real: int, mix: Mix) -> None:
    episode = task(standins, real)
    queries, label = mix.of(episode)
    assert len(set(queries.tolist())) == len(queries) == len(label)
    assert set(queries.tolist()) <= set(episode.query.tolist())
    assert (queries < standins).tolist() == label.tolist()
    p, r = int(label.sum()), int((~label).sum())
    assert (p > 0, r > 0) == (mix.placeholders > 0, mix.real > 0)
    assert p <= mix.placeholders
    assert r <= mix.real
    if standins >= mix.placeholders and real >= mix.real:
        assert (p, r) == (mix.placeholders, mix.real)


def test_a_task_of_few_pictures_keeps_the_proportion() -> None:
    _, balanced = BALANCED.of(task(9, 18))
    assert (balanced.sum(), (~balanced).sum()) == (9, 9)
    _, unbalanced = UNBALANCED.of(task(18, 9))
    assert (unbalanced.sum(), (~unbalanced).sum()) == (1, 9)


def group(wanted: str) -> str:
    return next(f"shop {i}" for i in range(1000) if role({"group": f"shop {i}"}) == wanted)


def pool(each: int = 20) -> tuple[Pool, np.ndarray]:
    """Stand-ins and products of every role, and embeddings that part them well, if not wholly."""
    items, rows = [], []
    rng = np.random.default_rng(0)
    for wanted in ("encoder", "learner", "validation"):
        for number in range(2 * each):
            standin = number < each
            traits = Traits(standin, "" if standin else "shoes", "text" if standin else "", "")
            items.append(
                Item(
                    key=f"{wanted} {number}",
                    read=lambda size: np.zeros((size, size, 3), np.uint8),
                    traits=traits,
                    origin="standins" if standin else "products",
                    held_out=wanted == "validation",
                    group=group(wanted),
                )
            )
            row = rng.standard_normal(DIM)
            row[0] += 2.0 if standin else -2.0
            rows.append(row / np.linalg.norm(row))
    return Pool(items), np.array(rows, dtype=np.float32)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    found, rows = pool()
    return draw(Logistic(DIM), rows, found, found.measured, 6, 0), rows


def test_tasks_are_of_the_positions_given_and_the_same_for_the_same_seed(
    drawn: Drawn,
) -> None:
    tasks, rows = drawn
    found, _ = pool()
    # No look to turn around: ordinary tasks alone; 10 shots leave 10 queries.
    assert list(tasks) == [("ordinary", 1), ("ordinary", 5), ("ordinary", 10)]
    again = draw(Logistic(DIM), rows, found, found.measured, 6, 0)
    for key, members in tasks.items():
        for one, other in zip(members, again[key], strict=True):
            assert set(one.episode.query.tolist()) <= set(found.measured)
            assert set(one.episode.support.tolist()) <= set(found.measured)
            assert np.array_equal(one.episode.query, other.episode.query)
            assert torch.equal(one.state, other.state)


def test_figures_are_those_of_the_answers_and_differences_are_paired(
    drawn: Drawn,
) -> None:
    tasks, rows = drawn
    tuned = Transduction(weight=3.0, doubt=5.0, base_rate=0.5)
    entries = measure(tasks, rows, tuned)
    assert len(entries) == 3 * len(MIXES)
    entry = next(e for e in entries if (e["shots"], e["mix"]) == (5, "one_in_ten"))
    said: dict[str, list[tuple[float, ...]]] = {"inductive": [], "tuned": []}
    for one in tasks["ordinary", 5]:
        queries, label = UNBALANCED.of(one.episode)
        for name, trust in (("inductive", None), ("tuned", tuned)):
            p = answer(one, queries, torch.from_numpy(rows), trust)
            said[name].append((auroc(p, label), np.mean((p > 0.5) == label), log_loss(p, label)))
    mean = {name: np.mean(values, axis=0) for name, values in said.items()}
    for position, key in enumerate(("auroc", "accuracy", "log_loss")):
        for name in said:
            assert entry["methods"][name][key]["estimate"] == pytest.approx(mean[name][position])
        difference = entry["differences"]["tuned"][key]
        assert difference["estimate"] == pytest.approx(
            mean["tuned"][position] - mean["inductive"][position]
        )
    # A batch without a stand-in cannot be ranked.
    alone = next(e for e in entries if e["mix"] == "all_real")
    assert set(alone["methods"]["inductive"]) == {"accuracy", "log_loss"}


def test_the_inductive_answer_is_the_learners_own(
    drawn: Drawn,
) -> None:
    tasks, rows = drawn
    one: Task = tasks["ordinary", 5][0]
    learner, x = Logistic(DIM), torch.from_numpy(rows)
    head = learner.adapt(
        x[torch.from_numpy(one.episode.support)],
        torch.from_numpy(one.episode.support_is_placeholder),
    )
    expected = learner.score(head, x[torch.from_numpy(one.episode.query)])
    np.testing.assert_allclose(answer(one, one.episode.query, x, None), expected, atol=1e-6)


def test_tuning_takes_the_least_loss_of_what_it_tried(
    drawn: Drawn,
) -> None:
    tasks, rows = drawn
    few = {("ordinary", 1): tasks["ordinary", 1][:2]}
    trust, tried = tune(few, rows)
    names = list(tried)
    assert names[0] == "weight 0, doubt 2, base rate 0"  # the inductive answer is among them
    best = f"weight {trust.weight:g}, doubt {trust.doubt:g}, base rate {trust.base_rate:g}"
    assert tried[best] == min(tried.values())
    losses = []
    for one in few["ordinary", 1]:
        for mix in (BALANCED, UNBALANCED):
            queries, label = mix.of(one.episode)
            losses.append(log_loss(answer(one, queries, torch.from_numpy(rows), trust), label))
    assert tried[best] == pytest.approx(np.mean(losses))


def test_it_is_tuned_on_what_the_encoder_was_not_fitted_to() -> None:
    found, _ = pool()
    assert [found.items[i].group for i in tuning_positions(found)] == [group("learner")] * 40
    without = Pool([item for item in found.items if item.group != group("learner")])
    assert tuning_positions(without) == without.training


def test_what_cannot_be_measured_is_refused() -> None:
    found, rows = pool(each=5)
    with pytest.raises(EpisodeError, match="10 pictures give no task with 9 queries"):
        draw(Logistic(DIM), rows, found, found.measured, 2, 0)
    with pytest.raises(MetricError, match="'siamese' has another head"):
        linear(LEARNERS["siamese"](DIM))


def test_the_document_keeps_what_stands_around_the_markers(
    tmp_path: Path,
    drawn: Drawn,
) -> None:
    tasks, rows = drawn
    result = {
        "about": {
            "command": "python scripts/transduction.py",
            "date": "2026-01-01",
            "machine": "CPU",
            "versions": {"torch": "2"},
            "weights": "none",
            "weights_sha256": "0" * 64,
            "results": "results/transduction.json",
        },
        "tuned": {"weight": 1.0, "doubt": 2.0, "base_rate": 0.0},
        "tuning_tasks": 3,
        "tried": {"weight 0, doubt 2, base rate 0": 0.5, "weight 1": 0.4},
        "conditions": measure(tasks, rows, Transduction()),
    }
    path = tmp_path / "docs" / "transduction.md"
    transduction_document.write(path, result)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\n## Afterwards\n", encoding="utf-8")
    transduction_document.write(path, result)
    assert path.read_text(encoding="utf-8") == text + "\n## Afterwards\n"
    for mix in MIXES:
        assert f"### {mix.title}" in text
    assert "mean log loss of 0.4000 there, the inductive answer 0.5000" in text
    rows_of = [line for line in text.splitlines() if line.startswith("| ordinary, 5 of each")]
    # AUROC where both labels wait in numbers; accuracy and log loss everywhere.
    assert len(rows_of) == 2 + 2 * len(MIXES)
