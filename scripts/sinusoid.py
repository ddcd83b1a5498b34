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
from tqdm import tqdm

from model.errors import StandinError
from model.yardsticks import sinusoid, sinusoid_report

DOCS = Path(__file__).parents[1] / "docs" / "yardsticks"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    torch.set_num_threads(1)  # these matrices are too small to share
    try:
        _run(args)
    except (StandinError, OSError) as error:
        print(f"sinusoid: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from {args.work}", file=sys.stderr)
        return 130
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/sinusoid"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=DOCS, help="sinusoid.md and its plot")
    parser.add_argument("--steps", type=_positive, default=20_000, help="of the outer loop")
    parser.add_argument("--tests", type=_positive, default=1000, help="tasks for each K")
    parser.add_argument("--seed", type=_whole, default=0)
    parser.add_argument(
        "--only", choices=sinusoid.METHODS, help="train this one and stop: one process for each"
    )
    return parser.parse_args(argv)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number, 2 or more, got {text!r}")
    return int(text)


def _run(args: argparse.Namespace) -> None:
    config = sinusoid.SinusoidConfig(steps=args.steps, seed=args.seed)
    nets = {}
    for method in [args.only] if args.only else sinusoid.METHODS:
        with tqdm(desc=method, unit="step", mininterval=1.0) as bar:

            def tell(done: int, total: int, words: str, bar: tqdm = bar) -> None:
                bar.total = total
                bar.set_postfix_str(words, refresh=False)
                bar.update(done - bar.n)

            nets[method] = sinusoid.train(method, config, args.work, tell)
    if args.only:
        return
    measured = sinusoid_report.measure(nets, config.inner_rate, args.tests, args.seed)
    page = sinusoid_report.write(measured, config, args.out)
    print(f"table and plot: {page}")


if __name__ == "__main__":
    sys.exit(main())
