"""Put the reader's figures into docs/reader.md between its markers, with their picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from model.reports import svg
from model.reports.document import place
from model.reports.tables import table

BEGIN = "<!-- reader: written by scripts/train_reader.py -->"
END = "<!-- end of reader -->"
_GROUPS = {
    "seen": "phrases that were trained on",
    "phrase": "phrases kept out",
    "language": "languages kept out",
    "script": "scripts kept out",
}
_METRICS = {"auroc": "AUROC", "recall at 1 %": "recall at 1 %", "recall at 0.1 %": "at 0.1 %"}


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Insert tables and the address of the picture, which is drawn into ``images`` beside.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "images").mkdir(exist_ok=True)
    plot(path.parent / "images" / "reader-groups.svg", result)
    place(path, "The reader of words", fragment(result), BEGIN, END)


def fragment(result: Mapping[str, Any]) -> str:
    """Every table, with 95 % intervals in brackets."""
    drawn = {
        name: result["drawn"][group] for group, name in _GROUPS.items() if group in result["drawn"]
    }
    parts = [
        f"Weights SHA-256 `{result['sha256'][:16]}…`; {result['milliseconds']['median']} ms of CPU "
        f"time a picture (best {result['milliseconds']['best']}), one thread.",
        "### Drawn notices against drawn ordinary words",
        _ranking("words", drawn),
        "![AUROC by script, for phrases, languages and scripts kept out](images/reader-groups.svg)",
    ]
    real = result.get("real")
    if real:
        rankings = {name: found for name, found in real.items() if "auroc" in found}
        parts += ["### Real pictures of shops that nothing was trained on", _ranking("", rankings)]
        rows = [
            [name, _with(real["abstains"][name]), _with(real["called at 0"][name])]
            for name in real["abstains"]
        ]
        parts.append(table(["", "reader abstains", "called a notice (logit at least 0)"], rows))
        spoken = real["called at 0 by language"]
        parts.append(
            "Called, of the lettered stand-ins of each language: "
            + ", ".join(f"{lang} {hits} of {n}" for lang, (hits, n) in spoken.items())
            + "."
        )
    peer = result.get("peer")
    if peer:
        ratio = peer["word list, milliseconds"] / peer["reader, milliseconds"]
        parts += [
            "### Beside the OCR word list, on the same sample",
            _ranking(
                "",
                {
                    f"{name} ({peer[f'{name}, milliseconds']} ms)": peer[name]
                    for name in ("reader", "word list")
                },
            ),
            f"The word list takes {ratio:.0f} times the CPU time.",
        ]
    return "\n\n".join(parts)


def _ranking(title: str, found: Mapping[str, Any]) -> str:
    rows = [
        [name, str(figures["notices"]), str(figures["ordinary"])]
        + [_with(figures[metric]) if metric in figures else "" for metric in _METRICS]
        for name, figures in found.items()
    ]
    return table([title, "notices", "others", *_METRICS.values()], rows)


def _with(values: list[float]) -> str:
    return f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})"


def plot(path: Path, result: Mapping[str, Any]) -> None:
    """AUROC of every script that was drawn often enough, one column of points a group."""
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    drawn = {
        group: result["drawn"][group]["scripts"] for group in _GROUPS if group in result["drawn"]
    }
    scripts = sorted({script for found in drawn.values() for script in found}, reverse=True)
    with svg.styled():
        figure = Figure(figsize=(7, 1.2 + 0.22 * len(scripts)))
        axes = figure.add_subplot()
        for shift, (group, found) in enumerate(drawn.items()):
            rows = [script for script in scripts if script in found]
            values = [found[script]["auroc"] for script in rows]
            axes.errorbar(
                [value[0] for value in values],
                [scripts.index(script) + 0.18 * (1.5 - shift) for script in rows],
                xerr=[[v[0] - v[1] for v in values], [v[2] - v[0] for v in values]],
                fmt="o",
                markersize=3,
                linewidth=1,
                color=colours[shift],
                label=_GROUPS[group],
            )
        axes.axvline(0.5, color="grey", linewidth=1)
        axes.set_yticks(range(len(scripts)), scripts)
        axes.set_xlabel("AUROC, notices against ordinary words of the script")
        axes.set_xlim(0, 1.01)
        axes.legend(loc="lower left", fontsize=8)
        svg.save(figure, path)


__all__ = ["BEGIN", "END", "fragment", "plot", "write"]
