"""Meta-training of all learners: the same tasks for each, chosen fairly, resumed exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import MetricError
from model.learners import LEARNERS
from model.reports.bakeoff import jobs, training
from model.reports.bakeoff.code import code_digest
from model.reports.bakeoff.jobs import Choice, Job, Work, train_all
from model.reports.bakeoff.material import Material
from model.reports.bakeoff.training import Budget
from model.training.sources import ViewLabel

DIM = 12
BUDGET = Budget(steps=6, tasks=4, most_shots=3, queries=4, rates=(1e-3, 1e-2), share=0.5, judged=8)
NAMES = ("ridge", "prototypical", "logistic", "prior-mixture")


def label(number: int, is_standin: bool) -> ViewLabel:
    look = ("swatch", "", "")[number % 3]
    return ViewLabel(
        is_standin=is_standin,
        category="" if is_standin else f"goods {number % 2}",
        kind=("text", "icon")[number % 2] if is_standin else "",
        look=("lettering", "icon")[number % 2] if is_standin else look,
        fine="",
        hardtag="",
        role="learner" if number % 3 == 0 else "encoder",
        drawn=False,
    )


def material(pictures: int = 120, seed: int = 0) -> Material:
    """Stand-ins lie apart from products, and both have a way of their own to be told."""
    rng = np.random.default_rng(seed)
    labels = [label(i // 2, i % 2 == 0) for i in range(pictures)]
    rows = rng.standard_normal((pictures, DIM))
    rows[:, 0] += [2.0 if each.is_standin else -2.0 for each in labels]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Material(torch.from_numpy(rows).float(), labels)


def test_the_parts_for_choosing_are_apart_by_role() -> None:
    whole = material()
    fitted, judged = whole.parts()
    assert {v.role for v in fitted.labels} == {"encoder"}
    assert {v.role for v in judged.labels} == {"learner"}
    assert len(fitted.labels) + len(judged.labels) == len(whole.labels)
    alone = whole.only("encoder")
    assert alone.parts() == (alone, alone)  # without the other role everything is both


def test_every_learner_gets_the_same_tasks_and_learns_from_them(tmp_path: Path) -> None:
    found = train_all(NAMES, material(), BUDGET, seed=3, cache=tmp_path)
    assert list(found) == list(NAMES)
    for name in ("ridge", "prototypical", "prior-mixture"):
        record = found[name].record
        assert len(record["tried"]) == len(BUDGET.rates)
        assert record["choice"] == min(record["tried"], key=record["tried"].get)
        start = training.build(name, DIM, {}, 3)
        moved = [
            not torch.equal(before, after)
            for before, after in zip(
                start.parameters(), found[name].learner.parameters(), strict=True
            )
        ]
        assert any(moved), name
    assert found["logistic"].record["parameters"] == 0
    assert set(found["logistic"].record["options"]) == {"inverse_penalty"}
    # A learner with room for a zero-shot head is given one.
    assert bool(found["prior-mixture"].learner.zero_shot.any())


def test_what_is_done_is_read_and_what_is_missing_is_done_again(tmp_path: Path) -> None:
    first = train_all(NAMES, material(), BUDGET, seed=3, cache=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = train_all(NAMES, material(), BUDGET, seed=3, cache=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    (gone,) = tmp_path.glob("trained/ridge-*-whole.json")  # killed before it was written
    gone.unlink()
    third = train_all(NAMES, material(), BUDGET, seed=3, cache=tmp_path)
    for found in (again, third):
        for name in NAMES:
            assert found[name].key == first[name].key
            for key, value in first[name].learner.state_dict().items():
                assert torch.equal(value, found[name].learner.state_dict()[key]), (name, key)


def test_other_pictures_another_budget_or_another_seed_train_anew(tmp_path: Path) -> None:
    def key(pictures: Material, budget: Budget, seed: int) -> str:
        return train_all(["logistic"], pictures, budget, seed=seed, cache=tmp_path)["logistic"].key

    other = Budget(**{**BUDGET.__dict__, "judged": 4})
    keys = {
        key(material(), BUDGET, 0),
        key(material(seed=1), BUDGET, 0),
        key(material(), other, 0),
        key(material(), BUDGET, 1),
    }
    assert len(keys) == 4


@pytest.mark.slow
def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    alone = train_all(NAMES, material(), BUDGET, seed=3, cache=tmp_path / "alone")
    shared = train_all(NAMES, material(), BUDGET, seed=3, cache=tmp_path / "shared", workers=2)
    for name in NAMES:
        assert shared[name].record["tried"] == pytest.approx(alone[name].record["tried"], rel=1e-4)
        for key, value in alone[name].learner.state_dict().items():
            torch.testing.assert_close(shared[name].learner.state_dict()[key], value)


def test_work_is_the_same_after_it_went_through_a_file(tmp_path: Path) -> None:
    work = Work.draw(material(), BUDGET, 5)
    assert (len(work.whole), len(work.trial), len(work.judging)) == (6, 3, 2)
    work.save(tmp_path)
    back = Work.load(tmp_path, BUDGET, 5)
    job = Job("ridge", Choice(rate=1e-2), whole=False)
    one, other = (jobs.run(job, each)[1] for each in (work, back))
    assert one["judged"] == other["judged"]
    assert one["losses"] == other["losses"]


def test_a_better_fit_is_judged_better() -> None:
    """The judge is a loss: a learner trained for longer has less of it on these easy tasks."""
    work = Work.draw(material(), Budget(**{**BUDGET.__dict__, "steps": 60}), 0)
    learner = training.build("ridge", DIM, {}, 0)
    before = training.judge(learner, work.judged, work.judging)
    losses = training.meta_train(learner, work.fitted, work.trial, 3e-2)
    assert training.judge(learner, work.judged, work.judging) < before
    assert len(losses) == len(work.trial)


def test_a_learner_that_diverges_with_every_choice_is_named() -> None:
    assert training.best({"a": float("inf"), "b": 0.3}, "ridge") == "b"
    with pytest.raises(MetricError, match="'ridge' diverged with every choice: a, b"):
        training.best({"a": float("inf"), "b": float("inf")}, "ridge")
    work = Work.draw(material(), BUDGET, 0)
    broken = Material(work.fitted.embeddings * torch.nan, work.fitted.labels)
    learner = training.build("ridge", DIM, {}, 0)
    assert training.meta_train(learner, broken, work.trial, 1e-3) == [float("inf")]


def test_a_learner_s_digest_follows_what_it_imports(tmp_path: Path) -> None:
    import sys

    whole = code_digest(sys.modules[LEARNERS["prior-mixture"].__module__])
    alone = code_digest(sys.modules[LEARNERS["prior-mixture"].__module__], below="nothing.")
    assert whole != alone
    assert whole == code_digest(sys.modules[LEARNERS["prior-mixture"].__module__])


def test_choices_have_names_of_their_own() -> None:
    names = [
        Choice(rate=1e-3).name,
        Choice(options=(("rate", 2.0), ("steps", 5))).name,
        Choice().name,
    ]
    assert names == ["learning rate 0.001", "rate = 2, steps = 5", "as it is"]
    assert json.dumps(names)
