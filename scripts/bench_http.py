"""Pictures a second over HTTP, and where the time goes.

Starts a server of its own, sends it JPEG files by multipart from several clients, and prints a row
for docs/benchmarks.md. CPU seconds are read for each of the server's threads and processes, which
name themselves: decoding, encoding, and everything else (HTTP, hashing, the store). Those of
processes that do both are shared out by how long the server says that each took.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import itertools
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from serving.catalogue import SUFFIXES, enlarged

ROOT = Path(__file__).parents[1]
BOUNDARY = "standin-bench"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Result:
    """One run. Times in seconds unless the name says otherwise."""

    clients: int
    pictures_per_request: int
    pictures: int
    megapixels: float
    kilobytes: float
    pictures_per_second: float
    p50_ms: float
    p95_ms: float
    errors: int
    decode_share: float
    encode_share: float
    rest_share: float
    cores_busy: float
    peak_rss_mib: float
    adapt_10_p50_ms: float
    ready_seconds: float
    model: str
    device: str
    machine: str


class Server:
    """``python -m service`` on a free port, with a database of its own."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {
            "STANDIN_DATA_DIR": str(folder),
            "STANDIN_LOG_LEVEL": "warning",
            # Every picture is to be computed, as if none had been seen before.
            "STANDIN_CACHE_PICTURES": "0",
        }
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        found = None
        while found is None:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("the server did not start; its message is above")
            found = re.search(r"http://[\d.]+:(\d+)", line)
        self.port = int(found[1])
        while self.get("/readyz")[0] != 200:
            if self.process.poll() is not None:
                raise SystemExit("the server ended; its message is above")
            time.sleep(0.02)
        self.ready_seconds = time.perf_counter() - started

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except ConnectionError:
                return 0, b""

    def cpu(self) -> Counter[str]:
        """CPU seconds so far by what thread or process calls itself: decode, encode, work (which is
        both) and rest."""
        spent: Counter[str] = Counter()
        for pid in self._processes(self.process.pid):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # one that has just ended
                    name = (task / "comm").read_text().strip()
                    fields = (task / "stat").read_text().rpartition(") ")[2].split()
                    seconds = (int(fields[11]) + int(fields[12])) / TICKS
                    spent[name if name in ("decode", "encode", "work") else "rest"] += seconds
        return spent

    def took(self) -> tuple[float, float]:
        """Seconds so far that the server says of decoding and looking, and of passes."""
        said = self.get("/metrics")[1].decode()

        def seconds(name: str) -> float:
            found = re.search(rf"^standin_{name}_seconds_sum (\S+)", said, re.M)
            return float(found[1]) if found else 0.0

        return seconds("decode") + seconds("look"), seconds("encode")

    def peak_rss_mib(self) -> float:
        """The most memory it ever held, and what those that work for it hold now beside what they
        share."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        total = int(found[1]) if found else float("nan")
        for pid in self._processes(self.process.pid)[1:]:
            shares = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(each) for each in re.findall(r"^Pss:\s+(\d+) kB", shares, re.M))
        return total / 1024

    def _processes(self, pid: int) -> list[int]:
        """A process and those that it has started, and they."""
        found = [pid]
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in (task / "children").read_text().split():
                    found += self._processes(int(child))
        return found

    def stop(self) -> None:
        """End it, as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def drawn(count: int, seed: int = 0) -> list[bytes]:
    """JPEGs of about a megapixel with as much detail as a product photograph has."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        width, height = rng.integers(900, 1300), rng.integers(800, 1100)
        image = Image.new("RGB", (int(width), int(height)), "white")
        for cells in (3, 12, 60):
            noise = Image.fromarray((rng.random((cells, cells, 3)) * 255).astype(np.uint8))
            layer = noise.resize(image.size, Image.Resampling.BICUBIC)
            image = Image.blend(image, layer, 0.35)
        grain = rng.normal(0, 4, (int(height), int(width), 1))
        pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "JPEG", quality=85)
        found.append(held.getvalue())
    return found


def from_folder(folder: Path, count: int) -> list[bytes]:
    """Pictures of a folder, enlarged to a megapixel where they are smaller, as JPEG."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        with Image.open(path) as opened:
            found.append(enlarged(opened.convert("RGB")))
        if len(found) == count:
            break
    if not found:
        raise SystemExit(f"{folder} holds no pictures")
    return found


_numbers = itertools.count()


def unlike(jpeg: bytes) -> bytes:
    """The same picture as another file: a comment with a number that was never used."""
    comment = f"{next(_numbers)}.{os.getpid()}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def body(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """A multipart body."""
    chunks = []
    for index, (field, data) in enumerate(parts):
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; '
            f'filename="{index}.jpg"\r\n\r\n'
        )
        chunks += [head.encode(), data, b"\r\n"]
    return b"".join([*chunks, f"--{BOUNDARY}--\r\n".encode()])


def post(connection: http.client.HTTPConnection, path: str, content: bytes) -> tuple[int, bytes]:
    """Send a multipart body and read the whole answer."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", path, content, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Load:
    """Clients that each send the next request as soon as they have the answer to the last."""

    def __init__(self, port: int, jpegs: Sequence[bytes], each: int) -> None:
        self.port = port
        self.jpegs = itertools.cycle(jpegs)
        self.each = each
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.seconds: list[float] = []
        self.errors = 0

    def run(self, clients: int, seconds: float) -> float:
        """Let them run; returns how long they did."""
        threads = [threading.Thread(target=self._client) for _ in range(clients)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        return time.perf_counter() - started

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        with contextlib.closing(connection):
            while not self.stop.is_set():
                with self.lock:
                    jpegs = [unlike(next(self.jpegs)) for _ in range(self.each)]
                content = body([("images", jpeg) for jpeg in jpegs])
                began = time.perf_counter()
                status, answer = post(connection, "/v1/score?category=bench", content)
                spent = time.perf_counter() - began
                wrong = status != 200 or b'"error"' in answer
                with self.lock:
                    self.seconds.append(spent)
                    self.errors += wrong


def adapt_p50(server: Server, jpegs: Sequence[bytes], times: int = 20) -> float:
    """Milliseconds from sending ten labelled pictures to their adaptation being in force."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    spent = []
    pictures = itertools.cycle(jpegs)
    with contextlib.closing(connection):
        for index in range(times):
            parts = [
                ("placeholder" if each % 2 else "real", unlike(next(pictures)))
                for each in range(10)
            ]
            content = body(parts)
            began = time.perf_counter()
            status, answer = post(connection, f"/v1/categories/bench-{index}/examples", content)
            spent.append((time.perf_counter() - began) * 1000)
            if status != 200:
                raise SystemExit(f"adapting answered {status}: {answer[:300]!r}")
    return statistics.median(spent)


def measure(server: Server, jpegs: Sequence[bytes], options: argparse.Namespace) -> Result:
    """One run of the load, and the adaptations after it."""
    Load(server.port, jpegs, options.each).run(options.clients, min(3.0, options.seconds))
    before, (decoded, encoded) = server.cpu(), server.took()
    load = Load(server.port, jpegs, options.each)
    wall = load.run(options.clients, options.seconds)
    spent, took = server.cpu() - before, server.took()
    both = took[0] - decoded, took[1] - encoded
    for name, part in zip(("decode", "encode"), both, strict=True):
        spent[name] += spent["work"] * part / max(sum(both), 1e-9)
    del spent["work"]
    pictures = len(load.seconds) * options.each
    described = json.loads(server.get("/v1/model")[1])
    total = sum(spent.values())
    ordered = sorted(load.seconds)
    areas = []
    for jpeg in jpegs:
        with Image.open(io.BytesIO(jpeg)) as image:
            areas.append(image.width * image.height / 1e6)
    return Result(
        clients=options.clients,
        pictures_per_request=options.each,
        pictures=pictures,
        megapixels=round(statistics.mean(areas), 2),
        kilobytes=round(statistics.mean(map(len, jpegs)) / 1000),
        pictures_per_second=round(pictures / wall, 1),
        p50_ms=round(statistics.median(ordered) * 1000, 1),
        p95_ms=round(ordered[int(0.95 * (len(ordered) - 1))] * 1000, 1),
        errors=load.errors,
        decode_share=round(spent["decode"] / total, 3),
        encode_share=round(spent["encode"] / total, 3),
        rest_share=round(spent["rest"] / total, 3),
        cores_busy=round(total / wall, 2),
        peak_rss_mib=0.0,
        adapt_10_p50_ms=round(adapt_p50(server, jpegs), 1),
        ready_seconds=round(server.ready_seconds, 2),
        model=described["name"],
        device=described["device"],
        machine=f"{len(os.sched_getaffinity(0))} cores, {processor()}",
    )


def processor() -> str:
    """What the machine calls its processor."""
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


HEADER = (
    "| clients x pictures | pictures/s | p50 ms | p95 ms | decoding | encoding | rest | cores busy "
    "| peak RSS MiB | adapt 10, p50 ms | ready s | errors |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def as_row(result: Result) -> str:
    """The run as a row of a Markdown table."""
    return (
        f"| {result.clients} x {result.pictures_per_request} | {result.pictures_per_second} "
        f"| {result.p50_ms} | {result.p95_ms} | {result.decode_share:.0%} "
        f"| {result.encode_share:.0%} | {result.rest_share:.0%} | {result.cores_busy} "
        f"| {result.peak_rss_mib:.0f} | {result.adapt_10_p50_ms} | {result.ready_seconds} "
        f"| {result.errors} |"
    )


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server for one run: peak memory and time to ready belong to it."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.stop()


def _load(text: str) -> tuple[int, int]:
    clients, _, each = text.partition("x")
    if not (clients.isdecimal() and each.isdecimal() and int(clients) and int(each)):
        raise argparse.ArgumentTypeError(
            f"a load is clients x pictures, as in 4x16 (several with spaces between), got {text!r}"
        )
    return int(clients), int(each)


def main() -> None:
    """Measure each load asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--loads",
        nargs="+",
        type=_load,
        default=[(1, 1), (4, 1), (4, 16)],
        metavar="CLIENTSxPICTURES",
        help="clients, and pictures in each of their requests (default: 1x1 4x1 4x16)",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load (default: 20)")
    parser.add_argument("--pictures", type=int, default=64, help="different ones (default: 64)")
    parser.add_argument("--folder", type=Path, help="pictures to send, instead of drawn ones")
    parser.add_argument("--json", type=Path, help="write the results there too")
    options = parser.parse_args()
    jpegs = (
        from_folder(options.folder, options.pictures) if options.folder else drawn(options.pictures)
    )
    results = []
    print(HEADER, flush=True)
    for load in options.loads:
        options.clients, options.each = load
        with serving() as server:
            result = measure(server, jpegs, options)
            result = Result(**asdict(result) | {"peak_rss_mib": round(server.peak_rss_mib(), 1)})
        results.append(result)
        print(as_row(result), flush=True)
    first = results[0]
    print(
        f"\nJPEGs of {first.megapixels} megapixels and {first.kilobytes:.0f} kB on average; "
        f"{first.model} on {first.device}; {first.machine}. Shares are of the server's CPU time; "
        "the clients ran on the same machine."
    )
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
