"""The file beside the weights: comes back as it was, or is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model.errors import WeightsError
from model.experts.release import Released, experts_path, load_released
from tests.model.experts_random import random_ensemble, random_policy

WEIGHTS, READER = "1" * 64, "2" * 64


def written(folder: Path, policy: bool = True) -> tuple[Path, Released]:
    experts = random_ensemble(3).experts
    assert experts is not None
    released = Released(
        experts.panel.statistics,
        experts.panel.words,
        experts.combination,
        random_policy(np.random.default_rng(0)) if policy else None,
        experts.surely,
        {"weights": WEIGHTS, "reader": READER, "alpha": 0.05},
        experts.glance if policy else None,
    )
    path = experts_path(folder / "some.json")
    released.save(path)
    return path, released


@pytest.mark.parametrize("policy", [True, False])
def test_it_comes_back(tmp_path: Path, policy: bool) -> None:
    path, was = written(tmp_path, policy)
    assert path.name == "some.experts.safetensors"
    now = load_released(path, WEIGHTS, READER)
    assert now.surely == was.surely
    for name in ("statistics", "words", "combination"):
        before, after = getattr(was, name).state_dict(), getattr(now, name).state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert now.words.learner.doubt == was.words.learner.doubt
    assert (now.policy is None) == (was.policy is None)
    if now.policy is not None and was.policy is not None:
        np.testing.assert_array_equal(now.policy.table, was.policy.table)
    assert (now.glance is None) == (was.glance is None)
    if now.glance is not None and was.glance is not None:
        assert now.glance.side == was.glance.side
        for part in ("weight", "bias"):
            mine, theirs = getattr(now.glance, part), getattr(was.glance, part)
            np.testing.assert_allclose(mine, theirs, atol=1e-3, rtol=1e-3)  # half precision


def test_signals_of_a_release_that_only_asks_otherwise_are_kept(tmp_path: Path) -> None:
    path, was = written(tmp_path)
    first = load_released(path, WEIGHTS, READER)
    assert first.mark == int(first.about["sha256"][:8], 16)
    kept = {key: value for key, value in first.about.items() if key not in Released.OWN}
    about = kept | {"mark": f"{first.mark:08x}"}
    Released(was.statistics, was.words, was.combination, None, was.surely, about).save(path)
    second = load_released(path, WEIGHTS, READER)
    assert second.about["sha256"] != first.about["sha256"]
    assert second.mark == first.mark


def test_other_weights_or_another_reader_are_refused(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    with pytest.raises(WeightsError, match="loaded are 333333333333 and 222222222222"):
        load_released(path, "3" * 64, READER)
    with pytest.raises(WeightsError, match="was trained with"):
        load_released(path, WEIGHTS, "3" * 64)


def test_damage_is_noticed(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    data = bytearray(path.read_bytes())
    data[-7] ^= 64  # within the last tensor
    path.write_bytes(data)
    assert load_file(path)  # safetensors itself has no checksum
    with pytest.raises(WeightsError, match="damaged"):
        load_released(path, WEIGHTS, READER)
    path.write_bytes(data[:100])
    with pytest.raises(WeightsError, match="does not hold"):
        load_released(path, WEIGHTS, READER)
    path.write_text(json.dumps({}))
    with pytest.raises(WeightsError, match="does not hold"):
        load_released(path, WEIGHTS, READER)
