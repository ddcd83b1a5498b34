"""The quadratics: their arithmetic, the optimisers beside ours, training that can be resumed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import MetricError, SupportError, WeightsError
from model.training.journal import Journal
from model.yardsticks import quadratics_report as report
from model.yardsticks.quadratics import (
    BASELINES,
    RATES,
    Quadratics,
    run_baseline,
    run_learned,
    tune,
)
from model.yardsticks.quadratics_training import (
    Recipe,
    functions_for,
    test_functions,
    train,
    tuning_functions,
    untrained,
)

test_functions.__test__ = False  # type: ignore[attr-defined]  # a function of ours, not a test
seeds = st.integers(0, 10_000)


def drawn(count: int, seed: int, dim: int = 10) -> Quadratics:
    return Quadratics.draw(count, torch.Generator().manual_seed(seed), dim)


@given(seed=seeds, b=st.integers(1, 4), dim=st.integers(1, 10))
def test_the_gradient_is_autograd_s(seed: int, b: int, dim: int) -> None:
    functions = drawn(b, seed, dim)
    theta = functions.start.clone().requires_grad_()
    (expected,) = torch.autograd.grad(functions.loss(theta).sum(), theta)
    torch.testing.assert_close(functions.gradient(functions.start), expected, atol=1e-4, rtol=1e-4)


@given(seed=seeds)
def test_the_loss_is_the_squared_distance_and_its_least_value_0(seed: int) -> None:
    functions = drawn(3, seed)
    w, y = functions.matrix.double().numpy(), functions.target.double().numpy()
    start = functions.start.double().numpy()
    expected = [np.linalg.norm(w[i] @ start[i] - y[i]) ** 2 for i in range(3)]
    np.testing.assert_allclose(functions.loss(functions.start), expected, rtol=1e-4)
    doubled = Quadratics(
        *(v.double() for v in (functions.matrix, functions.target, functions.start))
    )
    best = torch.linalg.solve(doubled.matrix, doubled.target)
    assert float(doubled.loss(best).max()) < 1e-8
    assert float(doubled.gradient(best).abs().max()) < 1e-3


def test_functions_are_standard_normal() -> None:
    functions = drawn(4000, 0)
    for values in (functions.matrix, functions.target, functions.start):
        standard_error = 1 / values.numel() ** 0.5
        assert abs(float(values.mean())) < 5 * standard_error
        assert abs(float(values.square().mean()) - 1) < 5 * 2**0.5 * standard_error


def test_every_purpose_has_functions_of_its_own() -> None:
    sets = [tuning_functions(0, 2), test_functions(0, 2), test_functions(1, 2)]
    sets += [functions_for(1, 0, 2, 0), functions_for(1, 0, 2, 1), functions_for(2, 0, 2)]
    for i, one in enumerate(sets):
        for other in sets[:i]:
            assert not torch.equal(one.matrix, other.matrix)
    assert torch.equal(test_functions(0, 2).matrix, sets[1].matrix)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_together_functions_are_minimised_as_each_alone(name: str) -> None:
    """Each alone: torch's optimiser, torch's gradient."""
    functions = drawn(3, 5)
    found = run_baseline(BASELINES[name], 0.01, functions, 20)
    for i in range(3):
        theta = functions.start[i].clone().requires_grad_()
        optimiser = BASELINES[name]([theta], 0.01)
        for t in range(21):
            optimiser.zero_grad()
            loss = (functions.matrix[i] @ theta - functions.target[i]).square().sum()
            torch.testing.assert_close(found[t, i], loss.detach(), atol=1e-4, rtol=1e-3)
            torch.autograd.backward(loss)
            optimiser.step()


def test_the_optimisers_beside_ours_are_those_of_the_paper() -> None:
    theta = [torch.zeros(1)]
    assert {name: type(make(theta, 0.1)).__name__ for name, make in BASELINES.items()} == {
        "SGD": "SGD",
        "RMSprop": "RMSprop",
        "Adam": "Adam",
        "NAG": "SGD",
    }
    nag = BASELINES["NAG"](theta, 0.1).defaults
    assert (nag["momentum"], nag["nesterov"]) == (0.9, True)
    assert BASELINES["SGD"](theta, 0.1).defaults["momentum"] == 0


def test_tuning_finds_the_rate_that_solves_it_and_refuses_those_that_run_away() -> None:
    """|theta - y|^2 has gradient 2 (theta - y): a rate of one half is there in one step."""
    functions = drawn(8, 1)
    easy = Quadratics(torch.eye(10).expand(8, 10, 10), functions.target, functions.start)
    rate, losses = tune(BASELINES["SGD"], easy, 400, (0.001, 0.5, 0.999, 3.0))
    assert rate == 0.5
    assert losses[0.5] < 1e-10
    assert losses[3.0] == float("inf")


SMALL = Recipe(epochs=4, batches=3, functions=4, steps=6, unroll=3, validation=8)


class Stopped(Exception):
    """What a person's Ctrl-C is here."""


@pytest.mark.parametrize("after", [1, 3, 7])
def test_stopped_it_goes_on_to_the_very_same_optimiser(after: int, tmp_path: Path) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == after:
            raise Stopped

    whole = train(SMALL, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(SMALL, tmp_path / "parts", stop)
    resumed = train(SMALL, tmp_path / "parts")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    logs = [(tmp_path / part / "log.jsonl").read_text() for part in ("whole", "parts")]
    assert logs[0] == logs[1]
    again = train(SMALL, tmp_path / "whole")
    assert torch.equal(again.output.weight, whole.output.weight)


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    train(SMALL, tmp_path)
    with pytest.raises(WeightsError, match="another configuration"):
        train(Recipe(epochs=4, batches=3, functions=4, steps=6, unroll=2, validation=8), tmp_path)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    """A learning rate too large for two functions: it gets worse, and what comes back does not."""
    recipe = Recipe(
        epochs=8,
        batches=1,
        functions=2,
        steps=6,
        unroll=3,
        validation=32,
        learning_rate=0.05,
        seed=1,
    )
    kept = train(recipe, tmp_path)
    lines = [float(entry["validation"]) for entry in Journal(tmp_path / "log.jsonl").entries()]
    final = float(run_learned(kept, functions_for(2, 1, 32), 6)[-1].mean())
    assert final == pytest.approx(min(lines), rel=1e-4)
    assert min(lines) < 0.9 * lines[-1]


def test_training_makes_it_better_than_untrained_and_than_gradient_descent(tmp_path: Path) -> None:
    """Ten steps on new functions, against SGD at the rate that is best for those very functions."""
    recipe = Recipe(
        epochs=3, batches=40, functions=16, steps=10, unroll=10, validation=64, learning_rate=0.01
    )
    trained = train(recipe, tmp_path)
    functions = test_functions(0, 500)
    ours = run_learned(trained, functions, 10)[-1]
    before = run_learned(untrained(recipe), functions, 10)[-1]
    _, theirs = tune(BASELINES["SGD"], functions, 10, RATES[4:16])
    assert float(ours.mean()) < 0.2 * float(before.mean())
    assert float(ours.mean()) < 0.7 * min(theirs.values())


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"unroll": 7}, {"validation": 0}])
def test_an_impossible_recipe_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SupportError):
        Recipe(**wrong)


def measured() -> report.Measured:
    rng = np.random.default_rng(0)
    fall = np.exp(-np.arange(21.0) / 5)[:, None] * 100
    names = ("LSTM", *BASELINES)
    losses = {n: fall * (1 + i) * rng.gamma(2, 1, (21, 40)) for i, n in enumerate(names)}
    return report.Measured(losses, dict.fromkeys(BASELINES, 0.01), learned=1, trained_steps=10)


def test_the_tables_hold_the_figures() -> None:
    found = measured()
    assert found.best_baseline == "SGD"
    text = report.tables(found)
    for block in text.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1
    (row,) = [line for line in text.splitlines() if line.startswith("| SGD, rate 0.01")]
    values = found.losses["SGD"][10]
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    assert f"{values.mean():.3g} ± {half:.2g}" in row
    share = (found.losses["LSTM"][10] < values).mean()
    assert f"| {100 * share:.1f} % |" in text


def test_the_plot_has_the_same_bytes_every_time_and_shows_every_optimiser(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        report.plot(measured(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())
    assert all(name in text for name in ("LSTM", *BASELINES))


def test_the_page_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    report.write_page(page, "first")
    page.write_text("Why.\n" + page.read_text() + "Wherefore.\n")
    report.write_page(page, "second")
    text = page.read_text()
    assert text.startswith("Why.\n")
    assert text.endswith("Wherefore.\n")
    assert "second" in text
    assert "first" not in text
    page.write_text("no markers")
    with pytest.raises(MetricError):
        report.write_page(page, "third")
