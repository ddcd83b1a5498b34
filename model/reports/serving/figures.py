"""From visits to figures: ratios to the bare loop of the same minute, their median and range."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from model.reports.figures import Figures

OURS = "standin"
LOOPS = ("ours", "pillow", "single")
"""Bare loops: our decoding and Pillow's with the service's network, and Pillow's with the network
in single precision."""
_TIMES = ("p50_ms", "p95_ms", "p99_ms")


def spread(values: Iterable[float]) -> Figures:
    """Median and range, under the names that tables of intervals know."""
    held = sorted(values)
    return {"estimate": statistics.median(held), "low": held[0], "high": held[-1]}


def ratio(visit: Figures, cell: Figures, loop: str) -> float:
    """Pictures a second of one load, over those of the bare loops before and after the visit."""
    return float(cell["pictures"] / statistics.mean(visit["bare"][loop]))


def summarise(visits: Sequence[Figures]) -> Figures:
    """All loads, over the rounds that they were measured in."""
    return {
        "bare": {
            name: spread(rate for visit in visits for rate in visit["bare"][name]) for name in LOOPS
        },
        "systems": _systems(visits),
        "closed": _loads(visits, "closed", lambda cell: (cell["requests"], cell["clients"])),
        "open": _loads(visits, "open", lambda cell: (cell["requests"], cell["share"])),
        "overload": _loads(visits, "overload", lambda cell: (cell["requests"],)),
        "stages": _stages(visits),
    }


def _systems(visits: Sequence[Figures]) -> Figures:
    found: dict[str, list[Figures]] = defaultdict(list)
    for visit in visits:
        if visit["kind"] == "closed":
            found[visit["system"]].append(visit)
    return {
        name: {
            "start_s": spread(visit["start_s"] for visit in mine),
            "memory_mib": spread(visit["memory_mib"] for visit in mine),
        }
        for name, mine in found.items()
    }


def _loads(
    visits: Sequence[Figures], mode: str, key: Callable[[Figures], tuple[Any, ...]]
) -> list[Figures]:
    found: dict[tuple[Any, ...], list[tuple[Figures, Figures]]] = defaultdict(list)
    for visit in visits:
        for cell in visit["cells"]:
            if cell["mode"] == mode:
                found[visit["system"], *key(cell)].append((visit, cell))
    return [_load(pairs) for pairs in found.values()]


def _load(pairs: Sequence[tuple[Figures, Figures]]) -> Figures:
    cells = [cell for _, cell in pairs]
    statuses: Counter[str] = Counter()
    for cell in cells:
        statuses.update(cell["statuses"])
    first = cells[0]
    kept = ("mode", "requests", "clients", "share", "times", "deadline_s")
    return {
        "system": pairs[0][0]["system"],
        **{name: first[name] for name in kept if name in first},
        "rounds": {
            str(visit["round"]): {name: ratio(visit, cell, name) for name in LOOPS}
            for visit, cell in pairs
        },
        "ratio": {name: spread(ratio(v, c, name) for v, c in pairs) for name in LOOPS},
        "pictures": spread(cell["pictures"] for cell in cells),
        "wanted_rate": spread(cell["wanted_rate"] for cell in cells),
        "offered": spread(cell["offered"] for cell in cells),
        "in_time": _spread_of_known(cell["in_time"] for cell in cells),
        **{name: _spread_of_known(cell[name] for cell in cells) for name in _TIMES},
        "cpu_ms": _spread_of_known(cell["cpu_ms"] for cell in cells),
        "encoded": _spread_of_known(cell["encoded"] for cell in cells),
        "cores_busy": spread(cell["cores_busy"] for cell in cells),
        "statuses": dict(sorted(statuses.items())),
        "oldest_unanswered_ms": max(cell["oldest_unanswered_ms"] for cell in cells),
        "skipped": sum(cell["skipped"] for cell in cells),
    }


def _spread_of_known(values: Iterable[float | None]) -> Figures | None:
    known = [value for value in values if value is not None]
    return spread(known) if known else None


def _stages(visits: Sequence[Figures]) -> Figures | None:
    for visit in visits:
        for cell in visit["cells"]:
            if cell["mode"] == "stages" and cell["cpu_ms"]:
                total = sum(cell["stage_s"].values())
                return {
                    "clients": cell["clients"],
                    "cpu_ms": cell["cpu_ms"],
                    "share": {name: spent / total for name, spent in cell["stage_s"].items()},
                }
    return None


def find(loads: Sequence[Figures], system: str, requests: str = "one", **more: Any) -> Figures:
    """One load of the list; empty where it was not measured."""
    for load in loads:
        if (load["system"], load["requests"]) == (system, requests) and all(
            load.get(name) == value for name, value in more.items()
        ):
            return load
    return {}


def times(ours: Figures, theirs: Figures) -> Figures | None:
    """How many times as fast one load is as another, each by the bare loop beside it."""
    shared = [number for number in ours.get("rounds", {}) if number in theirs.get("rounds", {})]
    if not shared:
        return None
    return spread(
        ours["rounds"][number]["ours"] / theirs["rounds"][number]["ours"] for number in shared
    )


def bars(summary: Mapping[str, Any]) -> list[Figures]:
    """What this service promises, and what was found: of each its words, bar, figure, whether met.

    A bar on throughput is on the median over the rounds, at the number of clients (16 or more)
    where it is lowest.
    """
    closed = summary["closed"]
    found: list[Figures] = []

    def add(words: str, bar: float, figures: Sequence[Figures | None], *, most: bool) -> None:
        known = [figure for figure in figures if figure is not None]
        if known:
            pick = max if most else min
            worst = pick(known, key=lambda figure: float(figure["estimate"]))
            met = worst["estimate"] <= bar if most else worst["estimate"] >= bar
            found.append(
                {"words": words, "bar": bar, "most": most, "figure": worst, "met": bool(met)}
            )

    crowds = sorted({c["clients"] for c in closed if c["clients"] >= 16 and c["requests"] == "one"})
    ours = {clients: find(closed, OURS, clients=clients) for clients in crowds}
    for loop, words in (
        ("ours", "pictures/s over the bare loop's, 16 clients and more"),
        ("single", "the same over Pillow's reduced decoding and single precision"),
    ):
        add(
            words,
            0.95,
            [load["ratio"][loop] if load else None for load in ours.values()],
            most=False,
        )
    for system, bar, words in (
        ("litserve", 2.0, "pictures/s over LitServe's with our engine"),
        ("litserve-decoding", 1.2, "pictures/s over LitServe's with our engine and decoding"),
    ):
        add(
            words,
            bar,
            [times(load, find(closed, system, clients=c)) for c, load in ours.items() if load],
            most=False,
        )
    overload = find(summary["overload"], OURS)
    if overload and overload["p99_ms"]:
        add(
            "p99 of the accepted at overload, milliseconds",
            overload["deadline_s"] * 1000,
            [overload["p99_ms"]],
            most=True,
        )
    mixed = find(closed, OURS, "mixed")
    alike = find(closed, OURS, "alike", clients=mixed.get("clients"))
    add(
        "time of a request over 100 categories over one of one of them",
        1.05,
        [times(alike, mixed)],
        most=True,
    )
    if summary["stages"]:
        share = summary["stages"]["share"]
        rest = 1 - share["decode"] - share["encode"]
        add(
            "share of processor time that is neither decoding nor encoding",
            0.05,
            [spread([rest])],
            most=True,
        )
    return found
