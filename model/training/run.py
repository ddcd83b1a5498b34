"""What every script that works on one training run begins with: pictures, names, checkpoints."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.data import Record
from model.encoder import EncoderNet
from model.learners.blended_prior import BlendedPrior
from model.learners.prior_mixture import PriorMixture
from model.standins import Resources, builtin_resources, load_resources
from model.training.config import TrainConfig
from model.training.encoder_stage import pool_views
from model.training.sources import Source
from model.training.views import Views

PRIORS: dict[str, type[PriorMixture]] = {k.name: k for k in (BlendedPrior, PriorMixture)}
Tell = Callable[[int, int, str], None]


def initialise(net: EncoderNet, config: TrainConfig, dim: int) -> PriorMixture:
    """What ImageNet does not give: projection and learner, the same for the same seed."""
    torch.manual_seed(config.seed)
    for name, parameter in net.projection.named_parameters():
        if name == "weight":
            torch.nn.init.orthogonal_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    learner = PRIORS[config.learner_stage.learner](dim, config.learner_stage.components)
    # Equal components would stay equal: each starts with a faint opinion of its own.
    torch.nn.init.normal_(learner.mean, std=0.05)
    return learner


def source_of(
    config: TrainConfig, records: Sequence[Record], fonts: Sequence[Path], icons: Sequence[Path]
) -> Source:
    """Everything that views are made from.

    Raises:
        ManifestError: a folder of fonts or icons has none.
    """
    return Source(
        records=records,
        resources=resources_of(records, fonts, icons),
        counts=config.views,
        seed=config.seed,
        image_size=config.encoder.image_size,
    )


def resources_of(
    records: Sequence[Record], fonts: Sequence[Path], icons: Sequence[Path]
) -> Resources:
    """Fonts and icons from folders; the grounds of stand-ins are photographs of the encoder's.

    Raises:
        ManifestError: a folder of fonts or icons has none.
    """
    photographs = tuple(
        record.path
        for record in records
        if not record.is_standin and record.role == "encoder" and not record.hardtag
    )
    found = load_resources(fonts, icons) if fonts else builtin_resources()
    return replace(found, photographs=photographs)


def pooled_features(
    net: EncoderNet,
    views: Views,
    config: TrainConfig,
    work: Path,
    fingerprint: str,
    device: torch.device,
    tell: Tell,
) -> torch.Tensor:
    """Pooled features of all views, kept so that the learner's stage can be resumed."""
    path = work / f"features-{fingerprint[:12]}.npy"
    if not path.exists():
        found = pool_views(
            net,
            views,
            np.arange(len(views)),
            config.encoder.frozen_blocks,
            device,
            lambda done, total: tell(done, total, ""),
        )
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, found.half().numpy())
        partial.replace(path)
    # From the file in the first run too: a resumed run must not differ.
    return torch.from_numpy(np.load(path, allow_pickle=False)).float()


@dataclass(frozen=True)
class Fingerprints:
    """What decides the outcome of each step: a step is done again only where its own changed."""

    views: str
    encoder: str
    features: str
    learner: str

    def views_folder(self, work: Path) -> Path:
        """Where the views of this run are kept."""
        return work / f"views-{self.views[:12]}"


def fingerprints(
    config: TrainConfig, records: Sequence[Record], fonts: Sequence[Path], icons: Sequence[Path]
) -> Fingerprints:
    """Of a run: whatever decides a step's outcome decides its fingerprint."""
    trunk = [config.encoder.backbone, config.encoder.image_size, config.encoder.frozen_blocks]
    views = digest(
        config.seed,
        trunk,
        asdict(config.views),
        [(r.path.name, r.path.stat().st_size, r.category, r.kind) for r in records],
        [str(p) for p in (*fonts, *icons)],
    )
    # How far to go from ImageNet is decided when the encoder is trained.
    stage = asdict(config.encoder_stage)
    share = stage.pop("interpolate")
    encoder = digest(views, stage)
    features = digest(encoder, share)
    # What is fitted after the outer loop is fitted again every time: it takes a minute.
    later = ("stacking_steps", "doubt")
    trained = asdict(config.learner_stage)
    trained = {k: v for k, v in trained.items() if k not in later and "zero_shot" not in k}
    learner = digest(features, config.encoder.dim, trained)
    return Fingerprints(views, encoder, features, learner)


def digest(*parts: Any) -> str:
    """SHA-256 in hexadecimal of what JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def revision() -> str:
    """The commit that a run is started from, for the card; "unknown" outside of a checkout."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
