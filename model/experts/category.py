"""What one category has taught its experts: a frozen value, a few kilobytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from torch import Tensor

from model.errors import WeightsError

_COUNTS = "examples"
_CONTEXT = "context"
_HEAD = "head."
_LENGTH = 8  # bytes of safetensors' own, before its header
_KINDS = {"F32": "<f4", "I64": "<i8"}


@dataclass(frozen=True, eq=False)
class CategoryState:
    """Heads of the experts that have one, and the category's context.

    Attributes:
        arrays: by expert, the state (s_e,) of its learner.
        context: shape (C,), see ``model.metalearner.context``.
        placeholder, real: how many examples of each label it was made from.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    context: NDArray[np.float32]
    placeholder: int
    real: int

    @cached_property
    def heads(self) -> Mapping[str, Tensor]:
        """:attr:`arrays`, as learners take them."""
        return {name: torch.from_numpy(array.copy()) for name, array in self.arrays.items()}

    def to_bytes(self) -> bytes:
        """As safetensors: self-describing, checked when read, never executed."""
        arrays = {
            f"{_HEAD}{name}": np.ascontiguousarray(array) for name, array in self.arrays.items()
        }
        counts = np.array([self.placeholder, self.real])
        return save_arrays({**arrays, _CONTEXT: self.context, _COUNTS: counts})

    @classmethod
    def from_bytes(cls, data: bytes) -> CategoryState:
        """Read what :meth:`to_bytes` wrote; the arrays are views of it.

        Raises:
            WeightsError: the bytes are no category's state.
        """
        begin = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
        try:
            found = {
                name: np.frombuffer(data, kind, count, begin + at)
                for name, kind, count, at in _layout(data[_LENGTH:begin], len(data) - begin)
            }
            placeholder, real = found.pop(_COUNTS).tolist()
            context = found.pop(_CONTEXT)
        except (SafetensorError, ValueError, KeyError) as error:
            raise WeightsError(f"these {len(data)} bytes are no category's state") from error
        heads = {name.removeprefix(_HEAD): head for name, head in found.items()}
        return cls(heads, context, int(placeholder), int(real))


@lru_cache(maxsize=64)  # a release has one, and reading it takes longer than all the numbers
def _layout(header: bytes, length: int) -> tuple[tuple[str, str, int, int], ...]:
    """Name, type, count and first byte of each array behind a header of safetensors.

    Raises:
        SafetensorError, ValueError, KeyError: it is none for so many bytes of arrays with one axis.
    """
    if length < 0:
        raise ValueError("the header is cut short")
    # What it promises is safetensors' own to check: that nothing overlaps, and nothing is left.
    load_arrays(len(header).to_bytes(_LENGTH, "little") + header + bytes(length))
    found = []
    for name, told in json.loads(header).items():
        if name != "__metadata__":
            (count,) = told["shape"]
            found.append((name, _KINDS[told["dtype"]], count, told["data_offsets"][0]))
    return tuple(found)


def heads_of(
    states: Sequence[CategoryState], expert: str, of: NDArray[np.int64]
) -> NDArray[np.float32]:
    """One expert's head (s_e,) in the category of each of q questions, as ``Learner.log_odds``
    takes them: shape (q, s_e), or (1, s_e) where all are of one category.

    Args:
        of: shape (q,), positions among ``states``.
    """
    if len(states) == 1:
        return states[0].arrays[expert][None]
    found: NDArray[np.float32] = np.stack([state.arrays[expert] for state in states])[of]
    return found
