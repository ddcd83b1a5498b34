"""Put a measurement of ways to decode into docs/decoding.md between its markers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from model.reports import tables
from model.reports.document import place
from model.reports.figures import Figures

BEGIN = "<!-- decoding: written by scripts/bench_decoding.py -->"
END = "<!-- end of decoding -->"
_FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP"}


def write(path: Path, result: Figures, plots: dict[str, str]) -> None:
    """Insert into the file, or begin it.

    Args:
        plots: address of each picture, relative to the document, by name.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    place(path, "Ways to decode", fragment(result, plots), BEGIN, END)


def fragment(result: Figures, plots: dict[str, str]) -> str:
    """Provenance, the files, the plot, and tables for each format."""
    parts = [tables.provenance(result["about"])]
    parts += [f"{line[0].upper()}{line[1:]}." for line in result["skipped"]]
    parts.append(f"Pictures, and kilobytes of one in the mean:\n\n{_files(result)}")
    if "" in plots:
        parts.append(
            f"![Speed and drift of JPEGs by size; no point where nothing drifts]({plots['']})"
        )
    for name, title in _FORMATS.items():
        cells = [cell for cell in result["cells"] if cell["format"] == name]
        if not cells:
            continue
        parts.append(f"### {title}")
        for text, show in _TABLES.items():
            parts.append(f"{text}:\n\n{_table(result, cells, show)}")
    if result["formats"]:
        parts.append(_between(result["formats"]))
    return "\n\n".join(parts)


def size(megapixels: float | None) -> str:
    """A column's name."""
    return "as they are" if megapixels is None else f"{megapixels:g} MP"


def _milliseconds(ms: float) -> str:
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def _speed(way: Figures) -> str:
    return f"{_milliseconds(way['ms'])} ({way['ratio']['estimate']:.2f}×)"


def _cosine(way: Figures) -> str:
    other = 1 - way["same_neighbour"]
    moved = f", {other:.0%} other".replace("%", " %") if other else ""
    return f"{way['cosine']['mean']:.4f} / {way['cosine']['min']:.4f}{moved}"


def _probability(way: Figures) -> str:
    crossed = f", {way['crossed']:.0%} cross".replace("%", " %") if way["crossed"] else ""
    return f"{way['probability']['mean']:.4f} / {way['probability']['max']:.3f}{crossed}"


_TABLES: dict[str, Callable[[Figures], str]] = {
    "CPU milliseconds a picture (times as fast as the reference in the same round)": _speed,
    "Cosine of the embedding to the reference's, mean / least; *other*: pictures whose nearest "
    "neighbour among the others became another": _cosine,
    "Change of the zero-shot probability from the reference's, mean / greatest; *cross*: pictures "
    "on the other side of 0.5": _probability,
}


def _table(result: Figures, cells: list[Figures], show: Callable[[Figures], str]) -> str:
    left_out = set() if show is _speed else {result["reference"]}  # it does not differ from itself
    header = ["way", *(size(cell["megapixels"]) for cell in cells)]
    rows = [
        [title, *(show(cell["ways"][name]) for cell in cells)]
        for name, title in result["titles"].items()
        if name not in left_out and all(name in cell["ways"] for cell in cells)
    ]
    return tables.table(header, rows)


def _files(result: Figures) -> str:
    sizes = list(dict.fromkeys(cell["megapixels"] for cell in result["cells"]))
    by = {(cell["format"], cell["megapixels"]): cell for cell in result["cells"]}
    rows = []
    for name, title in _FORMATS.items():
        cells = [by.get((name, each)) for each in sizes]
        if any(cells):
            shown = [f"{c['pictures']}: {c['kilobytes']:,.0f}" if c else "" for c in cells]
            rows.append([title, *shown])
    return tables.table(["format", *map(size, sizes)], rows)


def _between(formats: list[Figures]) -> str:
    rows = [[size(each["megapixels"]), _cosine(each), _probability(each)] for each in formats]
    header = ["size", "cosine, mean / least", "probability, mean / greatest"]
    return (
        "### What saving as JPEG does\n\nThe same pictures saved as PNG and as JPEG, both decoded "
        "by the reference: what a shop's own software changes before any picture arrives here.\n\n"
        + tables.table(header, rows)
    )
