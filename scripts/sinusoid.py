"""Few-shot regression of sinusoids: MAML, first-order MAML, a pretrained network, the oracle.

    python scripts/sinusoid.py --work runs/sinusoid

Trains all four (minutes on one core each), measures them on tasks of their own, and writes table
and plot into docs/yardsticks. Stop it with Ctrl-C: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from model.errors import StandinError
from model.reports.bars import Bar
from model.reports.commands import at_least, exit_status
from model.yardsticks import sinusoid, sinusoid_report

DOCS = Path(__file__).parents[1] / "docs" / "yardsticks"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    torch.set_num_threads(1)  # these matrices are too small to share
    return exit_status("sinusoid", lambda: _run(args), args.work, (StandinError, OSError))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/sinusoid"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=DOCS, help="sinusoid.md and its plot")
    parser.add_argument("--steps", type=at_least(2), default=20_000, help="of the outer loop")
    parser.add_argument("--tests", type=at_least(2), default=1000, help="tasks for each K")
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument(
        "--only", choices=sinusoid.METHODS, help="train this one and stop: one process for each"
    )
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> None:
    config = sinusoid.SinusoidConfig(steps=args.steps, seed=args.seed)
    nets = {}
    for method in [args.only] if args.only else sinusoid.METHODS:
        with Bar(method, "step") as tell:
            nets[method] = sinusoid.train(method, config, args.work, tell)
    if args.only:
        return
    measured = sinusoid_report.measure(nets, config.inner_rate, args.tests, args.seed)
    page = sinusoid_report.write(measured, config, args.out)
    print(f"table and plot: {page}")


if __name__ == "__main__":
    sys.exit(main())
