"""Standin beside what a user would pick instead, over HTTP; writes docs/serving.md.

    python scripts/bench_serving.py --folder DIR/products --peers-python VENV/bin/python

Starts Standin, plain FastAPI, LitServe, BentoML and Ray Serve in turn, round after round, each
with the same network on the same cores, and sends them the same JPEGs with wrk (Debian: wrk) from
1 to 256 clients, at fixed rates and at four times what they can do. Before and after each, a bare
loop decodes and encodes the same files, and what is told first is the share of it that a server
reaches. The extra `bench` has the peers; one that is missing is skipped.

Stop it with Ctrl-C or kill it; the same command goes on with the next system. With --so-far it
measures nothing more, and writes what is known by now.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench_http import drawn
from PIL import Image
from serving import stages
from serving.bare import Bare
from serving.bodies import Picture
from serving.catalogue import EACH, REAL, Shelf, from_folder, of_pictures, to_send
from serving.processes import ServerError
from serving.systems import SYSTEMS, Starter, System
from serving.visits import FULL, QUICK, SHORT, Measuring, Profile, Visit, plan, so_far
from serving.wrk import LoadError, installed

import model
from model.errors import StandinError
from model.reports.about import command, options, provenance, rounded
from model.reports.commands import at_least, exit_status
from model.reports.serving import document, plots
from model.reports.serving.figures import bars, summarise
from service.cores import cores

ROOT = Path(__file__).parents[1]
PROFILES = {"full": FULL, "short": SHORT, "quick": QUICK}
SHORT_SYSTEMS = ("standin", "fastapi", "litserve", "litserve-decoding")
PEERS = ("litserve", "fastapi", "uvicorn", "bentoml", "ray", "onnxruntime", "pillow")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every system; the exit status."""
    args = _arguments(argv)
    # Being told to end is as good as Ctrl-C: the servers are ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return exit_status(
        "bench_serving", lambda: _run(args), args.work, (StandinError, LoadError, ServerError)
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="catalogue to send, a folder a category (default: drawn)"
    )
    parser.add_argument(
        "--categories", type=at_least(1), help="of it, at most (16; of drawn pictures 2)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="fewer systems, clients and rounds")
    size.add_argument("--quick", action="store_true", help="a second each, to see that it works")
    parser.add_argument("--systems", help=f"some of {','.join(SYSTEMS)}, commas between")
    parser.add_argument("--clients", help="of closed loops, commas between")
    parser.add_argument("--rounds", type=at_least(1))
    parser.add_argument("--seconds", type=float, help="of each load")
    parser.add_argument("--deadline", type=float, default=2.0, help="seconds, at overload (2)")
    parser.add_argument(
        "--peers-python", type=Path, default=Path(sys.executable), help="has the extra `bench`"
    )
    parser.add_argument("--so-far", action="store_true", help="measure nothing more, report")
    parser.add_argument("--work", type=Path, default=Path("runs/serving"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    args = parser.parse_args(argv)
    names = args.systems.split(",") if args.systems else None
    if names is None:
        names = ["standin"] if args.quick else SHORT_SYSTEMS if args.short else list(SYSTEMS)
    if strange := set(names) - set(SYSTEMS):
        parser.error(f"--systems are {', '.join(SYSTEMS)}, got {sorted(strange)[0]!r}")
    args.chosen = [SYSTEMS[name] for name in SYSTEMS if name in names]
    args.profile = _profile(args)
    return args


def _profile(args: argparse.Namespace) -> Profile:
    found = PROFILES["quick" if args.quick else "short" if args.short else "full"]
    if args.clients:
        levels = tuple(int(each) for each in args.clients.split(","))
        few = tuple(each for each in found.few if each in levels) or levels[:1]
        found = replace(found, clients=levels, few=few)
    if args.rounds:
        found = replace(found, rounds=args.rounds)
    if args.seconds:
        found = replace(found, seconds=args.seconds)
    if stages.program() is None:
        print("skipped the stages and the flame graph: py-spy is missing", file=sys.stderr)
        found = replace(found, stages=0.0)
    return found


def _run(args: argparse.Namespace) -> None:
    generator = subprocess.run([installed(), "-v"], capture_output=True, text=True, check=False)
    shelves = _shelves(args)
    pictures = to_send(shelves)
    work = args.work / _digest(pictures, args)
    (work / "pictures").mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        (work / "pictures" / f"{number:04}.jpg").write_bytes(picture.jpeg)
    starter = Starter(args.peers_python, shelves, work)
    skipped = [why for system in args.chosen if (why := starter.missing(system))]
    for why in skipped:
        print(why, file=sys.stderr)
    visits = [
        visit for visit in plan(args.profile, args.chosen) if starter.missing(visit.system) is None
    ]
    if not args.so_far:
        skipped += _measure(visits, args, starter, pictures, work)
    measured = so_far(work, {visit.name: visit for visit in visits})
    if not measured:
        raise LoadError("nothing was measured")
    result = {
        "about": _about(args, pictures, generator.stdout.split(" Copyright")[0].split(" [")[0]),
        "skipped": skipped,
        "rounds": args.profile.rounds,
        "titles": {system.name: _titles(system) for system in args.chosen},
        "figures": summarise(measured),
    }
    result["bars"] = bars(result["figures"])
    _write(rounded(result, 4), args.out, work / "flame.svg")


def _measure(
    visits: Sequence[Visit],
    args: argparse.Namespace,
    starter: Starter,
    pictures: Sequence[Picture],
    work: Path,
) -> list[str]:
    """Make the visits that are not known; what failed, in words."""
    failed = []
    environment = dict(os.environ)
    with Bare(work / "pictures", cores(), environment) as bare:
        measuring = Measuring(args.profile, starter, bare, pictures, work, args.deadline)
        for number, visit in enumerate(visits):
            if measuring.known(visit) is not None:
                continue
            print(f"[{number + 1}/{len(visits)}] {visit.name}", flush=True)
            try:
                found = measuring.make(visit)
            except (ServerError, LoadError) as error:
                failed.append(f"{visit.system.title} failed in round {visit.round}")
                print(f"{visit.name}: {error}", file=sys.stderr)
                continue
            for cell in found["cells"]:
                print("   ", _line(found, cell), flush=True)
    return failed


def _line(visit: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    share = cell["pictures"] / statistics.mean(visit["bare"]["ours"])
    return (
        f"{cell['mode']} {cell['requests']} {cell['clients']} clients: {cell['pictures']:.1f} "
        f"pictures/s, {share:.2f} of the bare loop, p50 {cell['p50_ms']} p99 {cell['p99_ms']} ms, "
        f"{cell['statuses']}"
    )


def _shelves(args: argparse.Namespace) -> list[Shelf]:
    if args.folder:
        return from_folder(args.folder, args.categories or 16)
    return of_pictures(drawn(REAL * (args.categories or 2)))


def _titles(system: System) -> dict[str, str]:
    several = len(system.sent) > 1
    return {"": system.title} | {
        name: f"{system.title}, {sent.title}" if several else system.title
        for name, sent in system.sent.items()
    }


def _digest(pictures: Sequence[Picture], args: argparse.Namespace) -> str:
    """Names the work folder by what its figures depend on: pictures, lengths, and the code."""
    found = hashlib.sha256()
    for picture in pictures:
        found.update(hashlib.sha256(picture.jpeg).digest())
    settled = replace(args.profile, rounds=0, clients=(), few=())
    found.update(repr((asdict(settled), args.deadline, str(args.peers_python))).encode())
    for folder in ("model", "service", "scripts/serving"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".lua", ".onnx", ".safetensors"}:
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def _about(args: argparse.Namespace, pictures: Sequence[Picture], generator: str) -> dict[str, Any]:
    words = options(args, "folder", "categories", "systems", "clients", "rounds", "seconds")
    words += [f"--{name}" for name in ("short", "quick") if getattr(args, name)]
    words += options(args, "deadline")
    if args.peers_python != Path(sys.executable):
        words.append("--peers-python PYTHON")
    loaded = model.load(device="cpu", precision="auto")
    areas = []
    for picture in pictures:
        with Image.open(io.BytesIO(picture.jpeg)) as image:
            areas.append(image.width * image.height / 1e6)
    return {
        "command": command("bench_serving", *words),
        **provenance(("onnxruntime", "torch", "fastapi", "uvicorn", "simplejpeg", "pillow")),
        "weights": loaded.card.name,
        "weights_sha256": loaded.card.sha256,
        "precision": loaded.encoder.precision,
        "seconds": args.profile.seconds,
        "megapixels": round(statistics.mean(areas), 2),
        "kilobytes": statistics.mean(len(picture.jpeg) for picture in pictures) / 1000,
        "pictures": len(pictures),
        "categories": len(pictures) // EACH,
        "generator": generator.strip() or "wrk",
        "cores": cores(),
        "peers": _versions(args.peers_python) if any(s.needs for s in args.chosen) else {},
        "results": "results/serving.json",
    }


def _versions(python: Path) -> dict[str, str]:
    code = (
        "import json; from importlib.metadata import version, PackageNotFoundError\n"
        "found = {}\n"
        f"for name in {PEERS!r}:\n"
        "    try: found[name] = version(name)\n"
        "    except PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = json.loads(said)
    return found


def _write(result: dict[str, Any], out: Path, flame: Path) -> None:
    (out / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, allow_nan=False)
    (out / "results" / "serving.json").write_text(text + "\n", encoding="utf-8")
    drawn_plots = plots.draw_all(result, out / "images")
    if result["figures"]["stages"] and flame.exists():
        (out / "images" / "flame.svg").write_text(
            stages.untold(flame.read_text(encoding="utf-8")), encoding="utf-8"
        )
        drawn_plots["flame"] = "flame.svg"
    page = out / "serving.md"
    document.write(page, result, {k: f"images/{v}" for k, v in drawn_plots.items()})
    print(f"{page}, {out / 'results' / 'serving.json'}")


if __name__ == "__main__":
    sys.exit(main())
