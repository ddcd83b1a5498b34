"""A point finds a goal nobody names, by policy gradient: MAML, pretrained, random, oracle.

    python scripts/navigation.py --work runs/navigation

Trains the policies (minutes on one core each), measures them on goals of their own, and writes
table and plot into docs/yardsticks. Stop it with Ctrl-C: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from model.errors import StandinError
from model.yardsticks import navigation_report
from model.yardsticks.navigation_training import METHODS, NavigationConfig, train

DOCS = Path(__file__).parents[1] / "docs" / "yardsticks"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    torch.set_num_threads(args.threads)
    try:
        _run(args)
    except (StandinError, OSError) as error:
        print(f"navigation: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from {args.work}", file=sys.stderr)
        return 130
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/navigation"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=DOCS, help="navigation.md and its plot")
    parser.add_argument("--steps", type=_positive, default=300, help="of the outer loop")
    parser.add_argument("--tests", type=_positive, default=200, help="goals to measure on")
    parser.add_argument("--squared", action="store_true", help="reward by squared distance")
    parser.add_argument("--seed", type=_whole, default=0)
    parser.add_argument("--threads", type=_positive, default=1)
    parser.add_argument(
        "--only", choices=METHODS, help="train this one and stop: one process for each"
    )
    return parser.parse_args(argv)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, got {text!r}")
    return int(text)


def _run(args: argparse.Namespace) -> None:
    config = NavigationConfig(steps=args.steps, squared=args.squared, seed=args.seed)
    policies = {}
    for method in [args.only] if args.only else METHODS:
        with tqdm(desc=method, unit="step", mininterval=1.0) as bar:

            def tell(done: int, total: int, words: str, bar: tqdm = bar) -> None:
                bar.total = total
                bar.set_postfix_str(words, refresh=False)
                bar.update(done - bar.n)

            policies[method] = train(method, config, args.work, tell)
    if args.only:
        return
    with tqdm(desc="measuring", total=len(METHODS), mininterval=1.0) as bar:
        found = navigation_report.measure_all(policies, config, args.tests, lambda: bar.update())
    page = navigation_report.write(found, config, args.out)
    print(f"table and plot: {page}")


if __name__ == "__main__":
    sys.exit(main())
