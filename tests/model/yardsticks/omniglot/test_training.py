"""Training goes on exactly, is done once, and carries over to characters never seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import EpisodeError, WeightsError
from model.yardsticks.omniglot.drawings import Run
from model.yardsticks.omniglot.episodes import Background
from model.yardsticks.omniglot.learners import LEARNERS, UnknownLearner, build
from model.yardsticks.omniglot.training import (
    Outcome,
    Training,
    measure,
    train,
    train_and_measure,
)
from tests.model.yardsticks.omniglot import made_glyphs as made

BACKGROUND = Background([made.alphabet("Zayin", 6, 4), made.alphabet("Het", 8, 4)], 5, 2)


def short(name: str, steps: int, save_every: int = 100) -> Training:
    return Training(length=steps / LEARNERS[name].episodes, save_every=save_every)


@pytest.mark.parametrize("name", ["siamese", "maml"])
def test_going_on_equals_never_having_stopped(name: str, tmp_path: Path) -> None:
    training = short(name, 7, save_every=2)
    whole = train(name, BACKGROUND, training, 3, tmp_path / "whole")

    def stop(done: int, total: int, words: str) -> None:
        assert total == 7
        if done == 5:  # one step after a checkpoint: that step is done again
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(name, BACKGROUND, training, 3, tmp_path / "parts", stop)
    seen: list[int] = []
    parts = train(
        name, BACKGROUND, training, 3, tmp_path / "parts", lambda done, total, _: seen.append(done)
    )
    assert seen == [5, 6, 7]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[key]), key


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train("ridge", BACKGROUND, short("ridge", 1), 0, tmp_path)
    with pytest.raises(WeightsError, match="another configuration"):
        train("ridge", BACKGROUND, short("ridge", 1), 1, tmp_path)


def unseen_runs(count: int) -> list[Run]:
    """Runs of characters of other alphabets, by other hands, five ways."""
    found = []
    for number in range(count):
        ink = made.alphabet(f"unseen {number}", 5, 4).ink
        answer = np.arange(15) % 5
        test = np.array([ink[a, 1 + i // 5] for i, a in enumerate(answer)])
        found.append(Run(f"run{number}", ink[:, 0], test, answer))
    return found


def test_an_outcome_is_kept_and_not_found_twice(tmp_path: Path) -> None:
    runs, training = unseen_runs(2), short("anil", 2)
    first = train_and_measure("anil", ("made", BACKGROUND), runs, training, 0, tmp_path)
    assert (first.learner, first.background, first.seed, first.steps) == ("anil", "made", 0, 2)
    assert first.trials == (15, 15)

    def never(done: int, total: int, words: str) -> None:
        raise AssertionError("trained again")

    again = train_and_measure("anil", ("made", BACKGROUND), runs, training, 0, tmp_path, never)
    assert again == first
    for other in (replace(training, rate=1e-4), short("anil", 1)):
        with pytest.raises(AssertionError, match="trained again"):
            train_and_measure("anil", ("made", BACKGROUND), runs, other, 0, tmp_path, never)


def test_the_error_is_the_share_of_all_trials() -> None:
    assert Outcome("ridge", "made", 0, 1, (1, 4), (5, 15)).error == 0.25


def test_measuring_counts_the_wrong_answers_of_each_run() -> None:
    learner = build("convnet", 5, BACKGROUND.classes, 0)
    run = unseen_runs(1)[0]
    copies = Run("copies", run.training, run.training, np.arange(5))
    swapped = Run("swapped", run.training, run.training, np.array([1, 0, 2, 3, 4]))
    assert measure(learner, [copies, swapped]) == [0, 2]


def test_training_carries_over_to_characters_never_seen(tmp_path: Path) -> None:
    runs = unseen_runs(12)
    trials = sum(len(r.answer) for r in runs)
    before = sum(measure(build("prototypical", 5, BACKGROUND.classes, 0), runs))
    training = short("prototypical", 60)
    after = sum(measure(train("prototypical", BACKGROUND, training, 0, tmp_path), runs))
    assert after < before
    assert after / trials < 0.3  # chance is wrong in 0.8


def test_trainings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownLearner):
        Training().steps("mamal")
    for length in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(EpisodeError, match="above 0"):
            Training(length=length).steps("maml")
