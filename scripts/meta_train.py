"""Meta-train weights for Standin from folders of pictures and from drawn stand-ins.

    python scripts/meta_train.py scripts/configs/standin-lite0.toml \\
        --data DIR/products --data DIR/placeholders --fonts DIR --icons DIR --work work/lite0

Every DIR given by --data holds pictures and a manifest.csv (docs/training.md has its columns).
Stop it with Ctrl-C or kill it; the same command goes on where it was, to the same weights.
Without --data it trains on drawn pictures alone.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from model.card import TrainingSource
from model.data import Record, load_manifest
from model.encoder import choose_device
from model.errors import ManifestError
from model.imagenet import imagenet_encoder
from model.learners.blended_prior import BlendedPrior
from model.learners.prior_mixture import PriorMixture
from model.onnx_export import encoder_graph
from model.reports.bars import Bar
from model.reports.commands import exit_status
from model.standins import KINDS, builtin_resources, draw
from model.training.config import TrainConfig, load_config
from model.training.curves import plot_curves
from model.training.encoder_stage import EncoderStage, interpolated
from model.training.journal import Journal
from model.training.learner_stage import LearnerStage
from model.training.run import (
    PRIORS,
    fingerprints,
    initialise,
    pooled_features,
    revision,
    source_of,
)
from model.training.views import Views, build_views
from model.weights import save

VERSION = "3"
SAMPLES = Path(__file__).parents[1] / "docs" / "samples" / "hoodies" / "real"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    return exit_status("meta_train", lambda: print(f"weights and card: {_train(args)}"), args.work)


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
    marks = fingerprints(config, records, args.fonts, args.icons)
    work: Path = args.work
    stage = config.encoder_stage
    original = imagenet_encoder(stage.dim, config.encoder.backbone)
    source = source_of(config, records, args.fonts, args.icons)
    with Bar("views") as tell:
        views = build_views(
            source,
            original,
            config.encoder.frozen_blocks,
            marks.views_folder(work),
            workers=args.workers,
            device=device,
            progress=lambda done, total: tell(done, total, ""),
        )
    net = imagenet_encoder(stage.dim, config.encoder.backbone)
    learner = initialise(net, config, stage.dim)
    with Bar("encoder") as tell:
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
    learner = initialise(net, config, config.encoder.dim)
    with Bar("features") as tell:
        features = pooled_features(net, views, config, work, marks.features, device, tell)
    with Bar("learner") as tell:
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
    card = save(
        args.out or work,
        config.name,
        net.cpu(),
        learner.cpu(),
        learner.state_dict(),
        version=VERSION,
        learner_config=_options(learner),
        training_data=_sources(records, views),
        metrics=_last_figures(entries),
        git_revision=revision(),
        recorded=_recorded(config),
        image_size=config.encoder.image_size,
    )
    encoder_graph(card)
    return card


def _options(learner: PriorMixture) -> dict[str, int | float]:
    """What the released learner is built with."""
    found: dict[str, int | float] = {
        "embedding_dim": learner.embedding_dim,
        "components": learner.components,
    }
    if isinstance(learner, BlendedPrior):
        found |= {"inverse_penalty": learner.inverse_penalty, "doubt": learner.doubt}
    return found


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


if __name__ == "__main__":
    sys.exit(main())
