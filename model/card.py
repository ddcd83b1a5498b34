"""The card of a release: what its weights are, what they need, what they were trained on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import WeightsError


@dataclass(frozen=True)
class TrainingSource:
    """One part of the training data, under one licence."""

    source: str
    licence: str
    pictures: int


@dataclass(frozen=True)
class Card:
    """Everything that loading, serving and judging a release needs.

    Attributes:
        name: of the release, and of its files.
        version: of the release, as ``0.1.0``.
        backbone: timm's name.
        image_size: side of the square that pictures are letterboxed into, in pixels.
        mean: subtracted from samples in 0..1.
        std: that the difference is divided by.
        embedding_dim: width of an embedding.
        learner: which of :data:`model.learners.LEARNERS`.
        learner_config: its keyword arguments.
        training_data: by source and licence.
        metrics: figures by name, nested as they were measured.
        git_revision: of the code that trained.
        created: UTC, ISO 8601.
        sha256: of the weights file, in hexadecimal.
        weights: file name of the tensors, beside the card.
        recorded: file name of the recorded answers, beside the card.
        licence: SPDX expression for the weights.
        graph: file name of the encoder's ONNX graph, beside the card; empty where there is none.
        graph_sha256: of that file, in hexadecimal.
        int8_graph: file name of the same graph in 8 bits, beside the card; empty where there is
            none.
        int8_graph_sha256: of that file, in hexadecimal.
        int8_weights: file name of the weights that this graph does not share with the other.
        int8_weights_sha256: of that file, in hexadecimal.
    """

    name: str
    version: str
    backbone: str
    image_size: int
    mean: float
    std: float
    embedding_dim: int
    learner: str
    learner_config: dict[str, Any]
    training_data: tuple[TrainingSource, ...]
    metrics: dict[str, Any]
    git_revision: str
    created: str
    sha256: str
    weights: str
    recorded: str
    licence: str = field(default="Apache-2.0")
    graph: str = field(default="")
    graph_sha256: str = field(default="")
    int8_graph: str = field(default="")
    int8_graph_sha256: str = field(default="")
    int8_weights: str = field(default="")
    int8_weights_sha256: str = field(default="")

    def to_json(self) -> str:
        """The card as it lies beside the weights."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "the model card") -> Card:
        """Read what :meth:`to_json` wrote.

        Raises:
            WeightsError: not JSON, a field missing, unknown or of another type.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise WeightsError(f"{where} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise WeightsError(f"{where} must be a JSON object")
        fields = {each.name: each for each in dataclasses.fields(cls)}
        needed = {name for name, each in fields.items() if each.default is dataclasses.MISSING}
        if missing := sorted(needed - found.keys()):
            raise WeightsError(f"{where} lacks {', '.join(missing)}")
        if unknown := sorted(found.keys() - fields.keys()):
            raise WeightsError(f"{where} has fields that are not known: {', '.join(unknown)}")
        for name, value in found.items():
            if not isinstance(value, _JSON_TYPES[name]) or isinstance(value, bool):
                raise WeightsError(f"{where}: {name} has a value of the wrong type: {value!r}")
        for name in ("weights", "recorded"):
            if not found[name] or Path(found[name]).name != found[name]:
                raise WeightsError(
                    f"{where}: {name} must name a file beside the card, got {found[name]!r}"
                )
        for name in ("graph", "int8_graph", "int8_weights"):
            if Path(file := found.get(name, "")).name != file:
                raise WeightsError(
                    f"{where}: {name} must name a file beside the card, got {file!r}"
                )
        try:
            sources = tuple(TrainingSource(**each) for each in found["training_data"])
        except TypeError as error:
            raise WeightsError(f"{where}: training_data: {error}") from error
        return cls(**{**found, "training_data": sources})


_TEXT = (str,)
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "image_size": (int,),
    "embedding_dim": (int,),
    "mean": (int, float),
    "std": (int, float),
    "learner_config": (dict,),
    "metrics": (dict,),
    "training_data": (list,),
} | {each.name: _TEXT for each in dataclasses.fields(Card) if each.type == "str"}


def load_card(path: Path) -> Card:
    """Read a card.

    Raises:
        WeightsError: it is not there, or not a card.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"the model card {path} cannot be read: {error}") from error
    return Card.from_json(text, f"the model card {path}")


def describe(card: Card) -> str:
    """The card as Markdown, for people."""
    sources = "\n".join(
        f"| {each.source} | {each.licence} | {each.pictures:,} |" for each in card.training_data
    )
    total = sum(each.pictures for each in card.training_data)
    options = ", ".join(f"`{key}={value}`" for key, value in card.learner_config.items())
    metrics = "\n".join(f"| {name} | {value} |" for name, value in _flat(card.metrics))
    return f"""# {card.name} {card.version}

Finds pictures in a product catalogue that stand in for a picture nobody has, and adapts to a
category from a handful of labelled pictures. Written from `{card.name}.json`; edit neither by hand.

| | |
| --- | --- |
| backbone | timm `{card.backbone}`, projected to {card.embedding_dim} numbers of unit length |
| input | {card.image_size} x {card.image_size} pixels, letterboxed on mid-grey, \
(sample / 255 - {card.mean}) / {card.std} |
| learner | `{card.learner}` ({options or "no options"}) |
| weights | `{card.weights}`, half precision, safetensors |
| SHA-256 | `{card.sha256}` |
| licence | {card.licence} |
| made | {card.created}, from revision `{card.git_revision}` |

## Training data

| source | licence | pictures |
| --- | --- | ---: |
{sources}
| all | | {total:,} |

## Figures

| what | value |
| --- | --- |
{metrics}

## Limits

The probability is about the pictures of catalogues. It says nothing about whether a picture shows
the right product, and for a category whose products look like stand-ins (stickers, paint, posters)
it should be believed only after a few labelled pictures of that category.
"""


def _flat(metrics: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested figures as rows, names joined by slashes."""
    rows: list[tuple[str, str]] = []
    for key, value in metrics.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name} / ")
        else:
            rows.append((name, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows
