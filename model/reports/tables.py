"""The Markdown of docs/benchmarks.md, from the figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from model.reports.figures import Figures

_ZERO_SHOT = (
    ("auroc", "AUROC"),
    ("average_precision", "average precision"),
    ("recall_at_0.01", "recall at 1 % false alarms"),
    ("recall_at_0.001", "recall at 0.1 %"),
    ("accuracy", "accuracy"),
)
_SETS = {
    "all": "All held-out stand-ins",
    "held_out_groups": "Only those of held-out groups",
    "validation": "Only those of the validation folders",
    "drawn": "Drawn ones of held-out families",
}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [
        "| " + " | ".join(header) + " |",
        "| --- |" + " ---: |" * (len(header) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def with_interval(figure: Figures, digits: int = 3) -> str:
    """``0.912 (0.901 to 0.923)``."""
    low, high = figure["low"], figure["high"]
    return f"{figure['estimate']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def with_half(figure: Figures, digits: int = 3) -> str:
    """``0.912 ± 0.011``, for symmetric intervals."""
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['estimate']:.{digits}f} ± {half:.{digits}f}"


def difference(figure: Figures, digits: int = 3) -> str:
    """``**+0.021** (+0.010 to +0.032)``, bold where the interval excludes zero."""
    sign = f"{figure['estimate']:+.{digits}f}"
    if figure["low"] > 0 or figure["high"] < 0:
        sign = f"**{sign}**"
    return f"{sign} ({figure['low']:+.{digits}f} to {figure['high']:+.{digits}f})"


def zero_shot_tables(result: Figures) -> str:
    """One table for each set of stand-ins, with the differences to the baseline."""
    parts: list[str] = []
    for name, title in _SETS.items():
        found = result["zero_shot"].get(name)
        if found is None:
            continue
        header = ["method", *(text for _, text in _ZERO_SHOT), "calibration error"]
        rows = [
            [
                result["methods"][method],
                *(with_interval(figures[key]) for key, _ in _ZERO_SHOT),
                f"{figures['calibration_error']:.3f}",
            ]
            for method, figures in found["methods"].items()
        ]
        rows += [
            [
                f"*{result['methods'][method]}, less the baseline*",
                *(difference(figures[key]) if key in figures else "" for key, _ in _ZERO_SHOT),
                "",
            ]
            for method, figures in found["differences"].items()
        ]
        counts = f"{found['standins']} stand-ins, {found['real']:,} real pictures"
        parts.append(f"**{title}** ({counts})\n\n{table(header, rows)}")
    return "\n\n".join(parts)


def breakdown_table(result: Figures, which: str, name: str = "all") -> str:
    """Share called a stand-in by kind (recall) or by hard tag (false alarms), ours and baseline.

    Args:
        which: "kinds" or "hardtags".
    """
    found = result["zero_shot"].get(name)
    if found is None:
        return ""
    methods = [_ours(result), result["baseline"]]
    columns = [("far_0.01", "at 1 %"), ("far_0.001", "at 0.1 %"), ("p_0.5", "p ≥ 0.5")]
    header = [
        {"kinds": "kind", "hardtags": "hard tag"}[which],
        "pictures",
        *(f"{label}: {text}" for label in ("ours", "baseline") for _, text in columns),
    ]
    names = found["methods"][methods[0]][which]
    rows = [
        [
            each,
            str(names[each]["p_0.5"]["n"]),
            *(
                with_interval(found["methods"][method][which][each][key], 2)
                for method in methods
                for key, _ in columns
            ),
        ]
        for each in names
    ]
    return table(header, rows) if rows else ""


def few_shot_table(result: Figures, pool: str, sort: str, metric: str) -> str:
    """One row for each number of shots, one column for each method."""
    rows = []
    methods = list(result["methods"])
    for entry in result["few_shot"]:
        if (entry["pool"], entry["sort"], entry["subject"]) != (pool, sort, None):
            continue
        ours = entry["differences"].get(_ours(result), {}).get(metric)
        rows.append(
            [
                shots_name(entry),
                f"{entry['episodes']:,}",
                *(with_half(entry["methods"][name][metric]) for name in methods),
                difference(ours) if ours else "",
            ]
        )
    header = ["shots", "tasks", *(result["methods"][m] for m in methods), "ours less the baseline"]
    return table(header, rows) if rows else ""


def looks_table(result: Figures, pool: str, metric: str = "auroc") -> str:
    """Turning tasks by look: ours, and the baseline's beneath."""
    looks = sorted({e["subject"] for e in result["few_shot"] if e["subject"] and e["pool"] == pool})
    rows = []
    for method in (_ours(result), result["baseline"]):
        for shots in _shots_of(result, pool):
            cells = [_cell(result, pool, look, shots, method, metric) for look in looks]
            if any(cells):
                rows.append([f"{result['methods'][method]}, {_shots_text(*shots)}", *cells])
    return table(["method, shots", *looks], rows) if rows else ""


def _cell(
    result: Figures, pool: str, look: str, shots: tuple[int, int], method: str, metric: str
) -> str:
    for e in result["few_shot"]:
        if (e["pool"], e["subject"], e["placeholder"], e["real"]) == (pool, look, *shots):
            return with_half(e["methods"][method][metric])
    return ""


def _shots_of(result: Figures, pool: str) -> list[tuple[int, int]]:
    seen = {
        (e["placeholder"], e["real"]): None
        for e in result["few_shot"]
        if e["pool"] == pool and e["subject"]
    }
    return list(seen)


def shots_name(entry: Figures) -> str:
    """``5`` for five of each, ``3 stand-ins, 0 real`` for anything uneven."""
    return _shots_text(entry["placeholder"], entry["real"])


def _shots_text(placeholder: int, real: int) -> str:
    if placeholder == real:
        return f"{real} of each"
    return f"{placeholder} stand-ins, {real} real"


def calibration_table(result: Figures) -> str:
    """Calibration error and log loss in tasks, and recall at one threshold for all tasks."""
    rows = []
    methods = [_ours(result), result["baseline"]]
    for entry in result["few_shot"]:
        if entry["subject"] or entry["pool"] != "real":
            continue
        if entry["placeholder"] != entry["real"]:
            continue
        rows.append(
            [
                f"{entry['sort']}, {shots_name(entry)}",
                *(
                    with_half(entry["methods"][m][key])
                    for key in (
                        "calibration_error",
                        "log_loss",
                        "recall_at_0.01",
                        "recall_at_0.001",
                    )
                    for m in methods
                ),
            ]
        )
    header = [
        "tasks",
        *(
            f"{text}: {who}"
            for text in ("calibration error", "log loss", "recall at 1 %", "recall at 0.1 %")
            for who in ("ours", "baseline")
        ),
    ]
    return table(header, rows) if rows else ""


def _ours(result: Figures) -> str:
    methods: dict[str, str] = result["methods"]
    return next(iter(methods))


def provenance(about: dict[str, Any]) -> str:
    """Command, date, versions and machine."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"```sh\n{about['command']}\n```\n\n"
        f"{about['date']}, {about['machine']}, {versions}; weights `{about['weights']}` "
        f"(SHA-256 `{about['weights_sha256'][:16]}…`). "
        f"All figures: [{about['results']}]({about['results']})."
    )
