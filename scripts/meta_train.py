"""Meta-train weights for Standin from folders of pictures and from drawn stand-ins.

    python scripts/meta_train.py scripts/configs/standin-lite0.toml \\
        --data DIR/products --data DIR/placeholders --fonts DIR --icons DIR --work work/lite0

Every DIR given by --data holds pictures and a manifest.csv (docs/training.md has its columns).
Stop it with Ctrl-C or kill it; the same command goes on where it was, to the same weights.
Without --data it trains on drawn pictures alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from model.card import TrainingSource
from model.data import Record, load_manifest
from model.encoder import EncoderNet, choose_device
from model.errors import ManifestError, StandinError
from model.imagenet import imagenet_encoder
from model.learners.blended_prior import BlendedPrior
from model.learners.prior_mixture import PriorMixture
from model.standins import KINDS, Resources, builtin_resources, draw, load_resources
from model.training.config import TrainConfig, load_config
from model.training.curves import plot_curves
from model.training.encoder_stage import EncoderStage, interpolated, pool_views
from model.training.journal import Journal
from model.training.learner_stage import LearnerStage
from model.training.sources import Source
from model.training.views import Views, build_views
from model.weights import save

VERSION = "3"
PRIORS: dict[str, type[PriorMixture]] = {k.name: k for k in (BlendedPrior, PriorMixture)}
SAMPLES = Path(__file__).parents[1] / "docs" / "samples" / "hoodies" / "real"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    try:
        card = _train(args)
    except StandinError as error:
        print(f"meta_train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from {args.work}", file=sys.stderr)
        return 130
    print(f"weights and card: {card}")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="one TOML file for each released weight")
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--fonts", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--icons", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, help="views, checkpoints, log, plot")
    parser.add_argument("--out", type=Path, help="where the weights go (default: the work folder)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw pictures")
    parser.add_argument("--processes", type=int, default=1, help="that share a step's batches")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    return parser.parse_args(argv)


def _train(args: argparse.Namespace) -> Path:
    config = load_config(args.config)
    if config.learner_stage.learner not in PRIORS:
        raise ManifestError(
            f"{args.config}: learner must be one of {', '.join(PRIORS)}, "
            f"got {config.learner_stage.learner!r}"
        )
    device = choose_device(args.device)
    torch.set_num_threads(args.threads)
    records = [record for folder in args.data for record in load_manifest(folder)]
    marks = _fingerprints(config, records, args.fonts, args.icons)
    work: Path = args.work
    stage = config.encoder_stage
    original = imagenet_encoder(stage.dim, config.encoder.backbone)
    source = Source(
        records=records,
        resources=_resources(args, records),
        counts=config.views,
        seed=config.seed,
        image_size=config.encoder.image_size,
    )
    with _bar("views") as tell:
        views = build_views(
            source,
            original,
            config.encoder.frozen_blocks,
            work / f"views-{marks.views[:12]}",
            workers=args.workers,
            device=device,
            progress=lambda done, total: tell(done, total, ""),
        )
    net = imagenet_encoder(stage.dim, config.encoder.backbone)
    learner = _initialise(net, config, stage.dim)
    with _bar("encoder") as tell:
        EncoderStage(
            net=net,
            original=original,
            learner=learner,
            views=views,
            frozen_blocks=config.encoder.frozen_blocks,
            config=stage,
            seed=config.seed,
            folder=work,
            fingerprint=marks.encoder,
            device=device,
            processes=args.processes,
            progress=tell,
        ).run()
    net = interpolated(
        config.encoder.backbone, config.encoder.dim, net, original, stage.interpolate
    ).to(device)
    learner = _initialise(net, config, config.encoder.dim)
    features = _features(net, views, config, work, marks.features, device)
    with _bar("learner") as tell:
        LearnerStage(
            net=net,
            learner=learner,
            features=features,
            labels=views.labels,
            config=config.learner_stage,
            seed=config.seed,
            folder=work,
            fingerprint=marks.learner,
            device=device,
            progress=tell,
        ).run()
    entries = Journal(work / "log.jsonl").entries()
    plot_curves(entries, work / "curves.svg")
    return save(
        args.out or work,
        config.name,
        net.cpu(),
        learner.cpu(),
        learner.state_dict(),
        version=VERSION,
        learner_config=_options(learner),
        training_data=_sources(records, views),
        metrics=_last_figures(entries),
        git_revision=_revision(),
        recorded=_recorded(config),
        image_size=config.encoder.image_size,
    )


def _initialise(net: EncoderNet, config: TrainConfig, dim: int) -> PriorMixture:
    """What ImageNet does not give: projection and learner, the same for the same seed."""
    torch.manual_seed(config.seed)
    torch.nn.init.orthogonal_(net.projection.weight)
    torch.nn.init.zeros_(net.projection.bias)
    learner = PRIORS[config.learner_stage.learner](dim, config.learner_stage.components)
    # Equal components would stay equal: each starts with a faint opinion of its own.
    torch.nn.init.normal_(learner.mean, std=0.05)
    return learner


def _options(learner: PriorMixture) -> dict[str, int | float]:
    """What the released learner is built with."""
    found: dict[str, int | float] = {
        "embedding_dim": learner.embedding_dim,
        "components": learner.components,
    }
    if isinstance(learner, BlendedPrior):
        found |= {"inverse_penalty": learner.inverse_penalty, "doubt": learner.doubt}
    return found


def _resources(args: argparse.Namespace, records: Sequence[Record]) -> Resources:
    """Fonts and icons from folders; the grounds of stand-ins are photographs of the encoder's."""
    photographs = tuple(
        record.path
        for record in records
        if not record.is_standin and record.role == "encoder" and not record.hardtag
    )
    found = load_resources(args.fonts, args.icons) if args.fonts else builtin_resources()
    return replace(found, photographs=photographs)


def _features(
    net: EncoderNet,
    views: Views,
    config: TrainConfig,
    work: Path,
    fingerprint: str,
    device: torch.device,
) -> torch.Tensor:
    """Pooled features of all views, kept so that the learner's stage can be resumed."""
    path = work / f"features-{fingerprint[:12]}.npy"
    if not path.exists():
        with _bar("features") as tell:
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


class _bar:
    """A progress bar whose total is known when the first news arrives."""

    def __init__(self, name: str) -> None:
        self._bar = tqdm(desc=name, unit="", smoothing=0.05, mininterval=1.0)

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _tell(self, done: int, total: int, text: str) -> None:
        self._bar.total = total
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)


@dataclass(frozen=True)
class _Fingerprints:
    """What decides the outcome of each step: a step is done again only where its own changed."""

    views: str
    encoder: str
    features: str
    learner: str


def _fingerprints(
    config: TrainConfig, records: Sequence[Record], fonts: Sequence[Path], icons: Sequence[Path]
) -> _Fingerprints:
    trunk = [config.encoder.backbone, config.encoder.image_size, config.encoder.frozen_blocks]
    views = _digest(
        config.seed,
        trunk,
        asdict(config.views),
        [(r.path.name, r.path.stat().st_size, r.category, r.kind) for r in records],
        [str(p) for p in (*fonts, *icons)],
    )
    # How far to go from ImageNet is decided when the encoder is trained.
    stage = asdict(config.encoder_stage)
    share = stage.pop("interpolate")
    encoder = _digest(views, stage)
    features = _digest(encoder, share)
    # What is fitted after the outer loop is fitted again every time: it takes a minute.
    later = ("stacking_steps", "doubt")
    trained = asdict(config.learner_stage)
    trained = {k: v for k, v in trained.items() if k not in later and "zero_shot" not in k}
    learner = _digest(features, config.encoder.dim, trained)
    return _Fingerprints(views, encoder, features, learner)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sources(records: Sequence[Record], views: Views) -> list[TrainingSource]:
    """Training data by origin and licence, for the model card; nothing that was held out."""
    used = Counter(
        (r.repo or r.group, r.licence or "unknown") for r in records if not r.is_held_out
    )
    found = [
        TrainingSource(source=s, licence=li, pictures=n) for (s, li), n in sorted(used.items())
    ]
    drawn = sum(label.drawn and label.role != "validation" for label in views.labels)
    return [
        *found,
        TrainingSource(source="model.standins (drawn)", licence="Apache-2.0", pictures=drawn),
    ]


def _last_figures(entries: Sequence[dict[str, float | str]]) -> dict[str, float]:
    last = [e for e in entries if e["stage"] == "released"][-1:]
    return {str(k): float(v) for e in last for k, v in e.items() if k not in ("stage", "step")}


def _recorded(config: TrainConfig) -> list[bytes]:
    """Small pictures that may be given away: a drawn one of each kind, and sample photographs."""
    files = [path.read_bytes() for path in sorted(SAMPLES.glob("*.jpg"))]
    for index, kind in enumerate(KINDS):
        rng = np.random.default_rng([config.seed, 9, index])
        image = draw(kind, rng, builtin_resources()).image
        image.thumbnail((256, 256), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85)
        files.append(out.getvalue())
    return files


def _revision() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
