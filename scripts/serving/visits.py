"""One visit: a server is started, put through its loads between two bare loops, and ended."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.reports.serving.figures import LOOPS

from . import stages
from .bare import Bare
from .bodies import Picture, write_requests
from .processes import Server, exchange
from .systems import Starter, System
from .wrk import Requests, load

Figures = dict[str, Any]


@dataclass(frozen=True)
class Profile:
    """How much is measured.

    Attributes:
        clients: in closed loops, of what is compared first.
        few: of everything else.
        batches: of requests with many pictures.
        seconds: of a load, twice that from 256 clients on, and four times that of requests with
            many pictures, of which else a few dozen would be counted.
        shares: of the capacity, for arrivals at a fixed rate; none where empty.
        times: the capacity at overload; 0 for none.
        crowd: connections then: so many requests may wait at the same time.
        stages: seconds of recorded stacks; 0 for none.
        others: whether Standin is sent all sorts of requests, or only the first two.
    """

    rounds: int
    clients: Sequence[int]
    few: Sequence[int]
    batches: Sequence[int]
    seconds: float
    bare_seconds: float
    shares: Sequence[float]
    times: float
    crowd: int
    overload_rounds: int
    stages: float
    others: bool = True


FULL = Profile(3, (1, 4, 16, 64, 256), (16, 64), (4,), 2.5, 1.5, (0.5, 0.8), 4.0, 1024, 2, 8.0)
SHORT = replace(FULL, rounds=2, clients=(1, 16, 64), shares=(), overload_rounds=1)
QUICK = Profile(1, (2,), (2,), (2,), 1.0, 0.5, (0.5,), 4.0, 64, 1, 1.0, others=False)


@dataclass(frozen=True)
class Visit:
    """A system's turn in a round: ``kind`` is closed, overload or stages."""

    round: int
    kind: str
    system: System

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.round}-{self.kind}-{self.system.name}"


def plan(profile: Profile, systems: Sequence[System]) -> Iterator[Visit]:
    """All visits in their order: round after round, the systems in turn."""
    for number in range(1, profile.rounds + 1):
        for system in systems:
            yield Visit(number, "closed", system)
        if profile.times and number <= profile.overload_rounds:
            for system in systems:
                if system.main:
                    yield Visit(number, "overload", system)
    for system in systems:
        if not system.needs and profile.stages:
            yield Visit(1, "stages", system)


class Measuring:
    """Makes visits and keeps what they found, a file each, so that a later start goes on.

    Args:
        work: folder of the files.
        deadline: seconds; told to the servers at overload.
    """

    def __init__(
        self,
        profile: Profile,
        starter: Starter,
        bare: Bare,
        pictures: Sequence[Picture],
        work: Path,
        deadline: float,
    ) -> None:
        self._profile = profile
        self._starter = starter
        self._bare = bare
        self._pictures = pictures
        self._work = work
        self._deadline = deadline
        self._last_bare: tuple[float, dict[str, float]] | None = None

    def known(self, visit: Visit) -> Figures | None:
        """What an earlier start found."""
        path = self._work / f"{visit.name}.json"
        found: Figures | None = json.loads(path.read_text()) if path.exists() else None
        return found

    def make(self, visit: Visit) -> Figures:
        """Measure, and keep.

        Raises:
            ServerError, LoadError: nothing is kept.
        """
        first = self._requests(visit.system, "one")
        begin = (first.folder / "0").read_bytes()
        deadline = self._deadline if visit.kind == "overload" else None
        before = self._bare_now()
        with self._starter.running(visit.system, begin, deadline) as (server, start):
            if visit.kind == "closed":
                cells = list(self._closed(visit.system, server))
            elif visit.kind == "overload":
                cells = [self._overload(visit, server)]
            else:
                cells = [self._stages(visit.system, server)]
            memory = server.memory_mib()
        after = self._bare_now()
        found = {
            "system": visit.system.name,
            "round": visit.round,
            "kind": visit.kind,
            "start_s": round(start, 2),
            "memory_mib": round(memory),
            "bare": {name: [before[name], after[name]] for name in LOOPS},
            "cells": cells,
        }
        path = self._work / f"{visit.name}.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found))
        os.replace(partial, path)
        return found

    def _closed(self, system: System, server: Server) -> Iterator[Figures]:
        profile = self._profile
        best = 0.0
        for name, sent in system.sent.items():
            if name != "one" and not (profile.others or name == "new"):
                continue
            if sent.each > 1:
                levels = profile.batches
            else:
                levels = profile.clients if name == "one" and system.main else profile.few
            for clients in levels:
                cell = self._cell(server, system, name, clients)
                if name == "one":
                    best = max(best, cell["pictures"])
                yield cell
        for share in profile.shares if system.main and best else ():
            cell = self._cell(server, system, "one", 256, rate=share * best)
            yield cell | {"mode": "open", "share": share}

    def _overload(self, visit: Visit, server: Server) -> Figures:
        closed = self.known(replace(visit, kind="closed"))
        assert closed is not None  # the plan has it before
        capacity = max(
            cell["pictures"]
            for cell in closed["cells"]
            if cell["mode"] == "closed" and cell["requests"] == "one"
        )
        times = self._profile.times
        cell = self._cell(
            server,
            visit.system,
            "one",
            self._profile.crowd,
            rate=times * capacity,
            limit=self._deadline,
        )
        return cell | {"mode": "overload", "times": times, "deadline_s": self._deadline}

    def _stages(self, system: System, server: Server) -> Figures:
        clients = min(16, max(self._profile.clients))
        cell = self._cell(server, system, "one", clients) | {"mode": "stages"}
        requests = self._requests(system, "one")
        seconds = self._profile.stages
        recording: list[stages.Recording] = []

        def during() -> None:
            # At the beginning it starts, at the end it has been read already.
            if not recording:
                recording.append(stages.Recording(server.process.pid, seconds, self._work))

        load(
            server.port,
            requests,
            clients,
            2 * seconds + 2,
            work=self._work,
            during=during,
        )
        return cell | {"stage_s": recording[0].seconds()}

    def _cell(
        self,
        server: Server,
        system: System,
        name: str,
        clients: int,
        *,
        rate: float = 0.0,
        limit: float | None = None,
    ) -> Figures:
        requests = self._requests(system, name)
        # Closed loops of hundreds of clients need a while until each has had an answer.
        slowly = 2 if limit is not None or (clients >= 256 and not rate) else 1
        if requests.each > 1:
            slowly = 4
        spent: list[float] = []
        asked: list[tuple[float, float]] = []

        def during() -> None:
            spent.append(server.cpu())
            if not system.needs:
                asked.append(_asked(server.port))

        spell = load(
            server.port,
            requests,
            clients,
            self._profile.seconds * slowly,
            warm=min(1.0, self._profile.seconds) * min(2, slowly),
            rate=rate / requests.each,
            # What is late has its chance to come.
            grace=0.0 if limit is None else limit + 0.5,
            limit=limit,
            work=self._work,
            during=during,
        )
        done = spell.pictures * spell.seconds
        encoded = None
        if asked and asked[1][0] > asked[0][0]:
            encoded = round((asked[1][1] - asked[0][1]) / (asked[1][0] - asked[0][0]), 3)
        return {
            "mode": "closed",
            "requests": name,
            "wanted_rate": round(rate, 2),
            "cpu_ms": round((spent[1] - spent[0]) * 1000 / done, 2) if done else None,
            "cores_busy": round((spent[1] - spent[0]) / spell.seconds, 2),
            "encoded": encoded,
            **asdict(spell),
        }

    def _requests(self, system: System, name: str) -> Requests:
        sent = system.sent[name]
        whole = len(self._pictures)
        count = whole if sent.each == 1 else max(8, whole // sent.each)
        folder = self._work / "requests" / f"{system.name}-{name}"
        if not (folder / str(count - 1)).exists():
            write_requests(folder, self._pictures, sent.write(), sent.each, count)
        return Requests(folder, count, sent.each)

    def _bare_now(self) -> dict[str, float]:
        """The bare loops; what the visit before found at its end will do, if that was just now."""
        if self._last_bare is not None and time.monotonic() - self._last_bare[0] < 5:
            return self._last_bare[1]
        found = {
            name: round(self._bare.rate(name, self._profile.bare_seconds), 2) for name in LOOPS
        }
        self._last_bare = time.monotonic(), found
        return found


def _asked(port: int) -> tuple[float, float]:
    """Pictures that Standin has looked at so far, and those of them that its encoder has seen."""
    said = exchange(port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").decode()
    found = {
        name: float(number)
        for name, number in re.findall(
            r'^standin_expert_pictures_total\{expert="(\w+)"\} (\S+)', said, re.M
        )
    }
    return found.get("statistics", 0.0), found.get("visual", 0.0)


def so_far(work: Path, visits: Mapping[str, Visit]) -> list[Figures]:
    """What is kept of these visits."""
    paths = [work / f"{name}.json" for name in visits]
    return [json.loads(path.read_text()) for path in paths if path.exists()]
