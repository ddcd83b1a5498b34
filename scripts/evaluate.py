"""Measure released weights against the plain baseline, and write docs/benchmarks.md.

    python scripts/evaluate.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation --fonts DIR --icons DIR --episodes 600

Folders hold pictures and a manifest.csv, as for training; what the rule of model.holdout keeps out
is measured on, the rest is what the baseline is fitted to. Folders given by --validation, and those
whose name ends in "validation", are measured on whole. The baseline is logistic regression on
frozen ImageNet features: zero-shot fitted to the training split, in tasks to the support set; on
the very same pictures and tasks.

Stop it with Ctrl-C or kill it; the same command goes on where it was. Without --data it measures
on drawn pictures alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import model
from model.encoder import Encoder, choose_device
from model.imagenet import BACKBONE, SHA256, imagenet_encoder
from model.reports import document, plots
from model.reports.about import command, options, provenance, rounded
from model.reports.bars import Bars
from model.reports.commands import exit_status
from model.reports.drawn import Wanted, draw_items
from model.reports.methods import Candidate
from model.reports.pool import Item, collect, sides
from model.reports.run import Settings, measure
from model.standins import builtin_resources, load_resources
from model.weights import find_card, load_card, load_weights, restore

# Of pictures that no training draws: its seeds are small numbers.
_DRAWN_SEED = 1_000_003


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement; the exit status."""
    args = _arguments(argv)
    return exit_status("evaluate", lambda: _evaluate(args), args.cache)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    parser.add_argument("--data", "--standins", **many, help="with a manifest, or of such folders")
    parser.add_argument("--validation", **many, help="as --data, nothing of it was trained on")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--also", **many, help="further cards to measure beside them")
    parser.add_argument(
        "--int8", action="store_true", help="measure the weights' graph in 8 bits beside them"
    )
    parser.add_argument("--baseline", choices=["imagenet"], default="imagenet")
    parser.add_argument("--drawn", type=int, default=800, help="pictures to draw, 0 for none")
    parser.add_argument("--fonts", **many, help="for drawing (default: built-in resources)")
    parser.add_argument("--icons", **many)
    parser.add_argument("--episodes", type=int, default=600, help="of each condition")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tuning-episodes", type=int, default=40, help="of each sort and K, for the baselines"
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="of torch, on a CPU")
    return parser.parse_args(argv)


def _evaluate(args: argparse.Namespace) -> None:
    device = choose_device(args.device)
    torch.set_num_threads(args.threads)
    # The cheap ones first: what is wrong with a folder or a card is said at once.
    items = _items(args, load_card(find_card(args.weights)).image_size)
    candidates = _candidates(args, device)
    settings = Settings(
        episodes=args.episodes,
        seed=args.seed,
        cache=args.cache,
        tuning_episodes=args.tuning_episodes,
        workers=args.threads,
    )
    with Bars() as bars:
        result = measure(items, candidates, settings, bars.tell)
    out: Path = args.out
    name = f"accuracy-{candidates[0].name}-{candidates[0].encoder.precision}"
    name += f"-torch{version('torch').split('+')[0]}-{device.type}.json"
    about = _about(args, candidates, device, f"results/{name}")
    result = {"about": about, **result}
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(result, 6, null=True), indent=1, allow_nan=False)
    (out / "results" / name).write_text(text + "\n", encoding="utf-8")
    drawn = plots.draw_all(result, out / "images")
    document.write(
        out / "benchmarks.md", result, {key: f"images/{file}" for key, file in drawn.items()}
    )
    print(f"{out / 'benchmarks.md'}, {out / 'results' / name}")


def _candidates(args: argparse.Namespace, device: torch.device) -> list[Candidate]:
    """The release that is judged, others beside it, the frozen ImageNet features last."""
    found: list[Candidate] = []
    for path in (args.weights, *args.also):
        card, tensors = load_weights(find_card(path))
        net, learner = restore(card, tensors)
        encoder = Encoder(net, card.image_size, device)
        found.append(Candidate(card.name, card.name, card.sha256, encoder, learner))
    if args.int8:
        found.insert(1, _in_bytes(find_card(args.weights), found[0]))
    size = found[0].encoder.image_size
    frozen = Encoder(imagenet_encoder(), size, device)
    found.append(
        Candidate("imagenet", "ImageNet features", f"{BACKBONE} {SHA256[BACKBONE]}", frozen)
    )
    return found


def _in_bytes(card_path: Path, single: Candidate) -> Candidate:
    """The same release with its encoder in 8 bits, as the service runs it where it can.

    Raises:
        WeightsError: it has no such graph, or this processor is none for it.
    """
    loaded = model.load(card_path, "cpu", precision="int8")
    return Candidate(
        f"{single.name}-int8",
        f"{single.title} in 8 bits",
        f"{single.sha256} {loaded.card.int8_graph_sha256} {loaded.card.int8_weights_sha256}",
        loaded.encoder,
        single.learner,
    )


def _items(args: argparse.Namespace, image_size: int) -> list[Item]:
    data, validation = sides(args.data, args.validation)
    items = list(tqdm(collect(data, validation), desc="manifests", unit=" pictures"))
    if args.drawn:
        resources = builtin_resources()
        if args.fonts or args.icons:
            resources = load_resources(args.fonts, args.icons, [])
        wanted = Wanted(
            seed=_DRAWN_SEED + args.seed,
            held_out=args.drawn,
            # The baseline learns from drawn pictures only where it has no real ones.
            training=0 if data else args.drawn,
            image_size=image_size,
        )
        with Bars() as bars:
            items += draw_items(
                resources, wanted, args.cache, lambda done, total: bars.tell("drawing", done, total)
            )
    return items


def _about(
    args: argparse.Namespace, candidates: Sequence[Candidate], device: torch.device, results: str
) -> dict[str, Any]:
    words = options(args, "data", "validation", "weights", "also", "fonts", "icons")
    words += options(args, "drawn", "episodes", "seed")
    words += ["--int8"] * args.int8
    return {
        "command": command("evaluate", *words),
        **provenance(("torch", "timm", "numpy", "scikit-learn", "pillow"), device),
        "weights": candidates[0].name,
        "weights_sha256": candidates[0].sha256,
        "precision": candidates[0].encoder.precision,
        "episodes": args.episodes,
        "seed": args.seed,
        "results": results,
    }


if __name__ == "__main__":
    sys.exit(main())
