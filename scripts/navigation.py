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
from model.reports.bars import Bar
from model.reports.commands import at_least, exit_status
from model.yardsticks import navigation_report
from model.yardsticks.navigation_training import METHODS, NavigationConfig, train

DOCS = Path(__file__).parents[1] / "docs" / "yardsticks"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    torch.set_num_threads(args.threads)
    return exit_status("navigation", lambda: _run(args), args.work, (StandinError, OSError))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/navigation"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=DOCS, help="navigation.md and its plot")
    parser.add_argument("--steps", type=at_least(1), default=300, help="of the outer loop")
    parser.add_argument("--tests", type=at_least(1), default=200, help="goals to measure on")
    parser.add_argument("--squared", action="store_true", help="reward by squared distance")
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--threads", type=at_least(1), default=1)
    parser.add_argument(
        "--only", choices=METHODS, help="train this one and stop: one process for each"
    )
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> None:
    config = NavigationConfig(steps=args.steps, squared=args.squared, seed=args.seed)
    policies = {}
    for method in [args.only] if args.only else METHODS:
        with Bar(method, "step") as tell:
            policies[method] = train(method, config, args.work, tell)
    if args.only:
        return
    with tqdm(desc="measuring", total=len(METHODS), mininterval=1.0) as bar:
        found = navigation_report.measure_all(policies, config, args.tests, lambda: bar.update())
    page = navigation_report.write(found, config, args.out)
    print(f"table and plot: {page}")


if __name__ == "__main__":
    sys.exit(main())
