"""Measure picture statistics and sameness alone, and fit the weights of sameness.

    python scripts/measure_experts.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation

Folders are given as to scripts/evaluate.py, and so is the cache: what was embedded is not embedded
again. Training pictures are fitted to, held-out ones measured on. What is printed stands in
docs/experts.md, and as JSON in the file given by --out; the weights of sameness go into
model/experts/sameness.py by hand, where a reader sees them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.encoder import Encoder, choose_device
from model.reports.bars import Bars
from model.reports.commands import exit_status
from model.reports.copies import make_copies
from model.reports.features import FeatureStore, encoder_key
from model.reports.known_pictures import fit, measure_sameness, measure_statistics
from model.reports.pool import sides
from model.weights import find_card, load_weights, restore


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement; the exit status."""
    args = _arguments(argv)
    return exit_status("measure_experts", lambda: _run(args), args.cache)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    parser.add_argument("--data", **many, help="with a manifest, or of such folders")
    parser.add_argument("--validation", **many, help="as --data, nothing of it was trained on")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="of torch, on a CPU")
    args = parser.parse_args(argv)
    if not args.data:
        parser.error("nothing to measure on: give --data DIR")
    return args


def _run(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    card, tensors = load_weights(find_card(args.weights))
    net, _ = restore(card, tensors)
    encoder = Encoder(net, card.image_size, choose_device(args.device))
    key = encoder_key(card.sha256, encoder)
    data, validation = sides(args.data, args.validation)
    with FeatureStore(args.cache / "features.sqlite") as store, Bars() as bars:
        copies = make_copies(
            data,
            validation,
            encoder,
            key,
            store,
            args.seed,
            lambda done, total: bars.tell("pictures", done, total),
        )
    expert = fit(copies, args.seed)
    found = {
        "weights of sameness": asdict(expert),
        "sameness": measure_sameness(copies, expert, args.seed),
        "statistics": measure_statistics(copies, args.seed),
    }
    print(f"weights of sameness: {expert}")
    for title in ("sameness", "statistics"):
        for row in found[title]:
            print("  ".join(f"{name} {_cell(value)}" for name, value in row.items()))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    """Text, a number, or an interval as a dictionary."""
    if not isinstance(value, dict):
        return str(value)
    return f"{value['estimate']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


if __name__ == "__main__":
    sys.exit(main())
