"""Put a measurement of serving into docs/serving.md between its markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from model.reports import tables
from model.reports.document import place
from model.reports.figures import Figures

BEGIN = "<!-- serving: written by scripts/bench_serving.py -->"
END = "<!-- end of serving -->"
_STAGES = {
    "parse": "reading multipart",
    "hash": "SHA-256",
    "decode": "decoding and resizing",
    "look": "statistics and perceptual hash",
    "encode": "the encoder's passes",
    "experts": "the other experts, the policy and the combination",
    "store": "the database",
    "respond": "writing the answer",
    "hand over": "threads that wake each other",
    "loop": "the event loop: sockets, HTTP's framing, routing",
}


def write(path: Path, result: Figures, plots: Mapping[str, str]) -> None:
    """Insert into the file, or begin it.

    Args:
        plots: address of each picture, relative to the document, by name.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    place(path, "Serving", fragment(result, plots), BEGIN, END)


def fragment(result: Figures, plots: Mapping[str, str]) -> str:
    """Everything between the markers: ratios first."""
    loads = result["figures"]
    parts = [
        tables.provenance(result["about"]),
        _conditions(result),
        *(f"{line[0].upper()}{line[1:]}." for line in result["skipped"]),
        "### Against the bar",
        _bars(result["bars"]),
        "### Against the bare loop",
        "Pictures a second over those of the bare loop with our decoding, measured before and "
        "after in the same minute; median of the rounds, and their range.",
        _ratios(result, "ours"),
        _picture(plots, "ratio", "Throughput over the bare loop's by clients"),
        "The same over the bare loop with Pillow's reduced decoding:",
        _ratios(result, "pillow"),
        "And over the bare loop with Pillow's reduced decoding and the network in single "
        "precision, as ONNX Runtime runs it without further ado:",
        _ratios(result, "single"),
        "### Pictures a second and milliseconds",
        "Each figure is the median over the rounds. A closed loop: each client sends its next "
        "request when it has the answer to the last. Standin's policy asks the encoder where that "
        "is worth it; *encoded* is its share of the pictures. The others encode all.",
        _closed(result),
        _picture(plots, "p99", "99th percentile of the answers' times by clients"),
    ]
    if loads["open"]:
        parts += [
            "### Arrivals at a fixed rate",
            "Requests come at even intervals, whether the earlier ones are answered or not, at a "
            "share of what the same system reached before in the closed loop; times count from "
            "when a request was due.",
            _open(result),
        ]
    if loads["overload"]:
        first = loads["overload"][0]
        parts += [
            "### Overload",
            f"Requests come at {first['times']:g} times of what the same system reached, over "
            f"{first['clients']:,} connections. Each system that has a limit on a request's time "
            f"is told {first['deadline_s']:g} s; what is later is not in time. "
            "Times are of all answers with status 200. Where a system keeps every connection "
            "waiting, fewer are sent than asked for.",
            _overload(result),
            _picture(plots, "overload", "What becomes of requests at overload"),
        ]
    if loads["stages"]:
        parts += ["### Where the processor time goes", _stages(loads["stages"])]
        if "flame" in plots:
            parts.append(f"Flame graph (py-spy): [{plots['flame']}]({plots['flame']}).")
    parts += ["### Start and memory", _systems(result)]
    return "\n\n".join(part for part in parts if part)


def _conditions(result: Figures) -> str:
    about, bare = result["about"], result["figures"]["bare"]
    return (
        f"Rounds: {result['rounds']}; in each, the systems in turn, {about['seconds']:g} s a load "
        f"after a warm-up. {about['pictures']} JPEGs of {about['categories']} categories, one in "
        f"eight a stand-in, of {about['megapixels']} megapixels and "
        f"{about['kilobytes']:.0f} kB on average, each request with bytes that never came before. "
        f"{about['generator']} sends them from the same {about['cores']} cores, and other work "
        "there moves all figures: compare within a table. The bare loop (a process for each core "
        "that reads a file, decodes, encodes and forgets) makes "
        f"{tables.with_interval(bare['ours'], 1)} pictures/s with our decoding and "
        f"{tables.with_interval(bare['pillow'], 1)} with Pillow's. The network runs in "
        f"{about['precision']} everywhere, but for eager torch; in single precision the bare loop "
        f"makes {tables.with_interval(bare['single'], 1)} with Pillow's. " + _peers(about["peers"])
    )


def _peers(versions: Mapping[str, str]) -> str:
    if not versions:
        return ""
    return (
        "The peers have " + ", ".join(f"{name} {found}" for name, found in versions.items()) + "."
    )


def _bars(bars: Sequence[Figures]) -> str:
    rows = [
        [
            bar["words"],
            f"{'at most' if bar['most'] else 'at least'} {bar['bar']:g}",
            tables.with_interval(bar["figure"], 0 if bar["bar"] > 100 else 2),
            "yes" if bar["met"] else "**no**",
        ]
        for bar in bars
    ]
    return tables.table(["promise", "bar", "found", "met"], rows)


def title(result: Figures, load: Figures) -> str:
    """Of a system and what it was sent."""
    return str(result["titles"][load["system"]][load["requests"]])


def _ratios(result: Figures, loop: str) -> str:
    loads = [
        load for load in result["figures"]["closed"] if load["requests"] not in ("mixed", "alike")
    ]
    levels = sorted({load["clients"] for load in loads})
    rows: dict[str, dict[int, str]] = {}
    for load in loads:
        cells = rows.setdefault(title(result, load), {})
        cells[load["clients"]] = tables.with_interval(load["ratio"][loop], 2)
    header = ["clients", *map(str, levels)]
    return tables.table(
        header, [[name, *(c.get(n, "") for n in levels)] for name, c in rows.items()]
    )


def _number(figure: Figures | None, digits: int = 0) -> str:
    return "" if figure is None else f"{figure['estimate']:.{digits}f}"


def _closed(result: Figures) -> str:
    rows = [
        [
            title(result, load),
            str(load["clients"]),
            _number(load["pictures"], 1),
            *(_number(load[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
            _number(load["cpu_ms"], 1),
            _number(load["cores_busy"], 2),
            "" if load["encoded"] is None else f"{load['encoded']['estimate']:.0%}",
            _refused(load),
        ]
        for load in result["figures"]["closed"]
    ]
    header = ["system", "clients", "pictures/s", "p50 ms", "p95 ms", "p99 ms"]
    return tables.table([*header, "CPU ms a picture", "cores busy", "encoded", "not 200"], rows)


def _refused(load: Figures) -> str:
    others = {status: n for status, n in load["statuses"].items() if status != "200"}
    return ", ".join(f"{n:,} × {_status(status)}" for status, n in others.items())


def _status(status: str) -> str:
    words = {"0": "broken", "none": "no answer", "299": "200 with an error"}
    return words.get(status, status)


def _open(result: Figures) -> str:
    rows = [
        [
            title(result, load),
            f"{load['share']:g}",
            _number(load["offered"], 1),
            *(_number(load[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
            _refused(load),
        ]
        for load in result["figures"]["open"]
    ]
    header = ["system", "of capacity", "requests/s", "p50 ms", "p95 ms", "p99 ms", "not 200"]
    return tables.table(header, rows)


def _overload(result: Figures) -> str:
    rows = []
    for load in result["figures"]["overload"]:
        limit = load["deadline_s"] * 1000
        late = load["p99_ms"] is None or load["p99_ms"]["estimate"] > limit
        rows.append(
            [
                title(result, load),
                _number(load["wanted_rate"], 1),
                _number(load["offered"], 1),
                _number(load["in_time"], 1),
                *(_number(load[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
                "**no**" if late else "yes",
                _refused(load),
            ]
        )
    header = ["system", "asked/s", "sent/s", "200 in time/s", "p50 ms", "p95 ms", "p99 ms"]
    return tables.table([*header, "p99 within the deadline", "not 200"], rows)


def _stages(stages: Figures) -> str:
    rows = [
        [_STAGES.get(name, name), f"{share * stages['cpu_ms']:.2f}", f"{share:.1%}"]
        for name, share in stages["share"].items()
    ]
    rows.append(["all", f"{stages['cpu_ms']:.2f}", ""])
    return (
        f"Standin, {stages['clients']} clients, categories with 10 examples. The kernel's figure "
        "for each thread, shared among the stages by its stacks (py-spy); milliseconds are those "
        "shares of what a picture took without py-spy.\n\n"
        + tables.table(["stage", "CPU ms a picture", "share"], rows)
    )


def _systems(result: Figures) -> str:
    rows = [
        [
            result["titles"][name][""],
            tables.with_interval(found["start_s"], 1),
            f"{found['memory_mib']['high']:.0f}",
        ]
        for name, found in result["figures"]["systems"].items()
    ]
    header = ["system", "s from start to the first answer", "MiB after all loads (PSS)"]
    return tables.table(header, rows)


def _picture(plots: Mapping[str, str], name: str, text: str) -> str:
    return f"![{text}]({plots[name]})" if name in plots else ""
