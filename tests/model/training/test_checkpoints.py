"""Checkpoints restore everything, and refuse what they do not belong to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from model.errors import WeightsError
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.journal import Journal


def trained(steps: int) -> tuple[nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    for step in range(steps):
        step_once(net, optimiser, step)
    return net, optimiser


def step_once(net: nn.Linear, optimiser: torch.optim.Optimizer, step: int) -> None:
    x = torch.full((4, 3), float(step))
    optimiser.zero_grad()
    (net(x) - 1).square().sum().backward()
    optimiser.step()


def test_going_on_equals_never_having_stopped(tmp_path: Path) -> None:
    whole, _ = trained(9)
    net, optimiser = trained(5)
    save_checkpoint(tmp_path / "c", {"net": net}, optimiser, Progress(5, "f"))
    other, fresh = trained(0)
    assert load_checkpoint(tmp_path / "c", {"net": other}, fresh, "f") == 5
    for step in range(5, 9):
        step_once(other, fresh, step)
    assert torch.equal(other.weight, whole.weight)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    save_checkpoint(tmp_path / "c", {"net": net}, optimiser, Progress(1, "f"))
    with pytest.raises(WeightsError, match="another configuration"):
        load_checkpoint(tmp_path / "c", {"net": net}, optimiser, "g")


def test_no_checkpoint_is_the_beginning_and_a_broken_one_is_an_error(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    assert load_checkpoint(tmp_path / "c", {"net": net}, optimiser, "f") == 0
    (tmp_path / "c").write_bytes(b"half a file")
    with pytest.raises(WeightsError, match="cannot read"):
        load_checkpoint(tmp_path / "c", {"net": net}, optimiser, "f")


def test_the_journal_forgets_what_will_be_done_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log.jsonl")
    for step in range(4):
        journal.write("encoder", step, {"loss": 1 / (step + 1)})
    journal.write("learner", 0, {"loss": 1.0})
    with journal.path.open("a") as file:
        file.write('{"stage": "learner", "st')  # killed while writing
    journal.rewind("encoder", 2)
    assert [(e["stage"], e["step"]) for e in journal.entries()] == [
        ("encoder", 0),
        ("encoder", 1),
        ("learner", 0),
    ]
