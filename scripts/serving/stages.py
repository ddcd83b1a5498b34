"""Where Standin's processor time goes, by stage: stacks recorded by py-spy, folded by function.

py-spy takes a thread that waits for a core, or has just been woken, for one that works, so stacks
alone would count waiting. What each thread spent is the kernel's figure; its stacks only say how
that is shared among the stages.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from .wrk import LoadError

HZ = 100
# A stack belongs to the first of these that one of its frames matches. What is left is the event
# loop's: sockets, HTTP's framing, FastAPI's routing.
RULES: tuple[tuple[str, str], ...] = (
    ("look", r"^look_at \(model/"),
    ("encode", r"^Ensemble\.(_embed|_glance) |^OnnxEncoder\.|^Encoder\.embed "),
    ("experts", r"^Ensemble\.|\(model/(?!(images|resizing)\.py)"),
    ("hash", r"^(Embedder\.)?name \(service/|\(service/pictures\.py"),
    ("decode", r"\(model/(images|resizing)\.py|^decode \(service/workers/"),
    ("experts", r"\(service/(passes|judging)\.py"),
    ("hand over", r"\(service/workers/"),
    ("store", r"\(service/(store/|lookup\.py)"),
    ("parse", r"\(service/(bodies|multipart)\.py|^_read \(service/|data_received|_read_ready"),
    (
        "respond",
        r"\(starlette/responses\.py|\(service/schemas/|^serialize_response |"
        r"^RequestResponseCycle\.send ",
    ),
    ("experts", r"\(service/(scoring|knowledge|learning)\.py"),
    ("hand over", r"^Thread\._bootstrap "),
)
_WAITING = re.compile(r"^_worker \(concurrent/futures/thread\.py")
_THREAD = re.compile(r"^thread \((\d+)\)")
_PROCESS = re.compile(r"^process \d+:")
_TICKS = os.sysconf("SC_CLK_TCK")
LOOP = "loop"
STAGES = (
    *("parse", "hash", "decode", "look", "encode", "experts", "store", "respond"),
    *("hand over", LOOP),
)
_COMPILED = [(stage, re.compile(rule)) for stage, rule in RULES]


class Recording:
    """py-spy beside a server: first its stacks as text, then as a flame graph.

    Args:
        seconds: of each of the two.
        work: folder for both files.
    """

    def __init__(self, pid: int, seconds: float, work: Path) -> None:
        self.raw = work / "stacks.txt"
        self.flame = work / "flame.svg"
        self._errors: list[str] = []
        self._spent: dict[int, float] = {}
        self._thread = threading.Thread(target=self._record, args=(pid, seconds), daemon=True)
        self._thread.start()

    def seconds(self) -> dict[str, float]:
        """Processor seconds of each stage, while the stacks were recorded.

        Raises:
            LoadError: py-spy did not do its work.
        """
        self._thread.join()
        if self._errors or not self.raw.exists():
            raise LoadError("py-spy recorded nothing: " + "; ".join(self._errors))
        return fold(self.raw.read_text(), self._spent)

    def _record(self, pid: int, seconds: float) -> None:
        for kind, path in (("raw", self.raw), ("flamegraph", self.flame)):
            path.unlink(missing_ok=True)
            before = thread_seconds(pid)
            done = subprocess.run(
                [
                    *(program() or "py-spy", "record", "--pid", str(pid), "--format", kind),
                    *("--output", str(path), "--duration", str(max(1, round(seconds)))),
                    *("--rate", str(HZ), "--function", "--nonblocking", "--subprocesses"),
                    *(["--threads"] if kind == "raw" else []),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                self._errors.append(done.stderr.strip()[-300:])
            elif kind == "raw":
                now = thread_seconds(pid)
                self._spent = {tid: spent - before.get(tid, 0.0) for tid, spent in now.items()}


def untold(flame: str) -> str:
    """A flame graph without commands, which name folders of this machine, and with our title."""
    titled = re.sub(
        r"(<text id=\"title\"[^>]*>)[^<]*(</text>)",
        r"\1Standin under load: running threads by function\2",
        flame,
    )
    return re.sub(r"process \d+:[^(<]*", "a process ", titled)


def thread_seconds(pid: int) -> dict[int, float]:
    """Processor seconds so far of each thread of a process and of those that it has started, by
    the kernel's number."""
    found: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # one that has just ended
            fields = (task / "stat").read_text().rpartition(") ")[2].split()
            found[int(task.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
            for child in (task / "children").read_text().split():
                found |= thread_seconds(int(child))
    return found


def program() -> str | None:
    """py-spy, beside this Python or on the path; None where it is missing."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


def stage_of(frames: Sequence[str]) -> str:
    """The stage that a stack belongs to; frames as py-spy writes them, ``name (file:line)``."""
    for stage, rule in _COMPILED:
        if any(rule.search(frame) for frame in frames):
            return stage
    return LOOP


def fold(raw: str, spent: Mapping[int, float]) -> dict[str, float]:
    """Processor seconds of each of :data:`STAGES`.

    Args:
        raw: stacks as ``py-spy record --format raw --threads --subprocesses`` writes them: the
            processes from the first to the one that it is, the thread, frames from the outermost,
            semicolons between, and the number of samples.
        spent: seconds by thread. What a thread without stacks spent is the event loop's.
    """
    samples: dict[int, Counter[str]] = defaultdict(Counter)
    for line in raw.splitlines():
        stack, _, number = line.rpartition(" ")
        first, *frames = (each for each in stack.split(";") if not _PROCESS.match(each))
        thread = _THREAD.match(first)
        if thread is None:
            raise LoadError(f"py-spy names no thread in {line[:80]!r}")
        if not (frames and _WAITING.match(frames[-1])):
            samples[int(thread[1])][stage_of(frames)] += int(number)
    found = dict.fromkeys(STAGES, 0.0)
    for thread_id, seconds in spent.items():
        mine = samples.get(thread_id) or Counter({LOOP: 1})
        for stage, number_of in mine.items():
            found[stage] += seconds * number_of / mine.total()
    return found
