"""The experts and the top level of a release: one safetensors file beside the weights' card.

``name.experts.safetensors`` holds the tensors of statistics, words, top level, policy and a
glance's map, and in its header, as JSON, which weights and which reader they were trained with:
the top level has learned how far to believe exactly those.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from model.errors import SupportError, WeightsError
from model.experts.glance import Glance
from model.experts.signal_expert import SignalExpert
from model.metalearner.combination import Combination
from model.metalearner.conformal import ONE_SIDED
from model.policy.errors import PolicyError
from model.policy.policy import Policy

_ABOUT = "standin-experts"
_EXPERTS = ("statistics", "words")
_GLANCE = ("weight", "bias")


class Released:
    """What the file holds.

    Attributes:
        statistics, words: trained experts.
        combination: the top level.
        policy: which expert next, or None.
        surely: by ``conformal.bucket_of``.
        glance: how the encoder glances, or None.
        about: ``weights`` and ``reader`` (SHA-256 of each), ``alpha``, ``git_revision``, figures;
            ``mark`` where another release's signals mean the same.
    """

    OWN: ClassVar[tuple[str, ...]] = ("options", "surely", "policy", "sha256")
    """What :meth:`save` adds to ``about``."""

    def __init__(
        self,
        statistics: SignalExpert,
        words: SignalExpert,
        combination: Combination,
        policy: Policy | None,
        surely: tuple[float, ...],
        about: Mapping[str, Any],
        glance: Glance | None = None,
    ) -> None:
        self.statistics = statistics
        self.words = words
        self.combination = combination
        self.policy = policy
        self.surely = surely
        self.about = about
        self.glance = glance

    @property
    def mark(self) -> int:
        """Of signals that mean the same to these experts, below 2**32: a store keeps it with them.
        A release that only asks or weighs otherwise keeps that of the one before it."""
        return int(str(self.about.get("mark") or self.about["sha256"][:8]), 16)

    def save(self, path: Path) -> None:
        """Write the file, in one move; all but a glance's map in single precision: it is small."""
        tensors: dict[str, Tensor] = {}
        options: dict[str, Any] = {}
        for name in _EXPERTS:
            expert: SignalExpert = getattr(self, name)
            tensors |= {f"{name}.{key}": value for key, value in expert.state_dict().items()}
            options[name] = {
                "signals": expert.signals,
                "hidden": expert.hidden,
                "components": expert.learner.components,
                "doubt": expert.learner.doubt,
            }
        state = self.combination.state_dict()
        tensors |= {f"combination.{key}": value for key, value in state.items()}
        options["combination"] = {
            "experts": self.combination.experts,
            "context": self.combination.context,
        }
        policy = None
        if self.policy is not None:
            parts, policy = self.policy.to_tensors()
            tensors |= {f"policy.{key}": value for key, value in parts.items()}
        if self.glance is not None:
            for key in _GLANCE:
                # In half precision: it is the largest part, and a guess.
                tensors[f"glance.{key}"] = torch.from_numpy(getattr(self.glance, key)).half()
            options["glance"] = {"side": self.glance.side}
        tensors = {key: value.detach().contiguous().clone() for key, value in tensors.items()}
        header = {
            **self.about,
            "options": options,
            "surely": list(self.surely),
            "policy": policy,
            "sha256": _digest(tensors),
        }
        data = save_tensors(tensors, {_ABOUT: json.dumps(header)})
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(data)
        partial.replace(path)


def experts_path(card: Path) -> Path:
    """Where the experts of a release lie, if it has any."""
    return card.with_name(f"{card.stem}.experts.safetensors")


def load_released(path: Path, weights: str, reader: str) -> Released:
    """Read a file of :meth:`Released.save`.

    Args:
        weights, reader: SHA-256 of the weights and of the reader that are loaded.
    Raises:
        WeightsError: the file is missing, damaged, or belongs to other weights.
    """
    try:
        data = path.read_bytes()
        tensors = load_tensors(data)
        size = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][_ABOUT])
        belongs, options = (header["weights"], header["reader"]), header["options"]
        surely = tuple(float(each) for each in header["surely"])
        digest, policy = header["sha256"], header["policy"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not hold a release's experts: {error!r}") from error
    if digest != _digest(tensors):
        raise WeightsError(f"{path} is damaged: its tensors do not match the checksum beside them")
    if belongs != (weights, reader):
        raise WeightsError(
            f"{path} was trained with weights {belongs[0][:12]} and reader {belongs[1][:12]}; "
            f"loaded are {weights[:12]} and {reader[:12]}"
        )
    if len(surely) != ONE_SIDED + 1:
        raise WeightsError(f"{path} names {len(surely)} bounds, {ONE_SIDED + 1} are needed")
    try:
        found = []
        for name in _EXPERTS:
            expert = SignalExpert(**options[name])
            expert.load_state_dict(_part(tensors, name))
            found.append(expert.eval().requires_grad_(False))
        combination = Combination(**options["combination"])
        combination.load_state_dict(_part(tensors, "combination"))
        known = None if policy is None else Policy.from_tensors(_part(tensors, "policy"), policy)
        glance = None
        if "glance" in options:
            parts = _part(tensors, "glance")
            weight, bias = (parts[key].float().numpy() for key in _GLANCE)
            glance = Glance(options["glance"]["side"], weight, bias)
    except (RuntimeError, KeyError, TypeError, PolicyError, SupportError) as error:
        raise WeightsError(f"{path} does not fit this version: {error}") from error
    combination.eval().requires_grad_(False)
    return Released(found[0], found[1], combination, known, surely, header, glance)


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].numpy()
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
