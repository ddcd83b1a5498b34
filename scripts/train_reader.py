"""Train the reader of words, or measure one, from drawn lettering and folders of pictures.

    python scripts/train_reader.py scripts/configs/reader.toml \\
        --data DIR/products --data DIR/placeholders --fonts DIR --icons DIR --work work/reader
    python scripts/train_reader.py scripts/configs/reader.toml \\
        --measure docs/results/reader.json --document docs/reader.md --peer 150 \\
        --data DIR/products --data DIR/placeholders --validation DIR/placeholders_validation \\
        --fonts DIR --icons DIR --work work/reader

Every DIR given by --data holds pictures and a manifest.csv (docs/training.md has its columns).
Stop it with Ctrl-C or kill it; the same command goes on where it was. Without --data it trains on
drawn pictures alone; without --fonts it draws Latin only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from model.data import Record, load_manifest
from model.errors import StandinError
from model.experts.words import RELEASED, Reader, load_reader, load_reader_card, save_reader
from model.standins import Resources, builtin_resources, load_resources
from model.training.journal import Journal
from model.training.reader_cache import Cached, Source, build
from model.training.reader_config import ReaderConfig, load_reader_config
from model.training.reader_document import write
from model.training.reader_lines import LineSource
from model.training.reader_measure import measure
from model.training.reader_stage import Spelling, Vocabulary, train_stage
from model.training.reader_views import ReaderSource

VERSION = "1"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    try:
        done = _measure(args) if args.measure else _train(args)
    except StandinError as error:
        print(f"train_reader: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from {args.work}", file=sys.stderr)
        return 130
    print(done)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="scripts/configs/reader.toml, or another")
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--validation", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--fonts", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--icons", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, help="drawings, checkpoints, log")
    parser.add_argument("--out", type=Path, help="where the weights go (default: the work folder)")
    parser.add_argument("--measure", type=Path, metavar="JSON", help="measure instead of training")
    parser.add_argument("--document", type=Path, metavar="MD", help="gets the figures as tables")
    parser.add_argument("--weights", type=Path, help="card to measure (default: the released one)")
    parser.add_argument("--each", type=int, default=600, help="drawings a group to measure on")
    parser.add_argument("--peer", type=int, default=0, help="pictures for the OCR word list, too")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw pictures")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    return parser.parse_args(argv)


def _train(args: argparse.Namespace) -> str:
    config = load_reader_config(args.config)
    torch.set_num_threads(args.threads)
    records = [record for folder in args.data for record in load_manifest(folder)]
    source = ReaderSource(records, _resources(args, records), config.seed)
    drawn = _digest(
        config.seed,
        [(r.path.name, r.path.stat().st_size, r.category, r.kind) for r in records],
        [str(p) for p in (*args.fonts, *args.icons)],
    )
    work: Path = args.work
    pieces = _drawn("pieces", LineSource(source), config.pieces, work, drawn, args.workers)
    pictures = _drawn("pictures", source, config.pictures, work, drawn, args.workers)
    vocabulary = Vocabulary([*pieces.labels, *pictures.labels])
    torch.manual_seed(config.seed)
    reader = Reader().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    spelling = Spelling(reader, vocabulary)
    mark = drawn
    for stage in config.stages:
        cached = pieces if stage.on == "pieces" else pictures
        what = {k: v for k, v in asdict(stage).items() if k not in ("name", "on")}
        mark = _digest(mark, len(cached), what)
        with _Bar(stage.name) as tell:
            train_stage(
                reader,
                spelling,
                vocabulary,
                cached,
                stage,
                seed=config.seed,
                folder=work,
                fingerprint=mark,
                progress=tell,
            )
    out: Path = (args.out or work) / f"{config.name}.json"
    save_reader(out, reader, _about(config, work, records, pictures))
    return f"weights and card: {out}"


def _measure(args: argparse.Namespace) -> str:
    config = load_reader_config(args.config)
    torch.set_num_threads(args.threads)
    trained = [record for folder in args.data for record in load_manifest(folder)]
    others = [record for folder in args.validation for record in load_manifest(folder)]
    with _Bar("measuring") as tell:
        found = measure(
            load_reader(args.weights),
            [r for r in trained if r.is_held_out] + others,
            _resources(args, trained),
            seed=config.seed,
            each=args.each,
            peer=args.peer,
            progress=tell,
        )
    found["sha256"] = load_reader_card(args.weights or RELEASED).sha256
    args.measure.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if args.document:
        write(args.document, found)
    return f"figures: {args.measure}"


def _drawn(name: str, source: Source, count: int, work: Path, mark: str, workers: int) -> Cached:
    folder = work / f"{name}-{mark[:12]}"
    with _Bar(name) as tell:
        return build(
            source, count, folder, workers=workers, progress=lambda done, all_: tell(done, all_, "")
        )


def _resources(args: argparse.Namespace, records: Sequence[Record]) -> Resources:
    """Fonts and icons from folders; grounds are photographs that may be trained on."""
    found = load_resources(args.fonts, args.icons) if args.fonts else builtin_resources()
    photographs = tuple(
        record.path
        for record in records
        if not record.is_standin and record.role == "encoder" and not record.hardtag
    )
    return replace(found, photographs=photographs)


def _about(
    config: ReaderConfig, work: Path, records: Sequence[Record], pictures: Cached
) -> dict[str, Any]:
    last = {e["stage"]: e for e in Journal(work / "log.jsonl").entries()}
    used = [r for r in records if r.role == "encoder"]
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "version": VERSION,
        "metrics": {
            str(stage): {k: v for k, v in entry.items() if k not in ("stage", "step")}
            for stage, entry in last.items()
        },
        "training_data": {
            "pieces drawn": config.pieces,
            "pictures by sort": dict(sorted(Counter(r.sort for r in pictures.labels).items())),
            "real pictures by licence": dict(
                sorted(Counter(r.licence or "unknown" for r in used).items())
            ),
        },
        "git_revision": revision.stdout.strip() or "unknown",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class _Bar:
    """A progress bar whose total is known when the first news arrives."""

    def __init__(self, name: str) -> None:
        self._bar = tqdm(desc=name, unit="", smoothing=0.05, mininterval=1.0)

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _tell(self, done: int, total: int, text: str) -> None:
        self._bar.total = total
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
