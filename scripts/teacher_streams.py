"""Measure learning from a teacher, word by word, and write docs/results/teacher.json.

    python scripts/teacher_streams.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation --streams 100

Folders are given as to scripts/evaluate.py, and so is the cache: what it has embedded is not
embedded again. Streams are drawn from held-out pictures alone (model/teacher/streams.py); each
picture is answered for before the teacher speaks of it. The tables and the plots that
docs/teacher.md shows are made from the figures.

Stop it with Ctrl-C or kill it; the same command goes on with the scenarios that are left.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from model.card import Card
from model.encoder import Encoder, choose_device
from model.errors import WeightsError
from model.learners.meta import MetaLearner
from model.reports import svg
from model.reports.about import command, options, provenance, rounded
from model.reports.bars import Bars
from model.reports.commands import exit_status
from model.reports.features import FeatureStore, embed_all, encoder_key
from model.reports.pool import Pool, collect, sides
from model.teacher.learning import Settings
from model.teacher.results import (
    METHODS,
    SCENES,
    WINDOW,
    Figures,
    Scene,
    as_text,
    described,
    document,
)
from model.teacher.simulation import Run, simulate
from model.teacher.streams import Stream, StreamSampler
from model.weights import find_card, load_weights, restore

SETTINGS = Settings(windows=(24,), absurd=0.1, slips=0.1)

# Okabe and Ito's, told apart by people who see colours differently; ours is black.
_LINES: dict[str, tuple[str, Any]] = {
    "ours": ("black", "-"),
    "no slips": ("#56B4E9", (0, (1, 1))),
    "all": ("#0072B2", "--"),
    "newest": ("#009E73", "-."),
    "no share": ("#D55E00", (0, (5, 1))),
    "anew": ("#E69F00", "-"),
    "no teacher": ("#CC79A7", ":"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement; the exit status."""
    args = _arguments(argv)
    return exit_status("teacher_streams", lambda: _run(args), args.cache)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "DIR"}
    parser.add_argument("--data", **many, help="with a manifest, or of such folders")
    parser.add_argument("--validation", **many, help="as --data, nothing of it was trained on")
    parser.add_argument("--weights", type=Path, help="a card (default: the released weights)")
    parser.add_argument("--streams", type=_count, default=100, help="of each scenario")
    parser.add_argument("--length", type=_count, default=200, help="pictures in a stream")
    parser.add_argument("--scenes", help="some of them, with commas between (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    parser.add_argument("--device", default="auto", help="of the encoder: auto, cpu or cuda")
    args = parser.parse_args(argv)
    if not args.data:
        parser.error("nothing to measure on: give --data DIR")
    return args


def _count(text: str) -> int:
    number = int(text)  # argparse says what is no number
    if number < 2:
        raise argparse.ArgumentTypeError(f"an interval needs at least two, got {number}")
    return number


def refit_at(words: int) -> bool:
    """Heads of many words are fitted anew at each word up to 24, then at some: it is cheaper."""
    return words <= 24 or (words <= 64 and words % 4 == 0) or words % 16 == 0


def _run(args: argparse.Namespace) -> None:
    device = choose_device(args.device)
    torch.set_num_threads(1)
    card, tensors = load_weights(find_card(args.weights))
    net, learner = restore(card, tensors)
    if not isinstance(learner, MetaLearner):
        raise WeightsError(f"streams are run with a learner fitted in batches, not {learner.name}")
    items = list(tqdm(collect(*sides(args.data, args.validation)), desc="manifests"))
    pool = Pool(items)
    encoder = Encoder(net, card.image_size, device)
    key = encoder_key(card.sha256, encoder)
    measured = [items[i] for i in pool.measured]
    with FeatureStore(args.cache / "features.sqlite") as store, Bars() as bars:
        embed_all(measured, {key: encoder}, store, partial(bars.tell, "pictures"))
        features = store.matrix(key, [item.key for item in measured])
    sampler = StreamSampler([item.traits for item in measured], args.length)
    named = hashlib.sha256(repr((key, pool.digest(), SETTINGS)).encode()).hexdigest()
    found: dict[str, Any] = {}
    for scene in SCENES:
        if args.scenes and scene.slug not in args.scenes.split(","):
            continue
        rng = np.random.default_rng([args.seed, *map(ord, scene.scenario)])
        # The slips come last in each stream's draw: they change no pictures.
        streams = [sampler.sample(scene.scenario, rng, scene.slips) for _ in range(args.streams)]
        name = f"{scene.slug}-{args.streams}-{args.length}-{args.seed}"
        cache = args.cache / "teacher" / named[:16]
        run = _simulated(learner, features, streams, scene, SETTINGS, cache / f"{name}.npz")
        anew = None
        if scene.changes:
            later = [stream.second_half() for stream in streams]
            at = cache / f"{name}-anew.npz"
            anew = _simulated(learner, features, later, scene, Settings(windows=()), at)
        found[scene.slug] = described(run, scene, SETTINGS, anew)
    result = rounded({"about": _about(args, card, encoder, device), "scenes": found}, 5)
    out: Path = args.out
    (out / "results").mkdir(parents=True, exist_ok=True)
    (out / "results" / "teacher.json").write_text(as_text(result), encoding="utf-8")
    _draw_all(result, out / "images")
    document(out / "teacher.md", result)
    print(f"{out / 'teacher.md'}, {out / 'results' / 'teacher.json'}")


def _simulated(
    learner: MetaLearner,
    features: np.ndarray,
    streams: Sequence[Stream],
    scene: Scene,
    settings: Settings,
    cache: Path,
) -> Run:
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with Bars() as bars:
            run = simulate(
                learner,
                features,
                streams,
                settings,
                unsure=scene.unsure,
                refit=refit_at,
                progress=partial(bars.tell, cache.stem),
            )
        run.save(cache)
    return Run.load(cache)


def _draw_all(result: Figures, folder: Path) -> None:
    """Error and log loss by correction, a panel for each scene; bands are 95 % intervals."""
    for metric, title in (("error", "error"), ("log_loss", "log loss, nats")):
        with svg.styled(points=8):
            figure = _curves(result["scenes"], f"{metric}_by_correction", title)
            svg.save(figure, folder / f"teacher-{metric.replace('_', '-')}.svg")


def _curves(scenes: Figures, metric: str, title: str) -> Figure:
    columns = min(3, len(scenes))
    rows = -(-len(scenes) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.4 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, scene in zip(panels, scenes.values(), strict=False):
        for name, (colour, style) in _LINES.items():
            if name not in scene["methods"]:
                continue
            found = scene["methods"][name][metric]
            axes.plot(found["at"], found["estimate"], color=colour, linestyle=style, linewidth=1.2)
            axes.lines[-1].set_label(METHODS[name])
            axes.fill_between(
                found["at"], found["low"], found["high"], color=colour, alpha=0.15, linewidth=0
            )
        if scene["changes"]:
            axes.axvline(found["at"][-1] / 2, color="0.5", linewidth=0.8)
        axes.set(title=scene["title"], ylim=(0, None), ylabel=title)
        axes.set_xlabel(f"correction (window of the last {WINDOW})")
    for axes in panels[len(scenes) :]:
        axes.remove()
    handles, labels = max((axes.get_legend_handles_labels() for axes in figure.axes), key=_lines)
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _lines(legend: tuple[list[Any], list[Any]]) -> int:
    return len(legend[0])


def _about(
    args: argparse.Namespace, card: Card, encoder: Encoder, device: torch.device
) -> dict[str, Any]:
    words = options(args, "data", "validation", "weights", "scenes", "streams", "length", "seed")
    return {
        "command": command("teacher_streams", *words),
        **provenance(("torch", "numpy"), device),
        "weights": card.name,
        "weights_sha256": card.sha256,
        "learner": card.learner,
        "precision": encoder.precision,
        "streams": args.streams,
        "length": args.length,
        "seed": args.seed,
        "settings": asdict(SETTINGS),
    }


if __name__ == "__main__":
    sys.exit(main())
