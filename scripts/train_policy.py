"""Learn which expert to ask next from a log of all experts, and write docs/policy.md.

    python scripts/train_policy.py --log runs/experts/runs.npz --release CARD --costs 1,1,4,20

Deals the log's episodes into three parts; learns tables by Q-learning and Double Q-learning over a
sweep of prices, beside exact value iteration; chooses on the second part the cheapest
that loses no more recall than --tolerance and log loss than --worse; measures on the third, with
fixed policies beside it.
Writes table, plot and figures, and the chosen policy.

Stop it with Ctrl-C or kill it: the same command goes on with the walks that are left.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from model import load
from model.errors import StandinError
from model.experts import ASKS, EXPERTS
from model.metalearner.context import CONTEXT, record
from model.policy import report
from model.policy.errors import PolicyError
from model.policy.log import SORTS, Log
from model.policy.mdp import Independent, Trained, Unfolded, unfold
from model.policy.measuring import measure_all
from model.policy.q_learning import METHODS, Schedule
from model.policy.training import Allowed, Sweep, usual_prices
from model.reports.about import command, options, rounded
from model.reports.commands import at_least, exit_status


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    args = _arguments(argv)
    return exit_status("train_policy", lambda: _run(args), args.work, (StandinError, OSError))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True, help="as model.policy.log.Log saves it")
    parser.add_argument(
        "--costs", type=_numbers, required=True, help="ms of each expert, with commas between"
    )
    parser.add_argument(
        "--names", type=lambda text: text.split(","), help="of the experts, with commas between"
    )
    parser.add_argument(
        "--release",
        type=Path,
        help="card of the weights whose top level combines (default: naive Bayes)",
    )
    parser.add_argument("--record", help="with naive Bayes, the column with the visual record")
    parser.add_argument("--given", type=_places, default=(), help="experts asked of every picture")
    parser.add_argument(
        "--frequency", type=float, help="of placeholders where costs are counted (as logged)"
    )
    parser.add_argument("--sort", choices=SORTS, help="tasks of this sort alone (default: both)")
    parser.add_argument("--tolerance", type=float, default=0.001, help="of recall")
    parser.add_argument(
        "--worse", type=float, default=math.inf, help="nats of log loss that may be lost"
    )
    parser.add_argument(
        "--prices", type=_numbers, help="nats a ms (default: 0.001 to 1 for asking everybody)"
    )
    parser.add_argument("--distilled", type=_numbers, default=(0.0, 1.0))
    parser.add_argument("--bins", type=at_least(1), default=24)
    parser.add_argument("--blur", type=float, default=0.05)
    parser.add_argument("--walks", type=at_least(1), default=500_000, help="of each table")
    parser.add_argument("--resamples", type=at_least(1), default=500)
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/policy"), help="checkpoints")
    parser.add_argument("--save", type=Path, help="the policy (default: in --work)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    return parser.parse_args(argv)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be numbers with commas between, got {text!r}"
        ) from None


def _places(text: str) -> tuple[int, ...]:
    return tuple(map(at_least(0), text.split(",")))


def _run(args: argparse.Namespace) -> None:
    log = Log.load(args.log)
    if args.sort:
        log = log.rows(log.sort == args.sort)
    sweep = Sweep(
        costs=args.costs,
        given=args.given,
        prices=args.prices or usual_prices(args.costs),
        distilled=args.distilled,
        blur=args.blur,
        frequency=args.frequency,
        schedule=Schedule(walks=args.walks, seed=args.seed),
    )
    names = args.names or (
        list(ASKS[: log.experts])
        if len(EXPERTS) <= log.experts <= len(ASKS)
        else [f"expert {i}" for i in range(log.experts)]
    )
    unfolded = _unfolded(args, log)
    total = len(METHODS) * len(sweep.prices) * args.walks
    with tqdm(desc="walks", total=total, unit_scale=True, mininterval=0.5) as bar:
        result, policy = measure_all(
            unfolded,
            names,
            sweep,
            bins=args.bins,
            allowed=Allowed(args.tolerance, args.worse),
            resamples=args.resamples,
            seed=args.seed,
            work=args.work / "tables",
            tell=bar.update,
        )
    result["about"] |= {"command": _command(args)}
    out: Path = args.out
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(result, 6), indent=1, allow_nan=False)
    (out / "results" / "policy.json").write_text(text + "\n", encoding="utf-8")
    report.draw(result, out / "images" / "policy.svg")
    report.write(out / "policy.md", result, "images/policy.svg")
    saved = args.save or args.work / "policy.safetensors"
    policy.save(saved)
    print(f"{out / 'policy.md'}, {out / 'results' / 'policy.json'}, {saved}")


def _unfolded(args: argparse.Namespace, log: Log) -> Unfolded:
    if args.release is not None:
        if log.context_names != CONTEXT:
            raise PolicyError(f"the release's context is {CONTEXT}, the log's {log.context_names}")
        experts = load(args.release).ensemble.experts
        if experts is None:
            raise PolicyError(f"{args.release} is released without experts")
        return unfold(log, Trained(experts.combination), record)
    if args.record is None:
        return unfold(log, Independent(), None)
    if args.record not in log.context_names:
        raise PolicyError(f"no column {args.record!r}, only {log.context_names}")
    column = log.context_names.index(args.record)
    return unfold(log, Independent(), lambda context: context[:, column])


def _command(args: argparse.Namespace) -> str:
    words = options(args, "log", "release", "costs", "prices", "distilled")
    words += [f"--record '{args.record}'"] if args.record else []
    words += options(args, "given", "frequency", "sort", "tolerance", "worse", "bins", "blur")
    return command("train_policy", *words, *options(args, "walks", "seed"))


if __name__ == "__main__":
    sys.exit(main())
