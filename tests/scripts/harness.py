"""What tests of scripts share: weights that have learned nothing, and scripts as a person starts
them or as modules."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import torch

from model.encoder import EncoderNet, build
from model.learners.prior_mixture import PriorMixture
from model.weights import save

ROOT = Path(__file__).parents[2]


def save_untrained(folder: Path, dim: int, image_size: int) -> EncoderNet:
    """Write weights of a network from a fixed seed, and return the network."""
    torch.manual_seed(0)
    net, learner = build("tf_efficientnet_lite0", dim), PriorMixture(dim, 2)
    save(
        folder,
        "untrained",
        net,
        learner,
        learner.state_dict(),
        version="1",
        learner_config={"embedding_dim": dim, "components": 2},
        training_data=[],
        metrics={},
        git_revision="none",
        recorded=[],
        image_size=image_size,
    )
    return net


def command(script: str, *words: object) -> list[str]:
    """What starts a script with this Python."""
    return [sys.executable, str(ROOT / "scripts" / f"{script}.py"), *map(str, words)]


def environment() -> dict[str, str]:
    """One thread: test processes share the cores."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    """A script's whole process, whatever its status."""
    return subprocess.run(
        command(script, *words), capture_output=True, text=True, check=False, env=environment()
    )


def imported(script: str) -> ModuleType:
    """The script as a module, for its ``main``."""
    spec = importlib.util.spec_from_file_location(script, ROOT / "scripts" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    if str(ROOT / "scripts") not in sys.path:  # they import each other by name
        sys.path.append(str(ROOT / "scripts"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_here(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    """What ``run`` gives, without a process: for what ends before anything is computed, where
    importing takes longer than all the rest."""
    out, errors = io.StringIO(), io.StringIO()
    arguments = [str(word) for word in words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = imported(script).main(arguments)
        except SystemExit as stopped:  # argparse
            status = stopped.code
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), errors.getvalue())
