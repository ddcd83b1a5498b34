"""The table and the plot of docs/yardsticks/omniglot, from outcomes: the same bytes for the same.

An interval is Wilson's over the trials of a training, and over those of all of them for a mean: how
the error moves with the trials. How it moves with the seed is the spread beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from model.errors import ManifestError
from model.intervals import Interval, proportion_interval
from model.reports import svg
from model.yardsticks.omniglot.learners import LEARNERS
from model.yardsticks.omniglot.published import PUBLISHED, Published, beside
from model.yardsticks.omniglot.training import Outcome

START = "<!-- omniglot: table -->"
END = "<!-- omniglot: end -->"
_COLOURS = {"small1": "#0072B2", "small2": "#D55E00"}
_MARKERS = {"small1": "o", "small2": "s"}


@dataclass(frozen=True)
class Row:
    """One learner.

    Attributes:
        name: of the learner.
        by_set: its error on the runs after each background set, all seeds together.
        mean: of the sets, and the trials of all of them.
        spread: least and largest error of one training.
        trainings: how many there were.
        tasks: of the background that a training took; the most, where they differ.
        steps: tasks that each was trained on; the most, where they differ.
    """

    name: str
    by_set: dict[str, Interval]
    mean: Interval
    spread: tuple[float, float]
    trainings: int
    tasks: int


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """A row for each learner that has outcomes, best first."""
    found = []
    for name in LEARNERS:
        own = [o for o in outcomes if o.learner == name]
        if not own:
            continue
        sets = sorted({o.background for o in own})
        found.append(
            Row(
                name=name,
                by_set={s: _interval([o for o in own if o.background == s]) for s in sets},
                mean=_interval(own),
                spread=(min(o.error for o in own), max(o.error for o in own)),
                trainings=len(own),
                tasks=max(o.steps for o in own),
            )
        )
    return sorted(found, key=lambda row: row.mean.estimate)


def _interval(outcomes: Sequence[Outcome]) -> Interval:
    """Error of several trainings, its interval as wide as one training's 400 trials make it.

    The trainings answer the same trials, so more trainings are no more trials.
    """
    trials = [sum(o.trials) for o in outcomes]
    error = sum(sum(o.wrong) for o in outcomes) / sum(trials)
    found = proportion_interval(round(error * trials[0]), trials[0])
    return Interval(error, found.low, found.high, trials[0])


def table(outcomes: Sequence[Outcome], hausdorff: tuple[int, int]) -> str:
    """Markdown: ours with published errors beside them, then the other published ones."""
    sets = sorted({o.background for o in outcomes})
    head = ["Learner", "tasks", *(f"after {s}" for s in sets), "mean", "one training"]
    head += ["published, minimal", "published, full"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in rows(outcomes):
        cells = [LEARNERS[row.name].title, f"{row.tasks:,}"]
        cells += [_percent(row.by_set[s]) if s in row.by_set else "" for s in sets]
        low, high = (100 * x for x in row.spread)
        cells += [_percent(row.mean), f"{low:.1f} to {high:.1f} ({row.trainings})"]
        cells += [_cell(beside(row.name, "minimal")), _cell(beside(row.name, "full"))]
        lines.append("| " + " | ".join(cells) + " |")
    wrong = _percent(proportion_interval(*hausdorff))
    cells = ["Modified Hausdorff distance, nothing learned", "0", *([""] * len(sets)), wrong]
    lines.append("| " + " | ".join([*cells, "", "", "38.8"]) + " |")
    return "\n".join([*lines, "", *_published_lines()])


def _published_lines() -> list[str]:
    lines = ["| Published | background | error, % | source | checked there |"]
    lines += ["| --- | --- | ---: | --- | --- |"]
    for p in PUBLISHED:
        checked = "yes" if p.confirmed else "no"
        lines.append(f"| {p.who} | {p.background} | {p.percent:.1f} | {p.source} | {checked} |")
    return lines


def _percent(interval: Interval) -> str:
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:.1f} ({low:.1f} to {high:.1f})"


def _cell(published: Published | None) -> str:
    if published is None:
        return ""
    return f"{published.percent:.1f}" + ("" if published.confirmed else " *")


def write_table(page: Path, text: str) -> None:
    """Put the table between the page's markers, and leave the rest as it is.

    Raises:
        ManifestError: there is no such page, or its markers are not there once each, in order.
    """
    try:
        before = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"cannot read {page}: {error}") from error
    if before.count(START) != 1 or before.count(END) != 1 or before.find(START) > before.find(END):
        raise ManifestError(f"{page} needs the lines {START!r} and {END!r}, once each")
    first, rest = before.split(START)
    last = rest.split(END)[1]
    page.write_text(f"{first}{START}\n{text}\n{END}{last}", encoding="utf-8")


def draw(outcomes: Sequence[Outcome], hausdorff: tuple[int, int], path: Path) -> None:
    """Errors with their intervals, and published ones as marks, as an SVG."""
    with svg.styled():
        svg.save(_figure(outcomes, proportion_interval(*hausdorff)), path)


def _figure(outcomes: Sequence[Outcome], hausdorff: Interval) -> Figure:
    found = rows(outcomes)
    names = [LEARNERS[row.name].title for row in found] + ["Modified Hausdorff distance"]
    figure = Figure(figsize=(7.5, 0.42 * len(names) + 2.0), layout="constrained")
    axes = figure.subplots()
    sets = sorted({o.background for o in outcomes})
    for number, name in enumerate(sets):
        at = [i + 0.2 * (number - (len(sets) - 1) / 2) for i in range(len(found))]
        shown = [
            (y, row.by_set[name]) for y, row in zip(at, found, strict=True) if name in row.by_set
        ]
        _points(axes, shown, _COLOURS.get(name, "0.3"), _MARKERS.get(name, "o"), f"after {name}")
    _points(axes, [(float(len(found)), hausdorff)], "0.3", "^", "nothing learned")
    for background, marker in (("minimal", "x"), ("full", "+")):
        marks = [(p, i) for i, r in enumerate(found) if (p := beside(r.name, background))]
        axes.scatter(
            [p.percent for p, _ in marks],
            [i for _, i in marks],
            marker=marker,
            color="black",
            s=45,
            zorder=3,
            label=f"published, {background} background",
        )
    people = next(p for p in PUBLISHED if p.who == "People")
    axes.axvline(
        people.percent, color="0.5", linestyle="--", linewidth=1, label="people (published)"
    )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, None), xlabel="error in 400 trials of 20-way one-shot classification, %")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _points(
    axes: Any, shown: Sequence[tuple[float, Interval]], colour: str, marker: str, label: str
) -> None:
    axes.errorbar(
        [100 * i.estimate for _, i in shown],
        [y for y, _ in shown],
        xerr=[
            [100 * (i.estimate - i.low) for _, i in shown],
            [100 * (i.high - i.estimate) for _, i in shown],
        ],
        fmt=marker,
        color=colour,
        capsize=2,
        markersize=4,
        linewidth=1,
        label=label,
    )
