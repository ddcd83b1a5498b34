"""Released weights: half-precision safetensors, a card that says what they are, a checksum.

A release called ``name`` is a few files in one folder:

- ``name.safetensors``: tensors ``encoder.*`` and ``learner.*``, floats in half precision;
- ``name.json``: the :class:`~model.card.Card`, with the SHA-256 of the file above;
- ``name.recorded.safetensors``: pictures and what this release answers to them, so that another
  machine, version of torch or decoder can be checked (:class:`Recorded`);
- ``name.md``: the card for people, written from ``name.json``;
- ``name.int8.safetensors``, where there is a graph in 8 bits (``model.quantization``): its weights.

Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from model import images
from model.card import Card, TrainingSource, describe, load_card
from model.encoder import MEAN, STD, Encoder, EncoderNet, build
from model.errors import WeightsError
from model.learners import from_state
from model.learners.base import Learner

RELEASED = Path(__file__).parent / "released"
DEFAULT = "standin-lite0"
"""The release that is loaded where none is named."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a release answered, in single precision on a CPU, when it was saved.

    Attributes:
        files: r picture files, as bytes.
        pixels: what they decoded to, shape (r, size, size, 3), uint8.
        embeddings: shape (r, d), float32.
        probabilities: of the unadapted model, shape (r,), float32.
    """

    files: tuple[bytes, ...]
    pixels: np.ndarray
    embeddings: np.ndarray
    probabilities: np.ndarray


def find_card(path: str | Path | None = None) -> Path:
    """Say where a release's card is.

    Args:
        path: of a card, or of a folder with one card in it; None for the default release.

    Raises:
        WeightsError: there is no card there, or more than one.
    """
    if path is None:
        path = RELEASED / f"{DEFAULT}.json"
    path = Path(path)
    if not path.is_dir():
        return path
    cards = sorted(path.glob("*.json"))
    if len(cards) != 1:
        raise WeightsError(f"{path} holds {len(cards)} model cards; name one of them")
    return cards[0]


def load_weights(card_path: Path) -> tuple[Card, dict[str, Tensor]]:
    """Read a card and the tensors it vouches for, in the precision of the file.

    Raises:
        WeightsError: a file is missing or is not what the card says it is.
    """
    card = load_card(card_path)
    return card, _vouched(card_path, card.weights, card.sha256)


def load_int8(card_path: Path, card: Card) -> dict[str, Tensor]:
    """Read the weights of a release's graph in 8 bits that it does not share with the other.

    Raises:
        WeightsError: the file is missing or is not what the card says it is.
    """
    return _vouched(card_path, card.int8_weights, card.int8_weights_sha256)


def _vouched(card_path: Path, name: str, sha256: str) -> dict[str, Tensor]:
    data = _bytes(card_path.with_name(name))
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{name} is not the file that {card_path} describes: its SHA-256 is {found}, "
            f"the card says {sha256}. Was it changed, or copied in part?"
        )
    return _tensors(data, name)


def restore(card: Card, tensors: Mapping[str, Tensor]) -> tuple[EncoderNet, Learner]:
    """Build the encoder and the learner of a release, in single precision.

    Raises:
        WeightsError: names or shapes are not those of the card's backbone and learner.
    """
    return restore_encoder(card, tensors), restore_learner(card, tensors)


def restore_encoder(card: Card, tensors: Mapping[str, Tensor]) -> EncoderNet:
    """Build the encoder of a release; see :func:`restore`."""
    _check_parts(card, tensors)
    try:
        net = build(card.backbone, card.embedding_dim)
    except RuntimeError as error:
        raise WeightsError(f"{card.backbone!r} is no backbone that timm knows") from error
    state = part(tensors, "encoder.")
    _check_shapes(card.weights, state, net.state_dict())
    net.load_state_dict(state)
    return net


def restore_learner(card: Card, tensors: Mapping[str, Tensor]) -> Learner:
    """Build the learner of a release; see :func:`restore`."""
    _check_parts(card, tensors)
    learner = from_state(card.learner, card.learner_config, part(tensors, "learner."))
    if learner.embedding_dim != card.embedding_dim:
        raise WeightsError(
            f"the card's learner takes {learner.embedding_dim} numbers, its encoder gives "
            f"{card.embedding_dim}"
        )
    return learner


def _check_parts(card: Card, tensors: Mapping[str, Tensor]) -> None:
    if (card.mean, card.std) != (MEAN, STD):
        raise WeightsError(
            f"{card.name} wants mean {card.mean} and std {card.std}; pixels here are prepared with "
            f"{MEAN} and {STD}"
        )
    if strange := sorted(key for key in tensors if not key.startswith(("encoder.", "learner."))):
        raise WeightsError(f"{card.weights} holds tensors of no known part: {', '.join(strange)}")


def load_recorded(card_path: Path) -> Recorded:
    """Read the recorded answers that lie beside a card.

    Raises:
        WeightsError: the file is missing or incomplete.
    """
    name = load_card(card_path).recorded
    found = _tensors(_bytes(card_path.with_name(name)), name)
    try:
        lengths = found["lengths"].tolist()
        joined = found["files"].numpy().tobytes()
        pixels, embeddings = found["pixels"].numpy(), found["embeddings"].numpy()
        probabilities = found["probabilities"].numpy()
    except KeyError as error:
        raise WeightsError(f"{name} lacks the tensor {error}") from error
    if sum(lengths) != len(joined) or {len(pixels), len(embeddings), len(probabilities)} != {
        len(lengths)
    }:
        raise WeightsError(f"{name} does not hold one answer for each of its pictures")
    ends = np.cumsum(lengths)
    files = tuple(joined[end - length : end] for end, length in zip(ends, lengths, strict=True))
    return Recorded(files, pixels, embeddings, probabilities)


def save(
    folder: Path,
    name: str,
    encoder: EncoderNet,
    learner: Learner,
    learner_state: Mapping[str, Tensor],
    *,
    version: str,
    learner_config: Mapping[str, Any],
    training_data: Sequence[TrainingSource],
    metrics: Mapping[str, Any],
    git_revision: str,
    recorded: Sequence[bytes],
    image_size: int = 224,
) -> Path:
    """Write a release, and record what it answers once it is in half precision.

    Args:
        learner: only its name is used; the state that is saved is ``learner_state``.
        learner_state: the learner's ``state_dict``.
        recorded: picture files for the recorded answers; they are stored, so use a few small
            ones that may be given away.

    Returns:
        The path of the card.

    Raises:
        WeightsError: a value is not finite in half precision.
        PictureError: a picture to record cannot be read.
    """
    state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    state |= {f"learner.{key}": value for key, value in learner_state.items()}
    data = save_tensors({key: _half(key, value) for key, value in sorted(state.items())})
    card = Card(
        name=name,
        version=version,
        backbone=encoder.name,
        image_size=image_size,
        mean=MEAN,
        std=STD,
        embedding_dim=encoder.dim,
        learner=learner.name,
        learner_config=dict(learner_config),
        training_data=tuple(training_data),
        metrics=dict(metrics),
        git_revision=git_revision,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=hashlib.sha256(data).hexdigest(),
        weights=f"{name}.safetensors",
        recorded=f"{name}.recorded.safetensors",
    )
    # Restored from the very bytes that are written, so that the answers are those of the release
    # and not of the weights before rounding; and what cannot be loaded is not written.
    answers = _record(card, *restore(card, _tensors(data, card.weights)), recorded)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.weights).write_bytes(data)
    (folder / card.recorded).write_bytes(save_tensors(answers))
    (folder / f"{name}.md").write_text(describe(card), encoding="utf-8")
    path = folder / f"{name}.json"
    path.write_text(card.to_json(), encoding="utf-8")
    return path


def _record(
    card: Card, net: EncoderNet, learner: Learner, files: Sequence[bytes]
) -> dict[str, Tensor]:
    pixels = [images.decode(data, card.image_size).pixels for data in files]
    stacked = np.stack(pixels) if pixels else np.zeros((0, card.image_size, card.image_size, 3))
    embeddings = torch.from_numpy(Encoder(net, card.image_size).embed(stacked.astype(np.uint8)))
    nothing = torch.zeros(0, card.embedding_dim), torch.zeros(0, dtype=torch.bool)
    return {
        "files": torch.frombuffer(bytearray(b"".join(files) or b"\0"), dtype=torch.uint8)[
            : sum(map(len, files))
        ].clone(),
        "lengths": torch.tensor([len(data) for data in files], dtype=torch.int64),
        "pixels": torch.from_numpy(stacked.astype(np.uint8)),
        "embeddings": embeddings,
        "probabilities": learner.score(learner.adapt(*nothing), embeddings).float(),
    }


def _half(key: str, value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point():
        return value
    half = value.half()
    if not bool(torch.isfinite(half).all()):
        raise WeightsError(f"{key} has values that half precision cannot hold (over 65504, or NaN)")
    return half


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors of one part, without its prefix, floats in single precision."""
    return {
        key.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for key, value in tensors.items()
        if key.startswith(prefix)
    }


def _check_shapes(name: str, got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    if missing := sorted(wanted.keys() - got.keys()):
        raise WeightsError(f"{name} lacks {len(missing)} tensors, first {missing[0]}")
    if strange := sorted(got.keys() - wanted.keys()):
        raise WeightsError(f"{name} has {len(strange)} tensors too many, first {strange[0]}")
    for key, value in wanted.items():
        if got[key].shape != value.shape:
            raise WeightsError(
                f"{name}: {key} has shape {tuple(got[key].shape)}, needed is {tuple(value.shape)}"
            )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error


def _tensors(data: bytes, name: str) -> dict[str, Tensor]:
    try:
        return dict(load_tensors(data))
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{name} is not a safetensors file: {error}") from error


__all__ = [
    "DEFAULT",
    "RELEASED",
    "Card",
    "Recorded",
    "TrainingSource",
    "find_card",
    "load_card",
    "load_recorded",
    "load_weights",
    "part",
    "restore",
    "restore_encoder",
    "restore_learner",
    "save",
]
