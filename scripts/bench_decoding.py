"""Ways to come from a file to the encoder's square, for speed and drift; writes docs/decoding.md.

    python scripts/bench_decoding.py --folder DIR/products --folder DIR/placeholders

Every way decodes the same files in turn: pictures of the folders as they are, and enlarged with
mild noise and saved as JPEG (quality 85, 4:2:0), PNG and WebP (quality 85) at each size. What is
told is CPU time a picture, its ratio to Pillow's full decoding in the same round, and how far the
embedding, the nearest neighbour and the zero-shot probability move from what Pillow's full
decoding gives. The extra `decoders` has the peers; one that is missing is skipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_http import drawn
from decoding import material
from decoding.race import judged, race, sizes
from decoding.ways import REFERENCE, installed, of_format

import model
from model.errors import StandinError
from model.facade import Adapted
from model.reports.about import command, options, provenance, rounded
from model.reports.bars import Bars
from model.reports.commands import at_least, exit_status
from model.reports.decoding import document, plots
from model.reports.decoding.figures import drift, speed

SIZES = (0.1, 0.3, 1.0, 3.0, 12.0)
LARGE = 3.0  # megapixels: decoding takes so long that fewer pictures must do
FEWEST = 2  # pictures of which one can have a neighbour


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every way; the exit status."""
    args = _arguments(argv)
    return exit_status("bench_decoding", lambda: _run(args), args.out, (StandinError, OSError))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="pictures, in equal parts where it is given more than once (default: drawn ones)",
    )
    parser.add_argument("--pictures", type=at_least(FEWEST), default=60, help="of each size (60)")
    parser.add_argument(
        "--large", type=at_least(FEWEST), default=20, help="of 3 megapixels and more (20)"
    )
    parser.add_argument("--megapixels", type=_sizes, default=SIZES, help="commas between")
    parser.add_argument(
        "--rounds", type=at_least(1), default=3, help="over pictures of less than 3 megapixels (3)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    return parser.parse_args(argv)


def _sizes(text: str) -> tuple[float, ...]:
    found = tuple(float(each) for each in text.split(","))
    if not all(0 < each <= 50 for each in found):
        raise argparse.ArgumentTypeError(f"megapixels are above 0 and at most 50, got {text!r}")
    return found


def _run(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    ways, versions, skipped = installed()
    for line in skipped:
        print(line, file=sys.stderr)
    adapted = model.load(device="cpu").adapt()
    rng = np.random.default_rng(args.seed)
    cells: list[dict[str, Any]] = []
    formats: list[dict[str, Any]] = []
    with Bars() as bars:
        for megapixels in (None, *args.megapixels):
            before: Any = None
            for name, files in _files(args, megapixels, rng).items():
                if len(files) < FEWEST:
                    continue
                chosen = of_format(ways, name)
                rounds = 1 if (megapixels or 0) >= LARGE else args.rounds
                tell = partial(bars.tell, f"{name}, {document.size(megapixels)}")
                squares, spent = race(chosen, files, rounds, tell)
                found = _judged(adapted, squares, files)
                cells.append(
                    {
                        "megapixels": megapixels,
                        "format": name,
                        "pictures": len(files),
                        "kilobytes": statistics.mean(map(len, files)) / 1000,
                        "rounds": rounds,
                        "ways": {
                            way: figures | drift(*found[way], *found[REFERENCE])
                            for way, figures in speed(spent, REFERENCE).items()
                        },
                    }
                )
                if megapixels is not None and name == "JPEG":
                    before = found[REFERENCE]
                elif megapixels is not None and name == "PNG":
                    alone = drift(*before, *found[REFERENCE])
                    formats.append({"megapixels": megapixels} | alone)
    result = {
        "about": _about(args, adapted, versions),
        "skipped": skipped,
        "titles": {way.name: way.title for way in ways},
        "reference": REFERENCE,
        "cells": cells,
        "formats": formats,
    }
    _write(rounded(result, 5), args.out)


def _files(
    args: argparse.Namespace, megapixels: float | None, rng: np.random.Generator
) -> dict[str, list[bytes]]:
    """By format; as they are without a size."""
    if megapixels is None:
        if not args.folder:
            return material.by_format(drawn(args.pictures, args.seed))
        kinds = material.SUFFIXES.values()
        files = [
            each for kind in kinds for each in material.spread(args.folder, args.pictures, kind)
        ]
        return material.by_format(files)
    count = min(args.large, args.pictures) if megapixels >= LARGE else args.pictures
    pictures = material.spread(args.folder, count) if args.folder else drawn(count, args.seed)
    return material.at_size(pictures, megapixels, rng)


def _judged(
    adapted: Adapted, squares: dict[str, Any], files: Sequence[bytes]
) -> dict[str, tuple[Any, Any]]:
    """By way, embeddings and probabilities."""
    embeddings, probabilities = judged(adapted, squares, sizes(files))
    return {name: (embeddings[name], probabilities[name]) for name in squares}


def _about(args: argparse.Namespace, adapted: Adapted, versions: dict[str, str]) -> dict[str, Any]:
    words = options(args, "folder", "pictures", "large", "megapixels", "rounds", "seed")
    about = provenance(("pillow", "simplejpeg", "onnxruntime", "numpy"))
    card = adapted.model.card
    return {
        "command": command("bench_decoding", *words),
        **about,
        "versions": about["versions"] | versions,
        "weights": card.name,
        "weights_sha256": card.sha256,
        "results": "results/decoding.json",
    }


def _write(result: dict[str, Any], out: Path) -> None:
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, allow_nan=False)
    (out / "results" / "decoding.json").write_text(text + "\n", encoding="utf-8")
    drawn_plots = {}
    if plots.save(result, out / "images" / "decoding.svg"):
        drawn_plots[""] = "images/decoding.svg"
    document.write(out / "decoding.md", result, drawn_plots)
    print(f"{out / 'decoding.md'}, {out / 'results' / 'decoding.json'}")


if __name__ == "__main__":
    sys.exit(main())
