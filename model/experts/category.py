"""What one category has taught its experts: a frozen value, a few kilobytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from model.errors import WeightsError

_COUNTS = "examples"
_CONTEXT = "context"


@dataclass(frozen=True, eq=False)
class CategoryState:
    """Heads of the experts that have one, and the category's context.

    Attributes:
        heads: by expert, the state (s_e,) of its learner.
        context: shape (C,), see ``model.metalearner.context``.
        placeholder, real: how many examples of each label it was made from.
    """

    heads: Mapping[str, Tensor]
    context: NDArray[np.float32]
    placeholder: int
    real: int

    @cached_property
    def arrays(self) -> Mapping[str, NDArray[np.float32]]:
        """:attr:`heads`, as what is asked most often takes them."""
        return {name: head.numpy() for name, head in self.heads.items()}

    def to_bytes(self) -> bytes:
        """As safetensors: self-describing, checked when read, never executed."""
        tensors = {f"head.{name}": head.contiguous() for name, head in self.heads.items()}
        tensors[_CONTEXT] = torch.from_numpy(self.context)
        tensors[_COUNTS] = torch.tensor([self.placeholder, self.real])
        return save_tensors(tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> CategoryState:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            WeightsError: the bytes are no category's state.
        """
        try:
            tensors = load_tensors(data)
            placeholder, real = tensors.pop(_COUNTS).tolist()
            context = tensors.pop(_CONTEXT).numpy()
        except (SafetensorError, ValueError, KeyError) as error:
            raise WeightsError(f"these {len(data)} bytes are no category's state") from error
        heads = {name.removeprefix("head."): head for name, head in tensors.items()}
        return cls(heads, context, int(placeholder), int(real))


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
