"""The Markdown tables of docs/learners.md, from the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

from model.reports.figures import Figures
from model.reports.tables import difference, table, with_half

SORTS = {"ordinary": "ordinary tasks", "turning": "tasks that turn around"}
_COLUMNS = (
    ("accuracy", "accuracy"),
    ("auroc", "AUROC"),
    ("recall", "recall at 0.1 % false alarms"),
    ("calibration_error", "calibration error"),
    ("log_loss", "log loss"),
)


def standing(result: Figures) -> list[str]:
    """Names, best first: by the mean over conditions of the mean log loss of a task.

    Log loss, since it asks for both: pictures in the right order, and probabilities that mean what
    they say. Both sorts weigh the same.
    """
    return sorted(result["entrants"], key=lambda name: over_conditions(result, name, "log_loss"))


def over_conditions(result: Figures, name: str, metric: str, sort: str | None = None) -> float:
    """Mean of the estimates; NaN where there is no such condition.

    Tasks that turn around without a single real picture are left out: nothing in them says that
    they turn around, and whoever guessed right there would be wrong everywhere else.
    """
    found = []
    for each in [sort] if sort else list(SORTS):
        values = [
            entry["methods"][name][metric]["estimate"]
            for entry in result["conditions"]
            if entry["sort"] == each and (each == "ordinary" or entry["real"] > 0)
        ]
        if values:
            found.append(mean(values))
    return mean(found) if found else float("nan")


def title_of(result: Figures, name: str) -> str:
    """The method's title; bold where it is the one that ships."""
    entrant = result["entrants"][name]
    title = str(entrant["title"])
    return f"**{title}**" if entrant["source"] == "shipped" else title


def standing_table(result: Figures) -> str:
    """Everybody over all conditions, and what an answer costs."""
    rows = []
    for name in standing(result):
        cost = result["costs"][name]
        rows.append(
            [
                title_of(result, name),
                result["entrants"][name]["source"],
                f"{over_conditions(result, name, 'log_loss'):.3f}",
                f"{over_conditions(result, name, 'calibration_error'):.3f}",
                *(
                    f"{over_conditions(result, name, metric, sort):.3f}"
                    for metric in ("auroc", "accuracy")
                    for sort in SORTS
                ),
                _time(cost["adapt_ms"]),
                f"{cost['state_bytes']:,}",
                _time(cost["score_ms"]),
                _time(cost["look_ms"]),
            ]
        )
    header = [
        "method",
        "how it came",
        "log loss",
        "calibration error",
        *(
            f"{text}, {where}"
            for text in ("AUROC", "accuracy")
            for where in ("ordinary", "turning")
        ),
        "ms to adapt",
        "bytes kept",
        "ms to score",
        "ms to look",
    ]
    return table(header, rows)


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    return f"{milliseconds:.3f}" if milliseconds < 0.1 else f"{milliseconds:.3g}"


def five_table(result: Figures, sort: str, shots: tuple[int, int] = (5, 5)) -> str:
    """Every figure at one number of shots, with intervals."""
    entry = next((e for e in result["conditions"] if _is(e, sort, shots)), None)
    if entry is None:
        return ""
    rows = [
        [title_of(result, name), *(with_half(entry["methods"][name][m]) for m, _ in _COLUMNS)]
        for name in standing(result)
    ]
    return table(["method", *(text for _, text in _COLUMNS)], rows)


def shots_table(result: Figures, sort: str, metric: str) -> str:
    """One column for each number of shots, one row for each method."""
    return _by_shots(result, sort, lambda entry, name: with_half(entry["methods"][name][metric]))


def differences_table(result: Figures, sort: str, metric: str) -> str:
    """As :func:`shots_table`: what each method is better or worse by than the one that ships."""

    def cell(entry: Figures, name: str) -> str:
        found = entry["differences"].get(name)
        return difference(found[metric]) if found else ""

    return _by_shots(result, sort, cell, leave_out=next(iter(result["entrants"])))


def _by_shots(
    result: Figures, sort: str, cell: Callable[[Figures, str], str], leave_out: str = ""
) -> str:
    entries = [entry for entry in result["conditions"] if entry["sort"] == sort]
    rows = [
        [title_of(result, name), *(cell(entry, name) for entry in entries)]
        for name in standing(result)
        if name != leave_out
    ]
    return table(["method", *(shots_name(entry) for entry in entries)], rows) if entries else ""


def shots_name(entry: Figures) -> str:
    """``K = 5``, or ``3 stand-ins only``."""
    placeholder, real = entry["placeholder"], entry["real"]
    if placeholder == real:
        return f"K = {real}"
    if not real:
        return f"{placeholder} stand-ins only"
    return f"{real} real only" if not placeholder else f"{placeholder} stand-ins, {real} real"


def _is(entry: Figures, sort: str, shots: tuple[int, int]) -> bool:
    return bool((entry["sort"], entry["placeholder"], entry["real"]) == (sort, *shots))


def training_table(result: Figures) -> str:
    """How each learner came about."""
    rows = []
    for name, record in result["training"]["learners"].items():
        tried: dict[str, Any] = record["tried"]
        losses = record["losses"]
        rows.append(
            [
                name,
                f"{record['parameters']:,}",
                record["choice"],
                ", ".join(f"{choice}: {_loss(loss)}" for choice, loss in tried.items()),
                f"{_loss(losses[0])} → {_loss(losses[-1])}" if losses else "",
                f"{record['seconds']:.0f}" if losses else "",
            ]
        )
    header = ["learner", "parameters", "chosen", "loss by choice", "meta-loss", "seconds"]
    return table(header, rows)


def _loss(loss: float | None) -> str:
    return "diverged" if loss is None or loss == float("inf") else f"{loss:.3f}"


def conditions_in_words(result: Figures) -> str:
    """How many tasks each condition has."""
    counts: Sequence[int] = [entry["episodes"] for entry in result["conditions"]]
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} or more"
