"""The learned optimiser on random quadratics, beside SGD, RMSprop, Adam and NAG.

    python scripts/quadratics.py

Trains the coordinate-wise LSTM of Andrychowicz et al. 2016 (arXiv:1606.04474) on 10-dimensional
quadratics, tunes the others' learning rates, measures all of them on new functions, and writes
docs/yardsticks/quadratics.md and its plot. Stop it with Ctrl-C or kill it: the same command goes on
where it was, to the same figures.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from model.reports.about import options
from model.reports.bars import Bar
from model.reports.commands import exit_status
from model.yardsticks import quadratics_report as report
from model.yardsticks.quadratics import RATES, run_learned
from model.yardsticks.quadratics_training import Recipe, test_functions, train, tuning_functions

# The paper's quadratics have neither pre- nor postprocessing; its networks have both.
VARIANTS = {
    "LSTM": {"preprocess": False, "scale": 1.0},
    "LSTM, log and sign": {"preprocess": True, "scale": 0.1},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    args = _arguments(argv)
    torch.set_num_threads(args.threads)
    return exit_status("quadratics", lambda: _measure(args), args.work)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    recipe = Recipe()
    parser.add_argument("--epochs", type=_count, default=recipe.epochs, help="of training")
    parser.add_argument("--batches", type=_count, default=recipe.batches, help="in an epoch")
    parser.add_argument("--functions", type=_count, default=recipe.functions, help="in a batch")
    parser.add_argument("--tuning", type=_count, default=5_000, help="functions to tune rates on")
    parser.add_argument("--test", type=_count, default=2_000, help="functions to measure on")
    parser.add_argument("--steps", type=_count, default=200, help="of every optimiser there")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=_count, default=1, help="of torch")
    parser.add_argument("--work", type=Path, default=Path("runs/quadratics"))
    parser.add_argument("--out", type=Path, default=Path("docs/yardsticks"))
    args = parser.parse_args(argv)
    if args.steps < recipe.steps:
        parser.error(f"--steps must be at least {recipe.steps}, what the LSTM is trained for")
    if args.test < 2:
        parser.error("--test must be at least 2: an interval needs two functions")
    if args.seed < 0:
        parser.error("--seed must be at least 0")
    return args


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number above 0 is needed, got {text!r}")
    return int(text)


def _measure(args: argparse.Namespace) -> None:
    recipe = Recipe(
        epochs=args.epochs, batches=args.batches, functions=args.functions, seed=args.seed
    )
    test = test_functions(args.seed, args.test)
    losses = {}
    for number, (name, variant) in enumerate(VARIANTS.items()):
        with Bar(name, "it") as tell:
            own = replace(recipe, **variant)
            optimiser = train(own, args.work / f"{number}-{own.fingerprint()[:8]}", tell)
        losses[name] = run_learned(optimiser, test, args.steps).double().numpy()
    print("tuning and measuring the others ...", flush=True)
    tuning = tuning_functions(args.seed, args.tuning)
    theirs, rates = report.measure_baselines(tuning, test, recipe.steps, args.steps)
    found = report.Measured(losses | theirs, rates, len(VARIANTS), recipe.steps)
    report.plot(found, args.out / "quadratics.svg")
    words = options(args, "epochs", "batches", "functions", "tuning", "test", "steps", "seed")
    fragment = "\n\n".join(
        [
            f"```sh\npython scripts/quadratics.py {' '.join(words)}\n```",
            f"{os.cpu_count()} cores ({args.threads} used), Python {platform.python_version()}, "
            f"torch {torch.__version__}. {args.test:,} test functions; rates chosen from "
            f"{len(RATES)} on {args.tuning:,} others. Mean loss ± half of its "
            "95 % interval.",
            report.tables(found),
            f"![Mean loss by step, {', '.join(found.losses)}](quadratics.svg)",
        ]
    )
    report.write_page(args.out / "quadratics.md", fragment)
    print(args.out / "quadratics.md")


if __name__ == "__main__":
    sys.exit(main())
