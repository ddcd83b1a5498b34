"""Sinusoids: what is known in closed form, what a short training must show, and resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.errors import MetricError, WeightsError
from model.yardsticks import sinusoid_report
from model.yardsticks.sinusoid import (
    METHODS,
    RATES,
    SinusoidConfig,
    Waves,
    best_rate,
    draw_test,
    errors_by_step,
    least_error_unadapted,
    train,
)

QUICK = SinusoidConfig(steps=250, outer_rate=0.004, seed=1)


class MeanWave(nn.Module):
    """The mean of all waves, 2 E[A] cos(x) / pi, as a network without parameters that matter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2 * 2.55 / torch.pi))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.cos(x)


def test_the_mean_wave_errs_as_the_closed_form_says_and_others_err_more() -> None:
    waves, given = draw_test(20_000, 5, seed=0, stream=1)
    mean = MeanWave()
    errors = errors_by_step(mean, waves, given, told=False, rate=0.01, steps=0, points=50)[:, 0]
    # The interval is 1.96 * 2.9 / sqrt(20000) = 0.04 on either side.
    assert errors.mean() == pytest.approx(least_error_unadapted(), abs=0.1)
    for scale in (0.0, 1.0, 2.5):
        with torch.no_grad():
            mean.scale.fill_(scale)
        other = errors_by_step(mean, waves, given, told=False, rate=0.01, steps=0, points=50)
        assert other.mean() > errors.mean()


def test_the_wave_is_where_the_task_says() -> None:
    waves = Waves(torch.tensor([2.0]), torch.tensor([torch.pi / 2]))
    torch.testing.assert_close(waves.at(torch.tensor([[0.0, torch.pi]])), torch.tensor([[2.0, -2]]))
    assert waves.inputs(torch.zeros(1, 4), told=True).shape == (1, 4, 3)
    drawn = Waves.draw(5000, np.random.default_rng(0))
    assert 0.1 <= drawn.amplitude.min() < 0.2
    assert 4.9 < drawn.amplitude.max() <= 5
    assert 0 <= drawn.phase.min() < 0.01
    assert torch.pi - 0.01 < drawn.phase.max() <= torch.pi


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, nn.Module]:
    folder = tmp_path_factory.mktemp("sinusoid")
    return {method: train(method, QUICK, folder) for method in METHODS}


def after(net: nn.Module, method: str, rate: float, steps: int) -> np.ndarray:
    waves, given = draw_test(600, 10, seed=5, stream=1)
    return errors_by_step(net, waves, given, told=method == "oracle", rate=rate, steps=steps)


def test_a_short_meta_training_adapts_better_than_fine_tuning(
    trained: dict[str, nn.Module],
) -> None:
    pretrained = after(
        trained["pretrained"], "pretrained", best_rate(trained["pretrained"], 10, 5), 3
    )
    for method in ("maml", "fomaml"):
        errors = after(trained[method], method, 0.01, 3)
        # One step is a real gain, and more steps than it was trained with go on.
        assert errors[:, 1].mean() < errors[:, 0].mean() - 0.5
        assert errors[:, 3].mean() < errors[:, 1].mean()
        gain = pretrained[:, 1] - errors[:, 1]
        assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))
    oracle = after(trained["oracle"], "oracle", 0.01, 0)[:, 0]
    assert oracle.mean() < pretrained[:, 3].mean()


def test_the_tuned_rate_is_the_best_of_those_tried(trained: dict[str, nn.Module]) -> None:
    net = trained["pretrained"]
    waves, given = draw_test(200, 10, 5, stream=2)
    errors = {
        rate: errors_by_step(net, waves, given, told=False, rate=rate, steps=10)[:, -1].mean()
        for rate in RATES
    }
    assert errors[best_rate(net, 10, 5)] == np.nanmin(list(errors.values()))


@pytest.mark.parametrize("method", ["maml", "pretrained"])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    method: str, tmp_path: Path
) -> None:
    config = replace(QUICK, steps=12, tasks=4)
    whole = train(method, config, tmp_path / "whole")
    train(method, replace(config, steps=5), tmp_path / "parts")
    parts = train(method, config, tmp_path / "parts")
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(WeightsError, match="is at step 12, beyond the 5"):
        train(method, replace(config, steps=5), tmp_path / "parts")
    with pytest.raises(WeightsError, match="another configuration"):
        train(method, replace(config, inner_rate=0.02), tmp_path / "parts")


def test_the_page_keeps_its_words_and_gets_its_figures(
    trained: dict[str, nn.Module], tmp_path: Path
) -> None:
    page = tmp_path / "sinusoid.md"
    page.write_text(f"# Words\n{sinusoid_report.BEGIN}\n{sinusoid_report.END}\nmore\n")
    measured = sinusoid_report.measure(trained, 0.01, 30, seed=2)
    sinusoid_report.write(measured, QUICK, tmp_path)
    text = page.read_text()
    assert text.startswith("# Words\n")
    assert text.endswith("\nmore\n")
    first = measured.errors[10]["maml"][:, 0].mean()
    assert f"| MAML | {first:.2f} ±" in text
    plot = (tmp_path / "sinusoid.svg").read_bytes()
    sinusoid_report.write(measured, QUICK, tmp_path)
    assert page.read_text() == text
    assert (tmp_path / "sinusoid.svg").read_bytes() == plot
    page.write_text("no markers")
    with pytest.raises(MetricError):
        sinusoid_report.write(measured, QUICK, tmp_path)
