"""What many categories cost: requests over thousands of them beside requests of one.

    python scripts/bench_categories.py --categories 100000

Fills a database with copies of a few taught categories, starts the service over it, and sends the
same pictures in turn for one category, for categories that were asked about before, and for ones
that were not. Printed are the server's CPU milliseconds a picture, and the ratios of their sums.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_http import ROOT, Server, body, drawn, from_folder, post, processor, unlike
from PIL import Image, ImageDraw
from tqdm import tqdm

TAUGHT = 4  # categories that are taught over HTTP; all others are copies
# Tables that hang on a category, and which of their columns name it or an example of it.
_COPIED = {
    "categories": {"id": "category", "name": "category"},
    "versions": {"category_id": "category"},
    "examples": {"id": "example", "category_id": "category"},
    "memberships": {"example_id": "example", "category_id": "category"},
}


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    jpegs = from_folder(args.folder, args.each) if args.folder else drawn(args.each)
    with contextlib.ExitStack() as stack:
        folder = args.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "filled").exists():
            teach(folder, jpegs, args.shots)
            started = time.perf_counter()
            copies(folder / "standin.db", args.categories)
            print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
            (folder / "filled").write_text(str(args.categories))
        server = Server(folder)
        stack.callback(server.stop)
        found = measure(server, jpegs, args)
        found["database_mib"] = round((folder / "standin.db").stat().st_size / 2**20)
    print(json.dumps(found, indent=2))
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--categories", type=int, default=100_000)
    parser.add_argument("--shots", type=int, default=2, help="examples of each label in each")
    parser.add_argument("--each", type=int, default=64, help="pictures in a request")
    parser.add_argument("--rounds", type=int, default=48)
    parser.add_argument("--folder", type=Path, help="pictures to send, instead of drawn ones")
    parser.add_argument("--work", type=Path, help="keeps the database for the next run")
    parser.add_argument("--json", type=Path, help="write the results there too")
    return parser.parse_args(argv)


def teach(folder: Path, jpegs: Sequence[bytes], shots: int) -> None:
    """A few categories by the service itself: what is copied is what it wrote."""
    server = Server(folder)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        with contextlib.closing(connection):
            for index in range(TAUGHT):
                parts = [("placeholder", _notice(index * shots + i)) for i in range(shots)]
                parts += [("real", unlike(jpegs[i % len(jpegs)])) for i in range(shots)]
                path = f"/v1/categories/taught-{index}/examples"
                status, answer = post(connection, path, body(parts))
                if status != 200:
                    raise SystemExit(f"teaching answered {status}: {answer[:300]!r}")
    finally:
        server.stop()


def _notice(number: int) -> bytes:
    image = Image.new("RGB", (400, 400), (236 - number % 8, 236, 236))
    ImageDraw.Draw(image).text((120, 190), f"NO IMAGE {number}", fill=(120, 120, 120))
    path = Path(tempfile.gettempdir()) / f"standin-bench-{os.getpid()}.png"
    image.save(path)
    data = path.read_bytes()
    path.unlink()
    return data


def copies(database: Path, count: int) -> None:
    """Rows of ``count`` further categories, ``bench-0`` and so on, like those that were taught."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        rows = {table: _rows(connection, table) for table in _COPIED}
        with tqdm(total=count, unit=" categories") as bar:
            for start in range(0, count, 5000):
                numbers = range(start, min(start + 5000, count))
                for table, (columns, by_category) in rows.items():
                    marks = ",".join("?" * len(columns))
                    insert = f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})"
                    connection.executemany(
                        insert,
                        (
                            _renamed(table, columns, row, number)
                            for number in numbers
                            for row in by_category[number % len(by_category)]
                        ),
                    )
                connection.commit()
                bar.update(len(numbers))


def _rows(
    connection: sqlite3.Connection, table: str
) -> tuple[list[str], list[list[tuple[Any, ...]]]]:
    """Columns, and rows by category, in the order of the categories' names."""
    ids = [row[0] for row in connection.execute("SELECT id FROM categories ORDER BY name")]
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [each[0] for each in cursor.description]
    own = columns.index("id" if table == "categories" else "category_id")
    found: list[list[tuple[Any, ...]]] = [[] for _ in ids]
    for row in cursor:
        found[ids.index(row[own])].append(row)
    return columns, found


def _renamed(
    table: str, columns: Sequence[str], row: tuple[Any, ...], number: int
) -> tuple[Any, ...]:
    """A row as it belongs to copy ``number``; ids keep their length of 32."""
    values = list(row)
    for column, what in _COPIED[table].items():
        at = columns.index(column)
        if column == "name":
            values[at] = f"bench-{number}"
        elif what == "category":
            values[at] = f"c{number:031d}"
        else:
            values[at] = f"{number:012d}{values[at][-20:]}"
    return tuple(values)


def measure(server: Server, jpegs: Sequence[bytes], args: argparse.Namespace) -> dict[str, Any]:
    """Rounds of one category, of warm ones and of cold ones, in turn."""
    rng = np.random.default_rng(0)
    order = rng.permutation(args.categories)
    warm, cold = order[: args.each], order[args.each :]
    spent: dict[str, list[float]] = {"one": [], "warm": [], "cold": []}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    with contextlib.closing(connection):
        for number in range(args.rounds + 1):
            at = number * args.each % max(1, len(cold) - args.each)
            # Of each sort in turn: what a picture costs depends on what a category was taught.
            one = next(n for n in warm if n % TAUGHT == number % TAUGHT)
            chosen = {
                "one": [one] * args.each,
                "warm": warm,
                "cold": cold[at : at + args.each],
            }
            for name, numbers in chosen.items():
                before = sum(server.cpu().values())
                _score(connection, jpegs, [f"bench-{n}" for n in numbers])
                milliseconds = (sum(server.cpu().values()) - before) / args.each * 1000
                if number:  # the first round fills caches
                    spent[name].append(milliseconds)
    sums = np.array([spent[name] for name in ("one", "warm", "cold")])
    # Rounds drawn again, with their neighbours: a clock's tick is as long as two pictures take.
    drawn_rounds = rng.integers(0, args.rounds, (2000, args.rounds))
    again = sums[:, drawn_rounds].sum(axis=2)
    return {
        "categories": args.categories,
        "pictures in a request": args.each,
        "rounds": args.rounds,
        "CPU ms a picture": {k: round(statistics.fmean(v), 2) for k, v in spent.items()},
        "ratio to one category, and its 95 % interval over rounds": {
            name: [
                round(float(each), 3)
                for each in (
                    sums[row].sum() / sums[0].sum(),
                    *np.quantile(again[row] / again[0], (0.025, 0.975)),
                )
            ]
            for row, name in ((1, "warm"), (2, "cold"))
        },
        "peak_rss_mib": round(server.peak_rss_mib()),
        "ready_seconds": round(server.ready_seconds, 2),
        "machine": f"{len(os.sched_getaffinity(0))} cores, {processor()}",
        "command": " ".join(["python", str(Path(sys.argv[0]).resolve().relative_to(ROOT))]),
    }


def _score(
    connection: http.client.HTTPConnection, jpegs: Sequence[bytes], categories: Sequence[str]
) -> None:
    items = [
        {
            "id": str(index),
            "category": category,
            "data": base64.b64encode(unlike(jpegs[index % len(jpegs)])).decode(),
        }
        for index, category in enumerate(categories)
    ]
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/score", json.dumps({"items": items}), headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200 or b'"error"' in content:
        raise SystemExit(f"scoring answered {answer.status}: {content[:300]!r}")


if __name__ == "__main__":
    sys.exit(main())
