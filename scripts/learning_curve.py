"""What more data, more tasks or a larger head would buy; writes docs/learning-curve.md.

    python scripts/learning_curve.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation --views work/lite0

Folders and cache are those of scripts/evaluate.py; --views names the work folder of
scripts/meta_train.py that the weights came from, and CONFIG (by default that of the released
weights) what it was given. Projection and learner are trained again on 1/16 to all of the names,
for 1/16 to all of the outer steps, and with fewer numbers in an embedding; every point is measured
on the same held-out tasks.

Stop it with Ctrl-C or kill it; the same command goes on where it was. With --so-far it trains
nothing more, and writes what is known by now.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from model.data import load_manifest
from model.encoder import Encoder, EncoderNet, build
from model.episodes import EpisodeSampler
from model.errors import StandinError
from model.learners.prior_mixture import PriorMixture
from model.reports import learning_curve_document, learning_curve_plots
from model.reports.about import command, options, provenance
from model.reports.bakeoff.material import check_same_encoder, stored_views
from model.reports.bars import Bars
from model.reports.commands import exit_status
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.learning_curve import Point, TrainingViews, in_turn, points, training_views
from model.reports.learning_curve_figures import curves, others
from model.reports.learning_curve_points import HeldOut, Outcome, Workshop
from model.reports.pool import Pool, collect, sides
from model.training.config import TrainConfig, load_config
from model.training.sources import ViewLabel
from model.weights import find_card, load_weights, restore

CONFIG = Path(__file__).parent / "configs" / "standin-lite0.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Train and measure every point; the exit status."""
    args = _arguments(argv)
    return exit_status("learning_curve", lambda: _run(args), args.work)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "metavar": "DIR"}
    parser.add_argument("--data", required=True, **many)
    parser.add_argument("--validation", default=[], **many)
    parser.add_argument("--views", type=Path, required=True, help="work folder of meta_train")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--config", type=Path, default=CONFIG, help="of the weights")
    parser.add_argument("--episodes", type=_count, default=600, help="tasks of each sort and K")
    parser.add_argument("--repeats", type=int, default=1, help="choices of names at each share")
    parser.add_argument("--axes", default="data,tasks,size", help="some of them, commas between")
    parser.add_argument("--so-far", action="store_true", help="train nothing more, report")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--work", type=Path, default=Path("runs/learning-curve"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    if args.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {args.repeats}")
    args.axes = args.axes.split(",")
    if strange := set(args.axes) - {"data", "tasks", "size"}:
        parser.error(f"--axes are data, tasks and size, got {sorted(strange)[0]!r}")
    return args


def _count(text: str) -> int:
    number = int(text)  # argparse says what is no number
    if number < 2:
        raise argparse.ArgumentTypeError(f"an interval needs at least two tasks, got {number}")
    return number


def _run(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    config = load_config(args.config)
    card, tensors = load_weights(find_card(args.weights))
    net, released = restore(card, tensors)
    if not isinstance(released, PriorMixture):
        raise StandinError(f"{card.name} has no priors to train again, but {released.name}")
    data, validation = sides(args.data, args.validation)
    pool = Pool(list(tqdm(collect(data, validation), desc="manifests", unit=" pictures")))
    with Bars() as bars:
        held = _held_out(pool, net, card.sha256, card.image_size, args, bars)
    labels, features = stored_views(args.views)
    _check(labels, features, held, args.views)
    groups = [
        record.group
        for folder in data
        for record in load_manifest(folder)
        if record.is_standin and not record.is_held_out
    ]
    views = training_views(labels, features.float(), groups, config.views.per_standin)
    shop = Workshop(
        views=views,
        held=held,
        net=net,
        released=released,
        config=config,
        folder=args.work / _digest(views, held, config, card.sha256),
        episodes=args.episodes,
        seed=args.seed,
    )
    everything = points(config.encoder.dim, args.repeats)
    plan = {axis: each for axis, each in everything.items() if axis in args.axes}
    found = _outcomes(in_turn(plan), shop, args.so_far)
    plan = {axis: [p for p in each if p in found] for axis, each in plan.items()}
    result = {
        "about": _about(args, card.name, card.sha256),
        "curves": curves(plan, found, held.is_standin, args.seed),
        **others(args.views / "log.jsonl", args.out / "results" / "backbones.json"),
    }
    _write(result, args.out)


def _held_out(
    pool: Pool,
    net: EncoderNet,
    sha256: str,
    image_size: int,
    args: argparse.Namespace,
    bars: Bars,
) -> HeldOut:
    """Features before the projection, kept like embeddings in the cache of evaluate.py."""
    plain = build(net.name)
    plain.backbone.load_state_dict(net.backbone.state_dict())
    encoder = Encoder(plain, image_size, torch.device("cpu"))
    items = [pool.items[i] for i in pool.measured]
    key = encoder_key(f"{sha256} before the projection", encoder)
    with FeatureStore(args.cache / "features.sqlite") as store:
        embed_all(
            items,
            {key: encoder},
            store,
            lambda done, total: bars.tell("pictures", done, total),
            args.threads,
        )
        rows = store.matrix(key, [item.key for item in items])
    return HeldOut(
        torch.from_numpy(rows),
        np.array([item.is_standin for item in items]),
        EpisodeSampler([item.traits for item in items]),
    )


def _check(labels: Sequence[ViewLabel], features: torch.Tensor, held: HeldOut, work: Path) -> None:
    at = [i for i, label in enumerate(labels) if label.role == "validation" and not label.drawn]
    rows = torch.nn.functional.normalize(features[at].float(), dim=1)
    check_same_encoder(rows, held.pooled.numpy(), work)


def _digest(views: TrainingViews, held: HeldOut, config: TrainConfig, sha256: str) -> str:
    """Names the folder of points by what all of them depend on."""
    found = hashlib.sha256(np.ascontiguousarray(views.features.half().numpy()).tobytes())
    found.update(held.pooled.numpy().tobytes())
    found.update(repr((views.labels, views.names, asdict(config), sha256)).encode())
    return found.hexdigest()[:16]


def _outcomes(wanted: Sequence[Point], shop: Workshop, so_far: bool) -> dict[Point, Outcome]:
    """Every point once; the bar counts outer steps. The whole, which is the release, comes first.

    Args:
        so_far: train nothing, and leave out what is not known.
    """
    found = {p: known for p in wanted if (known := shop.known(p)) is not None}
    missing = [p for p in wanted if p not in found and not (so_far and shop.steps(p))]
    total = sum(map(shop.steps, missing))
    with tqdm(total=total, unit=" steps", smoothing=0.05, mininterval=0.5) as bar:
        before = 0
        for point in missing:
            bar.set_description(point.name)

            def tell(step: int, total: int, text: str, before: int = before) -> None:
                bar.set_postfix_str(text, refresh=False)
                bar.update(before + step - bar.n)

            found[point] = shop.make(point, tell)
            before += shop.steps(point)
            bar.update(before - bar.n)
    return found


def _about(args: argparse.Namespace, name: str, sha256: str) -> dict[str, Any]:
    words = [*options(args, "data", "validation"), "--views WORK"]
    words += options(args, "episodes", "repeats", "seed")
    words += [] if len(args.axes) == 3 else [f"--axes {','.join(args.axes)}"]
    return {
        "command": command("learning_curve", *words),
        **provenance(("torch", "timm", "numpy")),
        "weights": name,
        "weights_sha256": sha256,
        "episodes": args.episodes,
        "repeats": args.repeats,
        "results": "results/learning-curve.json",
    }


def _write(result: dict[str, Any], out: Path) -> None:
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, allow_nan=False)
    (out / "results" / "learning-curve.json").write_text(text + "\n", encoding="utf-8")
    drawn = learning_curve_plots.draw_all(result, out / "images")
    page = out / "learning-curve.md"
    learning_curve_document.write(page, result, {k: f"images/{v}" for k, v in drawn.items()})
    print(f"{page}, {out / 'results' / 'learning-curve.json'}")


if __name__ == "__main__":
    sys.exit(main())
