"""The part of docs/benchmarks.md about the experts: tables between two markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.experts import EXPERTS
from model.reports.experts.measuring import TOP

BEGIN = "<!-- experts: written by scripts/evaluate_experts.py -->"
END = "<!-- end of experts -->"
_WITHOUT = tuple(f"without {name}" for name in EXPERTS)


def fragment(result: Mapping[str, Any]) -> str:
    """Everything between the markers."""
    about = result["about"]
    return "\n\n".join(
        [
            f"{about['pictures']} pictures that nothing was trained on, {about['standins']} of "
            f"them stand-ins; {about['episodes']} tasks of each sort and size, "
            f"seed {about['seed']}. Weights `{about['weights'][:12]}`, experts "
            f"`{about['experts'][:12]}`, reader "
            f"`{about['reader'][:12]}`. Alone, an expert that abstains says even odds. 95 % "
            "intervals: bootstrap over pictures, or over tasks.",
            "### Before the first example",
            _zero_shot(result["zero_shot"], (*EXPERTS, TOP)),
            "The same, by kind: the share of stand-ins found, and of hard products that raise an "
            "alarm, at each answer's own threshold of 1 % false alarms.",
            _kinds(result["kinds"]),
            "### By examples of each label",
            *(_few_shot(result, sort) for sort in ("ordinary", "turning")),
            "![Log loss, calibration error and recall of the experts and of all together, by "
            "number of examples](images/experts-by-shots.svg)",
            "### Without one of them",
            "The same top level, one expert not asked; log loss, lower is better.",
            _ablation(result),
            "### With the policy",
            "What the released policy asks on the same pictures ([policy.md](policy.md) says how "
            "it was learned, and measures it on the log). Milliseconds on one core as the policy "
            "counts them; ranking over all queries at one threshold.",
            _policy(result),
            "### Unsure",
            f"A label is excluded where its probability is under a bound that was fitted to "
            f"{about['calibration_tasks']} tasks of left-out training categories, so that a new "
            f"category has an expected share of at most {about['alpha']:.0%} of pictures whose own "
            "label is excluded. A picture that keeps both is `unsure`.",
            _unsure(result),
        ]
    )


def _zero_shot(found: Mapping[str, Any], names: tuple[str, ...]) -> str:
    lines = [
        "| expert | answered | AUROC | average precision | recall at 1 % | recall at 0.1 % | "
        "calibration error | log loss |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        row = found[name]
        cells = [
            f"{row['answered']:.0%}" if "answered" in row else "",
            _interval(row["auroc"], 4),
            _interval(row["average_precision"]),
            _interval(row["recall_at_0.01"]),
            _interval(row["recall_at_0.001"]),
            f"{row['calibration_error']:.4f}",
            f"{row['log_loss']:.3f}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _kinds(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| | kind | pictures | visual | together | mean probability |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['sort']} | {row['kind']} | {row['pictures']} | {row['visual']:.2f} | "
            f"{row[TOP]:.2f} | {row['mean_probability']:.2f} |"
        )
    return "\n".join(lines)


def _few_shot(result: Mapping[str, Any], sort: str) -> str:
    lines = [
        f"{sort.capitalize()} tasks:",
        "",
        "| of each | expert | accuracy | AUROC | log loss | recall at 0.1 % | calibration error |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    gains = []
    for tasks in (t for t in result["few_shot"] if t["sort"] == sort):
        for name in (*EXPERTS, TOP):
            row = tasks["figures"][name]
            figures = ("accuracy", "auroc", "log_loss", "recall_at_0.001", "calibration_error")
            cells = " | ".join(_interval(row[figure]) for figure in figures)
            lines.append(f"| {tasks['shots']} | {name} | {cells} |")
        gain = tasks["figures"]["gain"]
        gains.append(
            f"{tasks['shots']}: {gain['estimate']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        )
    lines += [
        "",
        f"Log loss of the best expert less that of all together, by examples, paired: "
        f"{'; '.join(gains)}.",
    ]
    return "\n".join(lines)


def _ablation(result: Mapping[str, Any]) -> str:
    names = (TOP, *_WITHOUT)
    lines = [f"| tasks | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    zero = result["zero_shot"]
    lines.append(
        "| no examples | " + " | ".join(f"{zero[name]['log_loss']:.3f}" for name in names) + " |"
    )
    for tasks in result["few_shot"]:
        figures = tasks["figures"]
        cells = " | ".join(f"{figures[name]['log_loss']['estimate']:.3f}" for name in names)
        lines.append(f"| {tasks['sort']}, {tasks['shots']} of each | {cells} |")
    return "\n".join(lines)


def _policy(result: Mapping[str, Any]) -> str:
    lines = [
        "| tasks | asked: words | glanced at | asked: visual | ms | of everybody's "
        "| AUROC, everybody's | recall at 1 %, everybody's | recall at 0.1 %, everybody's "
        "| log loss, everybody's |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["policy"]:
        ours, all_ = row["policy"], row["everybody"]
        pairs = " | ".join(
            f"{ours[name]:.{digits}f}, {all_[name]:.{digits}f}"
            for name, digits in (
                ("auroc", 4),
                ("recall_at_0.01", 3),
                ("recall_at_0.001", 3),
                ("log_loss", 3),
            )
        )
        lines.append(
            f"| {row['title']} | {row['asked']['words']:.0%} | "
            f"{row['asked'].get('glance', 0):.0%} | {row['asked']['visual']:.0%} | "
            f"{row['milliseconds']:.1f} | {row['of_everybody']:.0%} | {pairs} |"
        )
    return "\n".join(lines)


def _unsure(result: Mapping[str, Any]) -> str:
    lines = [
        "| tasks | own label excluded, mean over tasks | unsure | wrong among the others | wrong, "
        "if all were decided at one half |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for tasks in [*result["few_shot"], *result["one_sided"]]:
        found = tasks["unsure"]
        lines.append(
            f"| {tasks['sort']}, {tasks.get('title', str(tasks['shots']) + ' of each')} | "
            f"{found['excluded']:.3f} ± {found['excluded_half_width']:.3f} | {found['unsure']:.3f} "
            f"| {found['wrong_of_the_others']:.3f} | {found['wrong_of_all']:.3f} |"
        )
    return "\n".join(lines)


def _interval(value: Mapping[str, float], digits: int = 3) -> str:
    low, high = value["low"], value["high"]
    return f"{value['estimate']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
