"""Measure every expert alone, all together, and all but one, on pictures that none has seen.

    python scripts/evaluate_experts.py --data DIR/products --data DIR/placeholders \\
        --validation DIR/placeholders_validation

Writes the part of docs/benchmarks.md about experts, docs/results/experts.json and
docs/images/experts-by-shots.svg. Stopped, the same command takes signals from its cache.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

import model
from model.episodes import Shots, Sort
from model.errors import StandinError, WeightsError
from model.experts.release import experts_path, load_released
from model.experts.words import RELEASED as READER
from model.experts.words import load_reader_card
from model.reports.bars import Bar
from model.reports.document import insert
from model.reports.experts import document, plots
from model.reports.experts.material import held_out, see_all, traits_of
from model.reports.experts.measuring import (
    TOP,
    answers_of,
    by_kind,
    few_shot,
    logged,
    unnamed,
    unsure,
    with_policy,
    zero_shot,
)
from model.weights import find_card

SORTS: tuple[Sort, ...] = ("ordinary", "turning")
SHOTS = (1, 2, 5, 10, 20)
ONE_SIDED = (Shots(3, 0), Shots(0, 3))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; the exit status."""
    args = _arguments(argv)
    try:
        _measure(args)
    except StandinError as error:
        print(f"evaluate_experts: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nstopped; signals are kept, the same command begins with the tasks", file=sys.stderr
        )
        return 130
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    many: dict[str, Any] = {"type": Path, "action": "append", "metavar": "DIR"}
    parser.add_argument("--data", required=True, **many)
    parser.add_argument("--validation", default=[], **many)
    parser.add_argument("--weights", type=Path, help="card (default: the released one)")
    parser.add_argument(
        "--precision", choices=("float", "int8"), default="float", help="of the encoder"
    )
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluate"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    if args.episodes < 2:
        parser.error(f"--episodes must be at least 2, got {args.episodes}")
    return args


def _measure(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    loaded = model.load(args.weights, "cpu", precision=args.precision)
    experts = loaded.ensemble.experts
    if experts is None:
        raise WeightsError("this release has no experts beside its visual head")
    records = held_out(args.data, args.validation)
    traits = [traits_of(record) for record in records]
    with Bar("pictures") as tell:
        pool = see_all(loaded, records, args.cache, tell)
    rng = np.random.default_rng([args.seed, 7])
    reader = load_reader_card(READER).sha256
    about = load_released(experts_path(find_card(args.weights)), loaded.card.sha256, reader).about
    log = unnamed(experts.panel, pool, traits)
    result: dict[str, Any] = {
        "about": {
            "pictures": len(records),
            "standins": sum(each.is_standin for each in traits),
            "episodes": args.episodes,
            "seed": args.seed,
            "weights": loaded.card.sha256,
            "precision": loaded.encoder.precision,
            "experts": experts.digest,
            "reader": reader,
            "alpha": about["alpha"],
            "calibration_tasks": about["tasks"],
        },
        "zero_shot": zero_shot(log, answers_of(log, experts.combination, True), rng),
        "kinds": by_kind(log, answers_of(log, experts.combination)),
        "few_shot": [],
        "one_sided": [],
        "policy": [],
    }
    if experts.policy is not None:
        result["policy"].append({"title": "no examples", **with_policy(experts, log)})
    conditions = [(sort, Shots(k, k)) for sort in SORTS for k in SHOTS]
    conditions += [("ordinary", shots) for shots in ONE_SIDED]
    bar = tqdm(total=len(conditions) * args.episodes, desc="tasks", smoothing=0.05)
    for number, (sort, shots) in enumerate(conditions):
        bar.set_description(f"{sort}, {shots.placeholder} and {shots.real}")
        log = logged(
            experts.panel,
            pool,
            traits,
            sort,
            shots,
            args.episodes,
            args.seed,
            lambda done, first=number * args.episodes: bar.update(first + done - bar.n),  # type: ignore[misc]
        )
        if experts.policy is not None:
            title = f"{sort}, {shots.placeholder} and {shots.real}"
            result["policy"].append({"title": title, **with_policy(experts, log)})
        answers = answers_of(log, experts.combination, True)
        found: dict[str, Any] = {
            "sort": sort,
            "shots": max(shots.placeholder, shots.real),
            "unsure": unsure(log, answers[TOP], experts.surely),
        }
        if shots.placeholder == shots.real:
            result["few_shot"].append({**found, "figures": few_shot(log, answers, rng)})
        else:
            title = f"{shots.placeholder} stand-ins and {shots.real} real"
            result["one_sided"].append({**found, "title": title})
    bar.close()
    page = args.out / "benchmarks.md"
    (args.out / "results").mkdir(parents=True, exist_ok=True)
    (args.out / "results" / "experts.json").write_text(
        json.dumps(result, indent=1, default=float) + "\n", encoding="utf-8"
    )
    plots.draw(result, args.out / "images" / "experts-by-shots.svg")
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if document.BEGIN not in text:
        text = f"{text}\n{document.BEGIN}\n{document.END}\n"
    page.write_text(
        insert(text, document.fragment(result), document.BEGIN, document.END), encoding="utf-8"
    )
    print(page)


if __name__ == "__main__":
    sys.exit(main())
