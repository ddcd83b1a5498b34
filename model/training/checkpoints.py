"""Checkpoints from which training goes on exactly as if it had not been stopped.

Random numbers come from the seed and the number of the step alone, so parameters, the optimiser's
moments and the step are the whole state. Files are safetensors, replaced in one move: a kill
leaves the old one or the new one, never half of one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.errors import WeightsError


@dataclass(frozen=True)
class Progress:
    """Where a stage stands: the next step to take, and a fingerprint of its configuration."""

    step: int
    fingerprint: str


def save_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, at: Progress
) -> None:
    """Write all trainable state of a stage."""
    tensors = {
        f"module.{prefix}.{name}": value
        for prefix, module in modules.items()
        for name, value in module.state_dict().items()
    }
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
    partial = path.with_suffix(".partial")
    # Clones: safetensors refuses tensors that share memory.
    save_file(
        {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
        partial,
        {"progress": json.dumps({"step": at.step, "fingerprint": at.fingerprint})},
    )
    partial.replace(path)


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, fingerprint: str
) -> int:
    """Restore a stage; return the next step to take, 0 where there is no checkpoint.

    Raises:
        WeightsError: the checkpoint belongs to another configuration, or cannot be read.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"cannot read the checkpoint {path}: {error}") from error
    if progress.fingerprint != fingerprint:
        raise WeightsError(
            f"the checkpoint {path} belongs to another configuration; train in another folder, "
            "or remove it"
        )
    for prefix, module in modules.items():
        start = f"module.{prefix}."
        module.load_state_dict(
            {n.removeprefix(start): v for n, v in tensors.items() if n.startswith(start)}
        )
    _load_optimiser(optimiser, tensors)
    return progress.step


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
