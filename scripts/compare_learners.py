"""Compare all learners and peers on the same tasks, and write docs/learners.md.

    python scripts/compare_learners.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation --views work/lite0 --episodes 600

Folders are those of scripts/evaluate.py, and so are pictures, episodes and cached embeddings
(share its --cache). Every learner that has anything to learn is meta-trained here, on the same
tasks over the same embeddings, its learning rate chosen by a grid; the one that the weights ship
with also takes part as it is. --views names the work folder of scripts/meta_train.py that the
weights came from: learners then train on the very views that the shipped one was trained on, else
on the training split of the folders. Without --data all pictures are drawn.

--first 256 is the control: the projection of the shipped weights was trained together with their
learner, but for its first numbers, which are principal components. The report is then called
learners-first256.md, and the weights' own learner, which needs all numbers, takes no part.

Stop it with Ctrl-C or kill it; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from model.encoder import Encoder, choose_device
from model.errors import MetricError
from model.learners import LEARNERS
from model.reports.about import command, options, provenance, rounded
from model.reports.bakeoff import document, plots
from model.reports.bakeoff.entrants import Entrant
from model.reports.bakeoff.jobs import Trained, train_all
from model.reports.bakeoff.lineup import (
    PEERS,
    Setting,
    learner_entrants,
    look_milliseconds,
    peer_entrants,
)
from model.reports.bakeoff.material import first, of_pool, of_views
from model.reports.bakeoff.run import Settings, measure
from model.reports.bakeoff.training import Budget
from model.reports.bars import Bars
from model.reports.commands import exit_status
from model.reports.drawn import Wanted, draw_items
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.peers.evidence import originals
from model.reports.pool import Item, Pool, collect, sides
from model.standins import builtin_resources, load_resources
from model.weights import find_card, load_weights, restore

# As scripts/evaluate.py: of pictures that no training draws.
_DRAWN_SEED = 1_000_003
# Whose versions are told, by how a peer's name begins.
_PACKAGES = {
    "easyfsl": "easyfsl",
    "phash": "imagededup",
    "cleanvision": "cleanvision",
    "word-list": "rapidocr-onnxruntime",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison; the exit status."""
    args = _arguments(argv)
    return exit_status("compare_learners", lambda: _compare(args), args.cache)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    budget = Budget()
    parser.add_argument("--data", **many, help="with a manifest, or of such folders")
    parser.add_argument("--validation", **many, help="as --data, nothing of it was trained on")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--views", type=Path, help="work folder that the weights were trained in")
    parser.add_argument(
        "--first", type=int, metavar="N", help="only the first N numbers of each embedding"
    )
    parser.add_argument("--learners", help="some of them, with commas between (default: all)")
    parser.add_argument("--no-peers", action="store_true", help="learners alone")
    parser.add_argument("--peers", help="some of them, with commas between (default: all)")
    parser.add_argument("--episodes", type=int, default=600, help="of each condition")
    parser.add_argument("--steps", type=int, default=budget.steps, help="of meta-training")
    parser.add_argument("--tasks", type=int, default=budget.tasks, help="in a step")
    parser.add_argument("--drawn", type=int, default=800, help="drawn pictures, where no --data")
    parser.add_argument("--fonts", **many, help="for drawing (default: built-in resources)")
    parser.add_argument("--icons", **many)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    parser.add_argument("--device", default="auto", help="of the encoder: auto, cpu or cuda")
    parser.add_argument("--workers", type=int, default=2, help="processes that meta-train")
    return parser.parse_args(argv)


def _compare(args: argparse.Namespace) -> None:
    device = choose_device(args.device)
    # One thread: what one answer costs is measured, and processes train side by side.
    torch.set_num_threads(1)
    names = _chosen(args.learners, sorted(LEARNERS), "learner")
    peers = [] if args.no_peers else _chosen(args.peers, PEERS, "peer")
    card, tensors = load_weights(find_card(args.weights))
    net, shipped = restore(card, tensors)
    encoder = Encoder(net, card.image_size, device)
    pool, files = _pool(args, card.image_size)
    budget = Budget(steps=args.steps, tasks=args.tasks)
    with Bars() as bars:
        features, key, look_ms = _embeddings(pool, encoder, card.sha256, args, bars)
        material = of_pool(pool, features)
        if args.views:
            material = of_views(args.views, net.cpu(), pool, features)
        if args.first:
            key = f"{key} first {args.first}"
            features, material = first(features, args.first), material.first(args.first)
        setting = Setting(pool, features, key, look_ms)
        trained = train_all(
            names,
            material,
            budget,
            seed=args.seed,
            cache=args.cache,
            workers=args.workers,
            progress=bars.tell,
        )
        # What a learner is built with stands in the card, not in the weights.
        made = f"{card.sha256} {sorted(card.learner_config.items())}"
        own = None if args.first else (card.name, made, shipped)
        entrants = learner_entrants(setting, trained, own)
        if peers:
            entrants += peer_entrants(
                setting,
                files,
                cache=args.cache,
                episodes=min(40, args.episodes),
                seed=args.seed,
                only=peers,
                progress=bars.tell,
            )
        settings = Settings(args.episodes, args.seed, args.cache)
        result = measure(pool, entrants, settings, bars.tell)
    stem = f"learners-first{args.first}" if args.first else "learners"
    name = f"{stem}-{card.name}-torch{version('torch').split('+')[0]}-{device.type}.json"
    about = _about(args, card.name, card.sha256, device, f"results/{name}", entrants)
    learned = _records(trained, budget, len(material.labels), bool(args.views))
    _write({"about": about, "training": learned, **result}, args.out, stem, name)


def _chosen(given: str | None, known: Sequence[str], what: str) -> list[str]:
    names = given.split(",") if given else list(known)
    if strange := [name for name in names if name not in known]:
        raise MetricError(f"no {what} is called {strange[0]!r}; known: {', '.join(known)}")
    return names


def _pool(args: argparse.Namespace, image_size: int) -> tuple[Pool, dict[str, Path]]:
    """Pictures, and the files of those that were not drawn."""
    if args.data or args.validation:
        data, validation = sides(args.data, args.validation)
        items = list(tqdm(collect(data, validation), desc="manifests", unit=" pictures"))
        return Pool(items), originals([*data, *validation])
    resources = builtin_resources()
    if args.fonts or args.icons:
        resources = load_resources(args.fonts, args.icons, [])
    wanted = Wanted(_DRAWN_SEED + args.seed, args.drawn, args.drawn, image_size)
    with Bars() as bars:
        drawn: list[Item] = draw_items(
            resources, wanted, args.cache, lambda done, total: bars.tell("drawing", done, total)
        )
    return Pool(drawn), {}


def _embeddings(
    pool: Pool, encoder: Encoder, sha256: str, args: argparse.Namespace, bars: Bars
) -> tuple[np.ndarray, str, float]:
    key = encoder_key(sha256, encoder)
    with FeatureStore(args.cache / "features.sqlite") as store:
        embed_all(pool.items, {key: encoder}, store, lambda done, n: bars.tell("pictures", done, n))
        rows = store.matrix(key, [item.key for item in pool.items])
    some = [item.read(encoder.image_size) for item in pool.items[:: max(1, len(pool.items) // 20)]]
    return rows, key, look_milliseconds(encoder, some)


def _records(
    trained: dict[str, Trained], budget: Budget, pictures: int, views: bool
) -> dict[str, Any]:
    return {
        "budget": asdict(budget),
        "pictures": pictures,
        "views": views,
        "learners": {name: one.record for name, one in trained.items()},
    }


def _about(
    args: argparse.Namespace,
    name: str,
    sha256: str,
    device: torch.device,
    results: str,
    by: Sequence[Entrant],
) -> dict[str, Any]:
    packages = ["torch", "numpy", "scikit-learn"]
    packages += [p for start, p in _PACKAGES.items() if any(e.name.startswith(start) for e in by)]
    words = options(args, "data", "validation", "weights", "views", "episodes", "steps", "tasks")
    return {
        "command": command("compare_learners", *words, *options(args, "first")),
        **provenance(packages),
        "weights": name,
        "weights_sha256": sha256,
        "precision": "fp16" if device.type == "cuda" else "fp32",
        "episodes": args.episodes,
        "seed": args.seed,
        "results": results,
    }


def _write(result: dict[str, Any], out: Path, stem: str, name: str) -> None:
    (out / "results").mkdir(parents=True, exist_ok=True)
    # The report is made from what the file holds, so that anybody can make it again.
    result = rounded(result, 5, null=True)
    text = json.dumps(result, indent=1, allow_nan=False)
    (out / "results" / name).write_text(text + "\n", encoding="utf-8")
    drawn = plots.draw_all(result, out / "images", stem)
    report = out / f"{stem}.md"
    document.write(report, result, {k: f"images/{file}" for k, file in drawn.items()})
    print(f"{report}, {out / 'results' / name}")


if __name__ == "__main__":
    sys.exit(main())
