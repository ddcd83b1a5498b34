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
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from model.data import Record, load_manifest
from model.experts.words import RELEASED, Reader, load_reader, load_reader_card, save_reader
from model.onnx_export import reader_graph
from model.reports.bars import Bar
from model.reports.commands import exit_status
from model.training.journal import Journal
from model.training.reader_cache import Cached, Source, build
from model.training.reader_config import ReaderConfig, load_reader_config
from model.training.reader_document import write
from model.training.reader_lines import LineSource
from model.training.reader_measure import measure
from model.training.reader_stage import Spelling, Vocabulary, train_stage
from model.training.reader_views import ReaderSource
from model.training.run import digest, resources_of, revision

VERSION = "1"


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    work = _measure if args.measure else _train
    return exit_status("train_reader", lambda: print(work(args)), args.work)


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
    source = ReaderSource(records, resources_of(records, args.fonts, args.icons), config.seed)
    drawn = digest(
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
        mark = digest(mark, len(cached), what)
        with Bar(stage.name) as tell:
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
    reader_graph(out)
    return f"weights and card: {out}"


def _measure(args: argparse.Namespace) -> str:
    config = load_reader_config(args.config)
    torch.set_num_threads(args.threads)
    trained = [record for folder in args.data for record in load_manifest(folder)]
    others = [record for folder in args.validation for record in load_manifest(folder)]
    with Bar("measuring") as tell:
        found = measure(
            load_reader(args.weights),
            [r for r in trained if r.is_held_out] + others,
            resources_of(trained, args.fonts, args.icons),
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
    with Bar(name) as tell:
        return build(
            source, count, folder, workers=workers, progress=lambda done, all_: tell(done, all_, "")
        )


def _about(
    config: ReaderConfig, work: Path, records: Sequence[Record], pictures: Cached
) -> dict[str, Any]:
    last = {e["stage"]: e for e in Journal(work / "log.jsonl").entries()}
    used = [r for r in records if r.role == "encoder"]
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
        "git_revision": revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    sys.exit(main())
