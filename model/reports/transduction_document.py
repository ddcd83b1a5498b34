"""Put a measurement of transduction into docs/transduction.md between its markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.reports import tables
from model.reports.document import place
from model.reports.figures import Figures
from model.reports.transduction import MIXES

BEGIN = "<!-- transduction: written by scripts/transduction.py -->"
END = "<!-- end of transduction -->"
_METRICS = {"auroc": "AUROC", "accuracy": "Accuracy", "log_loss": "Log loss (less is better)"}
# So few pictures have an order, but hardly one to measure.
_FEWEST_RANKED = 10
_METHODS = {
    "tuned": "tuned, less inductive",
    "prototypes": "prototypes alone, boldly",
    "share": "share alone, boldly",
}


def write(path: Path, result: Figures) -> None:
    """Insert into the file, or begin it.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    place(path, "Transduction over the waiting batch", fragment(result), BEGIN, END)


def fragment(result: Figures) -> str:
    """Provenance, what was tuned, and a table for each mix and metric."""
    parts = [tables.provenance(result["about"]), _tuned(result)]
    for mix in MIXES:
        entries = [e for e in result["conditions"] if e["mix"] == mix.name]
        if not entries:
            continue
        parts.append(f"### {mix.title}")
        for metric, title in _METRICS.items():
            if metric == "auroc" and mix.placeholders + mix.real < _FEWEST_RANKED:
                continue
            if found := _table(entries, metric):
                parts.append(f"{title}:\n\n{found}")
    return "\n\n".join(parts)


def _tuned(result: Figures) -> str:
    tuned, tried = result["tuned"], result["tried"]
    least = min(tried.values())
    inductive = next(iter(tried.values()))
    return (
        f"Tuned on {result['tuning_tasks']:,} tasks of the training split (pictures that the "
        f"encoder was not fitted to, where there are enough): weight {tuned['weight']:g}, doubt "
        f"{tuned['doubt']:g}, base rate {tuned['base_rate']:g}, with a mean log loss of "
        f"{least:.4f} there, the inductive answer {inductive:.4f}; the best of {len(tried)} "
        "choices. Means over tasks with 95 % intervals; differences to the inductive answer are "
        "paired, and bold where the interval excludes zero."
    )


def _table(entries: Sequence[Figures], metric: str) -> str:
    # The share moves all answers of a batch alike: their order stays.
    methods = [name for name in _METHODS if (metric, name) != ("auroc", "share")]
    rows = [
        [
            f"{e['sort']}, {e['shots']} of each",
            f"{e['tasks']:,}",
            tables.with_half(e["methods"]["inductive"][metric]),
            *(tables.difference(e["differences"][name][metric]) for name in methods),
        ]
        for e in entries
        if metric in e["methods"]["inductive"]
    ]
    header = ["tasks, shots", "tasks", "inductive", *(_METHODS[name] for name in methods)]
    return tables.table(header, rows) if rows else ""
