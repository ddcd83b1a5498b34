"""Measure what the encoder at a smaller input settles, and write docs/glance.md.

    python scripts/glance.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation

A *glance* is the released encoder on squares of fewer pixels, at a share of the cost. Where the
visual head is sure of its answer, the whole look can be saved. How sure it must be is chosen on
every other task, so that the answers' log loss rises by no more than is asked for, and measured on
the rest; a release leaves that to its policy. Glances at the side that the release glances at are
measured as they come and as its map corrects them (model/experts/glance.py).

Stop it with Ctrl-C or kill it; the same command goes on with the pictures that are left to embed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import load
from model.calibration import sigmoid
from model.encoder import Encoder
from model.episodes import EpisodeSampler, Shots, Sort
from model.intervals import mean_interval
from model.learners.base import Learner
from model.metrics import log_loss
from model.reports import tables
from model.reports.about import command, options, provenance, rounded
from model.reports.bars import Bars
from model.reports.commands import at_least, exit_status
from model.reports.document import place
from model.reports.experts.measuring import plain
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.pool import Item, Pool, collect, sides

SORTS: tuple[Sort, ...] = ("ordinary", "turning")
SURE = np.concatenate([np.arange(0.0, 8.0, 0.25), [np.inf]])  # log odds, either way
BEGIN, END = "<!-- glance: written by scripts/glance.py -->", "<!-- end of glance -->"
_PRICED = 64  # pictures that a look is timed over

Task = tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]
"""Of a task's queries the labels, and log odds by the whole look and by a glance."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    parser.add_argument("--data", **many, help="with a manifest, or of such folders")
    parser.add_argument("--validation", **many, help="as --data, nothing of it was trained on")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--sides", default="96,128,160", help="pixels of a glance, commas between")
    parser.add_argument("--sorts", default=",".join(SORTS), help="of tasks")
    parser.add_argument("--shots", default="0,1,5,20", help="examples of each label")
    parser.add_argument(
        "--episodes", type=at_least(4), default=600, help="tasks of each sort and size"
    )
    parser.add_argument("--worse", type=float, default=0.002, help="nats that may be lost")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    args = parser.parse_args(argv)
    if not args.data:
        parser.error("nothing to measure on: give --data DIR")
    return exit_status("glance", lambda: _run(args), args.cache)


def _run(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # so that a look's price is that of one core
    model = load(args.weights, "cpu", "torch")
    card, net, learner = model.card, model.encoder.net, model.learner
    experts = model.ensemble.experts
    glance = None if experts is None else experts.glance
    pool = Pool(list(collect(*sides(args.data, args.validation))))
    items = [pool.items[position] for position in pool.measured]
    whole, *less = card.image_size, *(int(each) for each in args.sides.split(","))
    encoders = {side: Encoder(net, side) for side in (whole, *less)}
    keys = {side: encoder_key(card.sha256, encoder) for side, encoder in encoders.items()}
    sampler = EpisodeSampler([item.traits for item in items])
    rows = []
    with Bars() as bars:
        with FeatureStore(args.cache / "features.sqlite") as store:
            by_key = {keys[side]: encoder for side, encoder in encoders.items()}
            embed_all(items, by_key, store, partial(bars.tell, "pictures"))
            names = [item.key for item in items]
            seen = {str(side): store.matrix(key, names) for side, key in keys.items()}
        if glance is not None and glance.side in less:
            seen[f"{glance.side}, corrected"] = glance.guess(seen[str(glance.side)])
        for sort in [each for each in SORTS if each in args.sorts.split(",")]:
            for k in map(int, args.shots.split(",")):
                tasks = _tasks(args, sampler, learner, seen, sort, k, bars)
                for side, found in tasks.items():
                    rows.append(
                        {"sort": sort, "shots": k, "side": side} | settled(found, args.worse)
                    )
    cost = {side: _cost(encoder, items[:_PRICED]) for side, encoder in encoders.items()}
    words = options(args, "data", "validation", "weights", "sides", "episodes", "worse", "seed")
    result = {
        "about": {
            "command": command("glance", *words),
            **provenance(("torch", "timm", "numpy"), torch.device("cpu")),
            "weights": card.name,
            "weights_sha256": card.sha256,
            "results": "results/glance.json",
        },
        "pictures": len(items),
        "episodes": args.episodes,
        "worse": args.worse,
        "price": {str(side): cost[side] / cost[whole] for side in less},
        "rows": rows,
    }
    _write(rounded(result, 5), args.out)


def _cost(encoder: Encoder, items: Sequence[Item]) -> float:
    """Seconds of a processor for looking at these once, after looking at them once."""
    pixels = [item.read(encoder.image_size) for item in items]
    encoder.embed(pixels)
    began = time.process_time()
    encoder.embed(pixels)
    return time.process_time() - began


def _tasks(
    args: argparse.Namespace,
    sampler: EpisodeSampler,
    learner: Learner,
    seen: Mapping[str, NDArray[np.float32]],
    sort: Sort,
    k: int,
    bars: Bars,
) -> dict[str, list[Task]]:
    """By side, the same tasks; a glance is judged by the head of the whole looks."""
    rng = np.random.default_rng([args.seed, k, SORTS.index(sort)])
    whole, *less = seen
    found: dict[str, list[Task]] = {side: [] for side in less}
    for number in range(args.episodes):
        bars.tell(f"{sort}, {k} of each", number + 1, args.episodes)
        task = sampler.sample(sort, Shots(k, k), rng)
        support = torch.from_numpy(seen[whole][task.support])
        head = learner.adapt(support, torch.from_numpy(task.support_is_placeholder))
        state = head.state[None].numpy()
        said = {s: learner.log_odds(state, seen[s][task.query]).astype(np.float64) for s in seen}
        for side in less:
            found[side].append((task.query_is_placeholder, said[whole], said[side]))
    return found


def settled(tasks: Sequence[Task], worse: float) -> dict[str, Any]:
    """Choose how sure a glance must be on every other task; measure on the rest."""
    tuning, rest = tasks[::2], tasks[1::2]
    before = np.mean([_loss(z, y) for y, z, _ in tuning])
    sure = next(
        float(t)
        for t in SURE
        if np.mean([_loss(_first(z, g, t), y) for y, z, g in tuning]) <= before + worse
    )
    measured = {
        "saved": [float((np.abs(g) >= sure).mean()) for _, _, g in rest],
        "accuracy": [float(((z > 0) == y).mean()) for y, z, _ in rest],
        "accuracy_after": [float(((_first(z, g, sure) > 0) == y).mean()) for y, z, g in rest],
        "log_loss": [_loss(z, y) for y, z, _ in rest],
        "log_loss_after": [_loss(_first(z, g, sure), y) for y, z, g in rest],
    }
    return {"sure": sure if np.isfinite(sure) else None} | {
        name: plain(mean_interval(np.array(each))) for name, each in measured.items()
    }


def _first(
    whole: NDArray[np.float64], glance: NDArray[np.float64], sure: float
) -> NDArray[np.float64]:
    return np.where(np.abs(glance) >= sure, glance, whole)


def _loss(z: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    return log_loss(sigmoid(z), label, floor=1e-6)


def _write(result: Mapping[str, Any], out: Path) -> None:
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, allow_nan=False)
    (out / "results" / "glance.json").write_text(text + "\n", encoding="utf-8")
    prices = ", ".join(f"{side} pixels {share:.2f}" for side, share in result["price"].items())
    lines = [
        tables.provenance(result["about"]),
        "",
        f"{result['pictures']} pictures that nothing was trained on, {result['episodes']} tasks a "
        f"row; at most {result['worse']} nats may be lost. What a glance costs, over a whole look: "
        f"{prices}.",
        "",
        "| tasks | of each label | pixels | sure at log odds of | settled by the glance "
        "| accuracy | with the glance | log loss | with the glance |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        sure = "never" if row["sure"] is None else f"{row['sure']:.2f}"
        saved = row["saved"]
        lines.append(
            f"| {row['sort']} | {row['shots']} | {row['side']} | {sure} | {saved['estimate']:.2f} "
            f"({saved['low']:.2f} to {saved['high']:.2f}) | "
            + " | ".join(
                f"{row[name]['estimate']:.3f}"
                for name in ("accuracy", "accuracy_after", "log_loss", "log_loss_after")
            )
            + " |"
        )
    place(out / "glance.md", "A first look at fewer pixels", "\n".join(lines), BEGIN, END)
    print(out / "glance.md")


if __name__ == "__main__":
    sys.exit(main())
