"""What a larger network or a larger input would buy, before any training: frozen ImageNet features.

    python scripts/backbones.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation

Each network embeds the pictures of scripts/evaluate.py (share its --cache), and logistic regression
answers the same tasks; beside the figures stands the time that one picture takes, as a ratio to the
first. Writes docs/backbones.md and docs/results/backbones.json. Stopped, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from model.encoder import Encoder
from model.episodes import Shots
from model.imagenet import SHA256, imagenet_encoder
from model.reports.commands import exit_status
from model.reports.methods import Candidate
from model.reports.pool import collect, sides
from model.reports.run import Settings, measure

SIZES = (
    ("tf_efficientnet_lite0", 224),
    ("tf_efficientnet_lite0", 288),
    ("tf_efficientnet_lite1", 240),
    ("tf_efficientnet_lite2", 260),
)
_START, _END = "<!-- table: begin -->", "<!-- table: end -->"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every network; the exit status."""
    args = _arguments(argv)
    return exit_status("backbones", lambda: _measure(args), args.cache)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "metavar": "DIR"}
    parser.add_argument("--data", required=True, **many)
    parser.add_argument("--validation", default=[], **many)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(argv)


def _measure(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    data, validation = sides(args.data, args.validation)
    items = list(tqdm(collect(data, validation), desc="manifests", unit=" pictures"))
    candidates = []
    for backbone, size in SIZES:
        encoder = Encoder(imagenet_encoder(None, backbone), size, torch.device("cpu"))
        name = f"{backbone.rpartition('_')[2]}-{size}"
        key = f"{backbone} {SHA256[backbone]}"
        candidates.append(Candidate(name, f"{name} px", key, encoder))
    cost = _relative_cost([c.encoder for c in candidates])
    bar = tqdm(smoothing=0.05, mininterval=0.5)

    def tell(what: str, done: int, total: int) -> None:
        bar.set_description(what, refresh=False)
        bar.total, bar.n = total, done
        bar.refresh()

    settings = Settings(
        episodes=args.episodes,
        seed=args.seed,
        cache=args.cache,
        shots=(Shots(5, 5),),
        workers=args.threads,
    )
    # The first last: what differences are measured against.
    result = measure(items, [*candidates[1:], candidates[0]], settings, tell)
    bar.close()
    lines = [_row(c.name, cost[i], result) for i, c in enumerate(candidates)]
    head = (
        "| network and input | cost of a picture | zero-shot AUROC | recall at 1 % | ordinary"
        " tasks, accuracy at K = 5 | turning tasks, AUROC at K = 5 |"
    )
    rule = "|" + " --- |" * 6
    table = "\n".join([head, rule, *lines])
    page = args.out / "backbones.md"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{_START}\n{_END}\n"
    before, _, rest = text.partition(_START)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_START}\n\n{table}\n\n{_END}{after}", encoding="utf-8")
    kept = {"cost": dict(zip([c.name for c in candidates], cost, strict=True)), **result}
    (args.out / "results").mkdir(parents=True, exist_ok=True)
    (args.out / "results" / "backbones.json").write_text(
        json.dumps(kept, indent=1, default=float) + "\n", encoding="utf-8"
    )
    print(page)


def _relative_cost(encoders: Sequence[Encoder], rounds: int = 7, pictures: int = 8) -> list[float]:
    """Median time of a batch relative to the first encoder's, taken in turns."""
    spent = np.zeros((rounds, len(encoders)))
    for turn in range(rounds):
        for i, encoder in enumerate(encoders):
            pixels = np.zeros((pictures, encoder.image_size, encoder.image_size, 3), np.uint8)
            encoder.embed(list(pixels))
            start = time.perf_counter()
            encoder.embed(list(pixels))
            spent[turn, i] = time.perf_counter() - start
    middle = np.median(spent, axis=0)
    return [float(value / middle[0]) for value in middle]


def _row(name: str, cost: float, result: dict[str, Any]) -> str:
    zero = result["zero_shot"]["all"]["methods"][f"{name}-logistic"]
    cells = [f"{cost:.2f}", _figure(zero["auroc"]), _figure(zero["recall_at_0.01"])]
    for sort, figure in (("ordinary", "accuracy"), ("turning", "auroc")):
        (found,) = (
            tasks
            for tasks in result["few_shot"]
            if tasks["sort"] == sort and tasks["pool"] == "real" and not tasks["subject"]
        )
        cells.append(_figure(found["methods"][f"{name}-logistic"][figure]))
    return f"| {name} | " + " | ".join(cells) + " |"


def _figure(value: dict[str, float]) -> str:
    return f"{value['estimate']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
