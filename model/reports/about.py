"""What stands beside figures: the command that made them, the machine and versions; rounding."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch


def options(args: argparse.Namespace, *names: str) -> list[str]:
    """Options as they were given, ``--name value`` each; what has no value is left out.

    Of a path the last name alone: where it lies on this machine is nobody's. A list is an option
    that is given more than once, a tuple is one option with commas between its values.
    """
    words = []
    for name in names:
        given = getattr(args, name.replace("-", "_"))
        for value in given if isinstance(given, list) else [given]:
            if value is not None and value != () and value != "":
                words.append(f"--{name} {_word(value)}")
    return words


def _word(value: Any) -> str:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, tuple):
        return ",".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def command(script: str, *words: str) -> str:
    """What starts a script of ``scripts/`` again, an option on each line."""
    return " \\\n    ".join([f"python scripts/{script}.py", *words])


def provenance(packages: Sequence[str], device: torch.device | None = None) -> dict[str, Any]:
    """Date, machine, and the versions of Python and some packages.

    Args:
        device: a GPU is told instead of the processor's cores.
    """
    cuda = device is not None and device.type == "cuda"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": torch.cuda.get_device_name(device) if cuda else f"{os.cpu_count()} cores, CPU",
        "versions": {"Python": platform.python_version()} | {p: version(p) for p in packages},
    }


def rounded(value: Any, digits: int, *, null: bool = False) -> Any:
    """Figures in dictionaries and lists, with as many digits as their intervals support.

    Args:
        null: NaN and infinity become None, which JSON has; else they stay, and JSON refuses them.

    Returns:
        The same, as JSON gives it back: keys are strings, tuples are lists.
    """
    if isinstance(value, float | np.floating):
        return None if null and not np.isfinite(value) else round(float(value), digits)
    if isinstance(value, dict):
        return {str(key): rounded(each, digits, null=null) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each, digits, null=null) for each in value]
    return value
