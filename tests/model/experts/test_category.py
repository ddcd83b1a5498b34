"""A category's state and its bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from model.errors import WeightsError
from model.experts.category import CategoryState


def state(width: int = 5) -> CategoryState:
    heads = {
        name: np.random.default_rng(i).normal(size=width + i).astype(np.float32)
        for i, name in enumerate(("statistics", "visual"))
    }
    return CategoryState(heads, np.arange(3, dtype=np.float32), 2, 7)


@pytest.mark.parametrize("width", [0, 1, 512])
def test_bytes_and_back(width: int) -> None:
    sent = state(width)
    found = CategoryState.from_bytes(sent.to_bytes())
    assert (found.placeholder, found.real) == (2, 7)
    np.testing.assert_array_equal(found.context, sent.context)
    assert found.arrays.keys() == found.heads.keys() == sent.arrays.keys()
    for name, array in sent.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == np.float32
        torch.testing.assert_close(found.heads[name], torch.from_numpy(array), rtol=0, atol=0)


def test_the_bytes_are_safetensors_as_torch_writes_them() -> None:
    """What releases before this one kept is read, and they read what this one keeps."""
    sent = state()
    tensors = load(sent.to_bytes())
    assert tensors["examples"].tolist() == [2, 7]
    assert tensors.keys() == {"examples", "context", "head.statistics", "head.visual"}
    assert save(tensors) == sent.to_bytes()
    found = CategoryState.from_bytes(save(tensors, {"made by": "someone"}))
    np.testing.assert_array_equal(found.arrays["visual"], sent.arrays["visual"])


@given(st.data())
def test_what_is_no_state_is_refused(data: st.DataObject) -> None:
    whole = state().to_bytes()
    assert CategoryState.from_bytes(whole)  # its layout is known now, and no excuse
    kind = data.draw(st.sampled_from(["cut", "longer", "noise", "changed"]))
    if kind == "cut":
        broken = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "longer":
        broken = whole + data.draw(st.binary(min_size=1, max_size=9))
    elif kind == "noise":
        broken = data.draw(st.binary(max_size=80))
    else:
        length = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8 : 8 + length])
        name = data.draw(st.sampled_from(sorted(header)))
        changes = {
            "dtype": "F16",
            "shape": [1, header[name]["shape"][0]],
            "data_offsets": [0, 4],
        }
        what = data.draw(st.sampled_from(sorted(changes)))
        header[name][what] = changes[what]
        text = json.dumps(header).encode()
        broken = len(text).to_bytes(8, "little") + text + whole[8 + length :]
    with pytest.raises(WeightsError, match="no category's state"):
        CategoryState.from_bytes(broken)
