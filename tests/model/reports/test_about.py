"""What is said beside figures: the command to type again, where and with what; how many digits."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.reports.about import command, options, provenance, rounded


def test_a_command_names_what_was_given_and_no_folder_of_this_machine() -> None:
    args = Namespace(
        data=[Path("/home/me/products"), Path("/home/me/placeholders")],
        validation=[],
        weights=None,
        log=Path("/home/me/runs.npz"),
        scenes="",
        given=(),
        costs=(0.05, 1.0, 1e-7),
        tuning_episodes=4,
        seed=0,
    )
    words = options(
        args, "data", "validation", "weights", "log", "scenes", "given", "costs",
        "tuning-episodes", "seed",
    )  # fmt: skip
    assert command("some_script", *words).split(" \\\n    ") == [
        "python scripts/some_script.py",
        "--data products",
        "--data placeholders",
        "--log runs.npz",
        "--costs 0.05,1,1e-07",
        "--tuning-episodes 4",
        "--seed 0",
    ]


def test_machine_and_versions_are_told() -> None:
    found = provenance(["torch", "numpy"], torch.device("cpu"))
    assert found["machine"].endswith("cores, CPU")
    assert list(found["versions"]) == ["Python", "torch", "numpy"]
    assert found["versions"]["numpy"] == np.__version__


def test_figures_are_rounded_wherever_they_stand() -> None:
    figures = {"a": [(0.123456789, np.float64(2 / 3))], 5: {"n": 3, "name": "x", "yes": True}}
    found = rounded(figures, 4)
    assert found == {"a": [[0.1235, 0.6667]], "5": {"n": 3, "name": "x", "yes": True}}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_no_number_is_null_only_where_that_is_asked_for(nothing: float) -> None:
    assert rounded({"a": [nothing]}, 3, null=True) == {"a": [None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        json.dumps(rounded([nothing], 3), allow_nan=False)
