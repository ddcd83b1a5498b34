"""Measure whether the pictures that wait together help each other, and write docs/transduction.md.

    python scripts/transduction.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation --episodes 600

Folders are given as to scripts/evaluate.py, and so is the cache: what it has embedded is not
embedded again. The trust in the batch is tuned on training pictures, and measured on held-out ones
beside the inductive answer to the same tasks.

Stop it with Ctrl-C or kill it; the same command goes on with the pictures that are left to embed,
and what comes after that takes a minute or two.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from model.card import Card
from model.encoder import Encoder, choose_device
from model.reports import transduction_document
from model.reports.about import command, options, provenance, rounded
from model.reports.bars import Bars
from model.reports.commands import exit_status
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.pool import Pool, collect, sides
from model.reports.transduction import described, draw, linear, measure, tune, tuning_positions
from model.weights import find_card, load_weights, restore


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement; the exit status."""
    args = _arguments(argv)
    return exit_status("transduction", lambda: _run(args), args.cache)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    parser.add_argument("--data", **many, help="with a manifest, or of such folders")
    parser.add_argument("--validation", **many, help="as --data, nothing of it was trained on")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--episodes", type=_count, default=600, help="tasks of each sort and K")
    parser.add_argument("--tuning-episodes", type=_count, default=100, help="likewise, for tuning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="of torch, on a CPU")
    args = parser.parse_args(argv)
    if not args.data:
        parser.error("nothing to measure on: give --data DIR")
    return args


def _count(text: str) -> int:
    number = int(text)  # argparse says what is no number
    if number < 2:
        raise argparse.ArgumentTypeError(f"an interval needs at least two tasks, got {number}")
    return number


def _run(args: argparse.Namespace) -> None:
    device = choose_device(args.device)
    torch.set_num_threads(args.threads)
    card, tensors = load_weights(find_card(args.weights))
    net, restored = restore(card, tensors)
    learner = linear(restored)
    items = list(tqdm(collect(*sides(args.data, args.validation)), desc="manifests"))
    pool = Pool(items)
    encoder = Encoder(net, card.image_size, device)
    key = encoder_key(card.sha256, encoder)
    with Bars() as bars:
        with FeatureStore(args.cache / "features.sqlite") as store:
            tell = partial(bars.tell, "pictures")
            embed_all(items, {key: encoder}, store, tell, args.threads)
            features = store.matrix(key, [item.key for item in items])
        seen = draw(
            learner,
            features,
            pool,
            tuning_positions(pool),
            args.tuning_episodes,
            args.seed,
            partial(bars.tell, "tasks to tune on"),
        )
        tuned, tried = tune(seen, features, partial(bars.tell, "tuning"))
        tasks = draw(
            learner,
            features,
            pool,
            pool.measured,
            args.episodes,
            args.seed,
            partial(bars.tell, "held-out tasks"),
        )
        conditions = measure(tasks, features, tuned, partial(bars.tell, "batches"))
    result = {
        "about": _about(args, card, encoder, device),
        "tuned": described(tuned),
        "tuning_tasks": sum(map(len, seen.values())),
        "tried": tried,
        "conditions": conditions,
    }
    out: Path = args.out
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(result, 6), indent=1, allow_nan=False)
    (out / "results" / "transduction.json").write_text(text + "\n", encoding="utf-8")
    transduction_document.write(out / "transduction.md", result)
    print(f"{out / 'transduction.md'}, {out / 'results' / 'transduction.json'}")


def _about(
    args: argparse.Namespace, card: Card, encoder: Encoder, device: torch.device
) -> dict[str, Any]:
    words = options(args, "data", "validation", "weights", "episodes", "tuning-episodes", "seed")
    return {
        "command": command("transduction", *words),
        **provenance(("torch", "timm", "numpy"), device),
        "weights": card.name,
        "weights_sha256": card.sha256,
        "learner": card.learner,
        "precision": encoder.precision,
        "episodes": args.episodes,
        "seed": args.seed,
        "results": "results/transduction.json",
    }


if __name__ == "__main__":
    sys.exit(main())
