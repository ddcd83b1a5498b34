"""wrk, the load generator: started with load.lua, and its answers read."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LUA = Path(__file__).parent / "load.lua"
ACCEPTED = 200


class LoadError(Exception):
    """wrk is missing, or did not do its work."""


@dataclass(frozen=True)
class Requests:
    """Where the requests lie (:func:`serving.bodies.write_requests`), and what they hold."""

    folder: Path
    count: int
    each: int


@dataclass(frozen=True)
class Answer:
    """One request. Seconds of the monotonic clock; ``done`` is None where no answer came.

    ``due`` is when it was sent, or with a rate when it was to be sent.
    """

    due: float
    done: float | None
    status: int


@dataclass(frozen=True)
class Spell:
    """What came of one load, in the time after its warm-up. Milliseconds are of those accepted.

    Attributes:
        rate: requests a second that were answered 200.
        in_time: requests a second that were answered 200 within a limit; None without one.
        pictures: in them, a second.
        statuses: how many answers of each status; 0 for a connection that broke, ``none`` for
            requests that nothing answered.
        oldest_unanswered_ms: how long the oldest of those had waited in the end.
        offered: requests a second that were sent, and ``skipped`` how many were not, in the whole
            load, as all connections waited.
    """

    clients: int
    seconds: float
    rate: float
    in_time: float | None
    pictures: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    longest_ms: float | None
    statuses: dict[str, int]
    oldest_unanswered_ms: float
    offered: float
    skipped: int


def installed() -> str:
    """The program.

    Raises:
        LoadError: it is missing.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    return found


def parse(text: str) -> tuple[list[Answer], int]:
    """What load.lua wrote: the requests, and how many were skipped.

    Raises:
        LoadError: it is cut off.
    """
    answers, skipped = [], None
    for line in text.splitlines():
        words = line.split()
        if words[0] == "skipped":
            skipped = int(words[1])
            continue
        due, done, status = float(words[0]) / 1e6, float(words[1]) / 1e6, int(words[2])
        answers.append(Answer(due, done or None, status))
    if skipped is None:
        raise LoadError("wrk's log ends early")
    return answers, skipped


def summarise(
    answers: Sequence[Answer],
    skipped: int,
    *,
    clients: int,
    each: int,
    begin: float,
    end: float,
    stopped: float,
    by_due: bool,
    limit: float | None = None,
) -> Spell:
    """Count what belongs to the time between ``begin`` and ``end``.

    Args:
        each: pictures in a request.
        stopped: when the load did, and no answer could come any more.
        by_due: a request belongs where it was due, for rates of arrival; else where it was
            answered.
        limit: seconds that an answer may take to be in time.
    """
    seconds = end - begin
    statuses: Counter[str] = Counter()
    accepted = []
    completed = 0
    oldest = 0.0
    for answer in answers:
        if answer.done is None:
            # In a closed loop each client always waits for something.
            if by_due and begin <= answer.due < end:
                statuses["none"] += 1
            oldest = max(oldest, stopped - answer.due)
            continue
        inside = begin <= answer.done < end
        if answer.status == ACCEPTED:
            completed += inside
        if begin <= answer.due < end if by_due else inside:
            statuses[str(answer.status)] += 1
            if answer.status == ACCEPTED:
                accepted.append((answer.done - answer.due) * 1000)
    times = np.sort(accepted)
    p50, p95, p99, longest = (
        round(float(np.quantile(times, share)), 2) if len(times) else None
        for share in (0.5, 0.95, 0.99, 1)
    )
    return Spell(
        clients=clients,
        seconds=round(seconds, 3),
        rate=round(completed / seconds, 2),
        in_time=None
        if limit is None
        else round(float(np.count_nonzero(times <= limit * 1000)) / seconds, 2),
        pictures=round(completed * each / seconds, 2),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        longest_ms=longest,
        statuses=dict(sorted(statuses.items())),
        oldest_unanswered_ms=round(oldest * 1000, 1),
        offered=round(sum(begin <= answer.due < end for answer in answers) / seconds, 2),
        skipped=skipped,
    )


def load(
    port: int,
    requests: Requests,
    clients: int,
    seconds: float,
    *,
    warm: float = 1.0,
    rate: float = 0.0,
    grace: float = 0.0,
    limit: float | None = None,
    work: Path,
    during: Callable[[], None] = lambda: None,
) -> Spell:
    """Send requests for a while.

    Args:
        warm: seconds before those that are counted.
        rate: requests a second over all clients; 0 for as fast as they are answered.
        grace: seconds after those that are counted, in which late answers may come.
        limit: seconds that an answer may take to be in time.
        work: folder for wrk's log.
        during: called at the beginning and at the end of what is counted.
    Raises:
        LoadError: wrk is missing, or failed.
    """
    out = work / "wrk.log"
    out.unlink(missing_ok=True)
    # A thousand connections take wrk a second or two to set up.
    begin = time.monotonic() + 0.3 + clients / 500
    environment = os.environ | {
        "BENCH_REQUESTS": str(requests.folder),
        "BENCH_COUNT": str(requests.count),
        "BENCH_CLIENTS": str(clients),
        "BENCH_RATE": repr(rate),
        "BENCH_BEGIN": f"{begin * 1e6:.0f}",
        "BENCH_OUT": str(out),
    }
    process = subprocess.Popen(
        [
            *(installed(), "-t", str(clients), "-c", str(clients), "-d", "3600"),
            *("--timeout", "10", "-s", str(LUA), f"http://127.0.0.1:{port}"),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        time.sleep(begin + warm - time.monotonic())
        during()
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        during()
        time.sleep(grace)
        stopped = time.monotonic()
        process.send_signal(signal.SIGINT)  # its own way to end early
        said = process.communicate(timeout=60)[0]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode or not out.exists():
        raise LoadError(f"wrk ended with {process.returncode}: {said.strip()[-500:]}")
    answers, skipped = parse(out.read_text())
    return summarise(
        answers,
        skipped,
        clients=clients,
        each=requests.each,
        begin=begin,
        end=end,
        stopped=stopped,
        by_due=rate > 0,
        limit=limit,
    )
