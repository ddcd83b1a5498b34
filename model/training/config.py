"""One configuration file for each released weight: everything that decides the outcome, in TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from model.errors import ManifestError

T = TypeVar("T")


@dataclass(frozen=True)
class EncoderConfig:
    """The network. ``frozen_blocks``: how many of its first blocks stay as they were."""

    backbone: str = "tf_efficientnet_lite0"
    image_size: int = 224
    dim: int = 512
    frozen_blocks: int = 3


@dataclass(frozen=True)
class ViewsConfig:
    """How many pictures are made: views of each real one, and drawn ones.

    Attributes:
        drawn_drawings: line drawings as goods: plans, symbols, dimensioned outlines.
        tiny: thumbnails of 20 to 55 pixels of real training pictures, two in three of products,
            many grey or inverted: being tiny and dark makes nothing a stand-in.
    """

    per_product: int = 4
    per_standin: int = 24
    drawn_standins: int = 16000
    drawn_products: int = 10000
    drawn_drawings: int = 300
    tiny: int = 1000


@dataclass(frozen=True)
class EncoderStageConfig:
    """Training of what is above the trunk, over batches from which small tasks are drawn.

    Attributes:
        replicas: batches in a step, whose gradients are averaged; as many processes may share them.
        pictures: in a batch. tasks: drawn from each batch; the meta-loss is the sum of theirs.
        auxiliary: weight of the cross-entropy over families and product categories.
        retain: weight of how far the features of real products move from ImageNet's (1 - cosine).
        learning_rate, weight_decay: of AdamW; linear warm-up over 5 %, then a cosine to 0.
        dim: of the embedding that the tasks of this stage use; the released one is made anew.
        interpolate: share of the trained weights in the released ones, the rest ImageNet's: what
            fine-tuning gained stays, what it forgot comes back (Wortsman et al. 2022,
            arXiv:2109.01903).
    """

    steps: int = 2000
    replicas: int = 2
    pictures: int = 96
    tasks: int = 12
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    auxiliary: float = 1.0
    retain: float = 0.0
    dim: int = 256
    interpolate: float = 0.7
    validate_every: int = 200


@dataclass(frozen=True)
class LearnerStageConfig:
    """Meta-training of projection and learner over episodes of cached features.

    Attributes:
        learner: ``blended-prior``, or ``prior-mixture``, which is the same without its regression.
        fixed_dim: how many of the embedding's numbers stay principal components of the features;
            the others start as such and are trained.
        projection_rate: learning rate of the projection, as a share of the learner's.
        stacking_steps: with which trust and calibration are fitted to left-out categories; 0 keeps
            what the outer loop found.
        doubt: of the priors, that the released learner has (``BlendedPrior``); the training tasks
            know nothing of it.
        zero_shot_penalty: C of the logistic regression that is the zero-shot head.
        zero_shot_frequency: of stand-ins, that the zero-shot head expects.
    """

    learner: str = "blended-prior"
    components: int = 8
    fixed_dim: int = 256
    projection_rate: float = 0.03
    zero_shot_penalty: float = 5.0
    zero_shot_frequency: float = 0.1
    steps: int = 600
    stacking_steps: int = 300
    doubt: float = 1.0
    tasks: int = 32
    most_shots: int = 20
    queries: int = 12
    learning_rate: float = 3e-3
    validate_every: int = 250


@dataclass(frozen=True)
class TrainConfig:
    """A whole released weight."""

    name: str
    seed: int = 0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    encoder_stage: EncoderStageConfig = field(default_factory=EncoderStageConfig)
    learner_stage: LearnerStageConfig = field(default_factory=LearnerStageConfig)


def load_config(path: Path) -> TrainConfig:
    """Read a configuration; a misspelt name is refused, not ignored.

    Raises:
        ManifestError: not TOML, an unknown or missing name, or a value of the wrong type.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read the configuration {path}: {error}") from error
    sections = {
        "encoder": EncoderConfig,
        "views": ViewsConfig,
        "encoder_stage": EncoderStageConfig,
        "learner_stage": LearnerStageConfig,
    }
    for section, kind in sections.items():
        if section in found:
            found[section] = _build(kind, found[section], f"{path}, [{section}]")
    if "name" not in found:
        raise ManifestError(f"{path} does not say the 'name' of the weights")
    return _build(TrainConfig, found, str(path))


def _build(kind: type[T], values: Any, where: str) -> T:
    if not isinstance(values, dict):
        raise ManifestError(f"{where} must be a table of names and values")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in fields:
            raise ManifestError(f"{where}: unknown name {name!r}; known: {', '.join(fields)}")
        default = fields[name].default
        if isinstance(default, float) and isinstance(value, int):
            values = {**values, name: float(value)}
        elif isinstance(default, int | float | str) and type(value) is not type(default):
            raise ManifestError(
                f"{where}: {name} must be a {type(default).__name__}, got {value!r}"
            )
    return kind(**values)
