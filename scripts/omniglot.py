"""One-shot classification on Omniglot's 20 runs, after learning from five alphabets alone.

    python scripts/omniglot.py --data DIR --work work/omniglot

DIR holds all_runs.zip, images_background_small1.zip and images_background_small2.zip of
https://github.com/brendenlake/omniglot. The first step checks the runs: the modified Hausdorff
distance must be wrong in 155 of the 400 trials, 38.75 %, or nothing else is done. Then every
learner is trained on each background set alone and answers the runs.

Stop it with Ctrl-C or kill it; the same command goes on where it was, to the same figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from model.errors import ManifestError
from model.reports.bars import Bar
from model.reports.commands import exit_status
from model.yardsticks.omniglot import hausdorff, report
from model.yardsticks.omniglot.drawings import Run, load_background, load_runs
from model.yardsticks.omniglot.episodes import Background
from model.yardsticks.omniglot.learners import LEARNERS, find
from model.yardsticks.omniglot.training import Outcome, Training, train_and_measure

DOCS = Path(__file__).parents[1] / "docs" / "yardsticks"
SETS = ("small1", "small2")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the yardstick; the exit status."""
    args = _arguments(argv)
    return exit_status("omniglot", lambda: _run(args), args.work)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the archives")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and outcomes")
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS), metavar="NAME")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--seed", type=int, default=0, help="of the first training")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each, for a spread")
    parser.add_argument("--length", type=float, default=1.0, help="multiple of the training")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--out", type=Path, default=DOCS, help="of omniglot.md and omniglot.svg")
    args = parser.parse_args(argv)
    for name in ("seeds", "threads"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(args, name)}")
    if args.seed < 0:
        parser.error(f"--seed must be 0 or more, got {args.seed}")
    return args


def _run(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    training = Training(length=args.length)
    for name in args.learners:  # a misspelt name is told before the first minutes, not after
        find(name)
        training.steps(name)
    runs = load_runs(args.data / "all_runs.zip")
    counted = _check(runs)
    outcomes: list[Outcome] = []
    for title in args.sets:
        alphabets = load_background(args.data / f"images_background_{title}.zip")
        background = Background(alphabets)
        for seed in range(args.seed, args.seed + args.seeds):
            for name in args.learners:
                with Bar(f"{name}, {title}, seed {seed}", leave=False) as tell:
                    outcome = train_and_measure(
                        name, (title, background), runs, training, seed, args.work, tell
                    )
                outcomes.append(outcome)
                print(f"{name}, {title}, seed {seed}: error {100 * outcome.error:.2f} %")
    report.draw(outcomes, counted, args.out / "omniglot.svg")
    report.write_table(args.out / "omniglot.md", report.table(outcomes, counted))
    print(f"written: {args.out / 'omniglot.md'}, {args.out / 'omniglot.svg'}")


def _check(runs: Sequence[Run]) -> tuple[int, int]:
    """The published check of the runs; nothing goes on without it.

    Raises:
        ManifestError: the modified Hausdorff distance has another error on these runs.
    """
    wrong, trials = hausdorff.count_errors(runs)
    expected = (hausdorff.PUBLISHED_ERRORS, hausdorff.PUBLISHED_TRIALS)
    if (wrong, trials) != expected:
        raise ManifestError(
            f"the modified Hausdorff distance is wrong in {wrong} of {trials} trials on these "
            f"runs, and must be in {expected[0]} of {expected[1]}: they are not Lake's, or not "
            "read right"
        )
    print(f"modified Hausdorff distance: {wrong} of {trials} wrong, 38.75 %, as published")
    return wrong, trials


if __name__ == "__main__":
    sys.exit(main())
